"""SQL of digests: all that waits for one morning is claimed by one worker, in one message."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db import ids

_LOOK_BACK: Final = timedelta(days=2)

_TAKE = text("SELECT pg_try_advisory_xact_lock(7028443, 0)")
"""One worker at a time claims digests. Nobody waits for it: whoever comes second leaves the rows that it has picked up,
and only the first waits for these. Two that waited for rows of another would wait for ever."""

_WHOLE = text("""
    SELECT n.id FROM notifications n
    WHERE n.contact_method_id = ANY (CAST(:methods AS bigint[])) AND n.state = 'pending' AND n.due_at <= :now
      AND n.purpose = 'page' AND n.content ->> 'digest' IS NOT NULL
    ORDER BY n.id FOR UPDATE
""")
"""Waits for those that another worker has picked up: it leaves them as they are, and ends soon."""

_DAY = text("SELECT n.content ->> 'digest' FROM notifications n WHERE n.id = :id")


_FIRED = text("""
    SELECT incident_id, count(*) AS times FROM occurrences
    WHERE incident_id = ANY (CAST(:incidents AS uuid[])) GROUP BY incident_id
""")

_OVER = text("""
    SELECT DISTINCT n.user_id, n.content ->> 'digest' AS day, i.number
    FROM notifications n JOIN incidents i ON i.id = n.incident_id
    WHERE n.user_id = ANY (CAST(:users AS bigint[])) AND n.id > :since AND n.state = 'cancelled'
      AND n.content ->> 'digest' = ANY (CAST(:days AS text[])) AND i.state IN ('resolved', 'closed')
      AND i.merged_into_id IS NULL
    ORDER BY i.number
""")
"""What was to be in these digests and is over."""


async def take(conn: AsyncConnection) -> bool:
    """Whether digests are this transaction's to claim, until it ends."""
    return bool((await conn.execute(_TAKE)).scalar_one())


async def whole(conn: AsyncConnection, now: datetime, method_ids: Collection[int]) -> list[UUID]:
    """All that is due of the digests of these contact methods, locked."""
    return list((await conn.execute(_WHOLE, {"methods": sorted(method_ids), "now": now})).scalars())


async def fired(conn: AsyncConnection, incident_ids: Collection[UUID]) -> Mapping[UUID, int]:
    """How many occurrences each incident has."""
    rows = await conn.execute(_FIRED, {"incidents": list(incident_ids)})
    return {r.incident_id: r.times for r in rows}


async def day(conn: AsyncConnection, notification_id: UUID) -> str | None:
    """The local date of the digest that this notification is part of; None: of none."""
    return (await conn.execute(_DAY, {"id": notification_id})).scalar_one_or_none()


async def over(
    conn: AsyncConnection, now: datetime, whose: Collection[tuple[int, str]]
) -> Mapping[tuple[int, str], Sequence[int]]:
    """By (user, day of the digest) the numbers of the incidents that are over before it went out."""
    users, days = sorted({user for user, _ in whose}), sorted({day for _, day in whose})
    named: dict[str, Any] = {"users": users, "days": days, "since": ids.first_of(now - _LOOK_BACK)}
    found: dict[tuple[int, str], list[int]] = {}
    for r in await conn.execute(_OVER, named):
        found.setdefault((r.user_id, r.day), []).append(r.number)
    return found

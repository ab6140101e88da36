"""SQL of limits and bundles: how much of its limit each contact method has used, and which pages are due for it.

The row of a contact method's pace is locked from the look until the claim is committed: two workers never exceed a
limit together. Pages that another worker holds are skipped; it waits for the row, and decides about them after.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.notifications.limits import LONG_AGO, Pace

MOST_AT_ONCE = 2000
"""So many pages of one look are decided; the next look decides the others."""

LOCK_PACE = text("""
    INSERT INTO pacing (contact_method_id, spent_until, sent_at)
    SELECT id, CAST(:long_ago AS timestamptz), CAST(:long_ago AS timestamptz)
    FROM unnest(CAST(:ids AS bigint[])) AS id ORDER BY id
    ON CONFLICT (contact_method_id) DO UPDATE SET sent_at = pacing.sent_at
    RETURNING contact_method_id, spent_until, sent_at
""")
"""The paces of contact methods, made where there was none, and locked in the order of their ids."""

KEEP_PACE = text("""
    UPDATE pacing p SET spent_until = t.spent_until, sent_at = t.sent_at
    FROM unnest(CAST(:id AS bigint[]), CAST(:spent_until AS timestamptz[]), CAST(:sent_at AS timestamptz[]))
         AS t (id, spent_until, sent_at)
    WHERE p.contact_method_id = t.id
""")

DUE = text("""
    SELECT n.id, n.contact_method_id, n.channel, n.created_at, i.service_id
    FROM notifications n JOIN incidents i ON i.id = n.incident_id
    WHERE n.contact_method_id = ANY (CAST(:ids AS bigint[])) AND n.state = 'pending' AND n.due_at <= :now
      AND n.purpose = 'page' AND n.tries = 0 AND i.epoch = n.epoch
      AND (i.state = 'triggered' OR (n.content ->> 'until' = 'resolved' AND i.state IN ('acknowledged', 'mitigated')))
      AND (CAST(:storm AS boolean) OR n.loudness = 'quiet' OR i.priority > 1) AND n.content ->> 'digest' IS NULL
    ORDER BY n.created_at, n.id LIMIT :limit
    FOR UPDATE OF n SKIP LOCKED
""")
"""All pages that limits of these contact methods apply to, and that are not pointless by now. Those of a digest go out
without any, in a message of their own."""

POSTPONE = text("""
    UPDATE notifications n SET due_at = t.due_at, because = t.because
    FROM unnest(CAST(:ids AS uuid[]), CAST(:due_at AS timestamptz[]), CAST(:because AS text[]))
         AS t (id, due_at, because)
    WHERE n.id = t.id
""")

CARRIED = text("""
    SELECT n.id, n.user_id, coalesce(u.name, 'webhook') AS user_name,
           n.contact_method_id, n.channel, n.loudness, n.purpose, n.incident_id,
           n.ladder_id, n.epoch, n.round, n.step, n.state, n.repeated
    FROM notifications n LEFT JOIN users u ON u.id = n.user_id
    WHERE n.carried_by_id = :id ORDER BY n.id FOR UPDATE OF n
""")
"""The notifications that went out in the message of another one, or may have."""


async def lock(conn: AsyncConnection, contact_method_ids: Collection[int]) -> dict[int, Pace]:
    """By contact method, until this transaction ends."""
    rows = await conn.execute(LOCK_PACE, {"ids": sorted(contact_method_ids), "long_ago": LONG_AGO})
    return {r.contact_method_id: Pace(r.spent_until, r.sent_at) for r in rows}


async def keep(conn: AsyncConnection, paces: Mapping[int, Pace]) -> None:
    if paces:
        spent_until, sent_at = [p.spent_until for p in paces.values()], [p.sent_at for p in paces.values()]
        await conn.execute(KEEP_PACE, {"id": list(paces), "spent_until": spent_until, "sent_at": sent_at})


async def due(conn: AsyncConnection, contact_method_ids: Collection[int], now: datetime, *, storm: bool) -> list[Any]:
    named = {"ids": sorted(contact_method_ids), "now": now, "storm": storm, "limit": MOST_AT_ONCE}
    return list((await conn.execute(DUE, named)).all())


async def postpone(conn: AsyncConnection, later: Sequence[tuple[UUID, datetime, str]]) -> None:
    """Each notification with the instant at which it is due again, and why."""
    if later:
        ids, due_at, because = zip(*later, strict=True)
        await conn.execute(POSTPONE, {"ids": list(ids), "due_at": list(due_at), "because": list(because)})


async def carried(conn: AsyncConnection, carrier_id: UUID) -> list[Any]:
    return list((await conn.execute(CARRIED, {"id": carrier_id})).all())

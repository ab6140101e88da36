"""SQL of acts of correlation, and of what is looked at for symptoms."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import Struct
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db import ids
from app.db.engine import dumps
from app.incidents.states import IS_OPEN

_INSERT = text("""
    INSERT INTO correlation_acts (id, kind, from_id, to_id, actor, at, before)
    VALUES (:id, :kind, :from_id, :to_id, :actor, :now, CAST(:before AS jsonb))
""")

_LAST = text("""
    SELECT c.id, c.kind, c.from_id, c.to_id, c.actor, c.at, c.before FROM correlation_acts c
    WHERE (c.from_id = :id OR c.to_id = :id) AND c.undone_at IS NULL
    ORDER BY c.id DESC LIMIT 1
""")
"""What was last done to an incident and is not undone."""

_UNDONE = text("UPDATE correlation_acts SET undone_at = :now WHERE id = :id")

_REDIRECT = text("""
    UPDATE incidents SET merged_into_id = :into_id, version = version + 1 WHERE merged_into_id = :from_id RETURNING id
""")
"""What was merged into an incident that is now merged itself: so that one step always leads to who speaks for it."""

_REDIRECT_BACK = text("""
    UPDATE incidents SET merged_into_id = :into_id, version = version + 1
    WHERE id = ANY (CAST(:ids AS uuid[])) AND merged_into_id = :from_id
""")

_DUE = text("""
    SELECT i.id, i.service_id FROM incidents i WHERE i.symptoms_due_at <= :now ORDER BY i.symptoms_due_at LIMIT :limit
""")

_NEAR = text(f"""
    SELECT i.id FROM incidents i
    WHERE i.service_id = ANY (CAST(:services AS bigint[])) AND i.{IS_OPEN} AND i.last_occurrence_at >= :since
      AND NOT i.drill
""")
"""Open incidents of these services with an occurrence since then."""

_DONE = text("""
    UPDATE incidents SET symptoms_due_at = NULL WHERE id = ANY (CAST(:ids AS uuid[])) AND symptoms_due_at <= :now
""")

_TOUCHED = text("""
    SELECT DISTINCT e.incident_id FROM timeline_entries e
    WHERE e.incident_id = ANY (CAST(:ids AS uuid[])) AND (e.actor LIKE 'user:%' OR e.actor LIKE 'api_key:%')
""")
"""Incidents to which a person, or a program in a person's place, did something."""

_LINKED = text("""
    SELECT e.incident_id, CAST(e.data ->> 'to' AS bigint) AS number FROM timeline_entries e
    WHERE e.incident_id = ANY (CAST(:ids AS uuid[])) AND e.kind = 'symptom_linked'
""")


class Act(Struct, frozen=True, gc=False):
    """A merge, split, move or symptom. `before`: `occurrences` that went, with `symptom` for each; `decided` by alert;
    `incident`, what the one that ended was; `redirected`, what had been merged into it."""

    id: UUID
    kind: str
    from_id: UUID
    to_id: UUID
    actor: str
    at: datetime
    before: Mapping[str, Any]


async def insert(
    conn: AsyncConnection,
    now: datetime,
    kind: str,
    from_id: UUID,
    to_id: UUID,
    actor: str,
    before: Mapping[str, Any],
) -> None:
    named = {"id": ids.new(now), "kind": kind, "from_id": from_id, "to_id": to_id, "actor": actor, "now": now}
    await conn.execute(_INSERT, named | {"before": dumps(before)})


async def last(conn: AsyncConnection, incident_id: UUID) -> Act | None:
    """What was done last, to it or with it, and is not undone."""
    row = (await conn.execute(_LAST, {"id": incident_id})).one_or_none()
    return None if row is None else Act(*row)


async def undone(conn: AsyncConnection, now: datetime, act_id: UUID) -> None:
    await conn.execute(_UNDONE, {"id": act_id, "now": now})


async def redirect(conn: AsyncConnection, from_id: UUID, into_id: UUID) -> list[UUID]:
    """What was merged into `from_id` is merged into `into_id` now; these."""
    return list((await conn.execute(_REDIRECT, {"from_id": from_id, "into_id": into_id})).scalars())


async def redirect_back(conn: AsyncConnection, incident_ids: Collection[UUID], from_id: UUID, into_id: UUID) -> None:
    named = {"ids": list(incident_ids), "from_id": from_id, "into_id": into_id}
    await conn.execute(_REDIRECT_BACK, named)


async def due(conn: AsyncConnection, now: datetime, limit: int = 500) -> dict[UUID, int]:
    """Service ids of incidents that may be symptoms, or have some."""
    return {r.id: r.service_id for r in await conn.execute(_DUE, {"now": now, "limit": limit})}


async def near(conn: AsyncConnection, service_ids: Collection[int], since: datetime) -> set[UUID]:
    named = {"services": sorted(service_ids), "since": since}
    return set((await conn.execute(_NEAR, named)).scalars())


async def done(conn: AsyncConnection, now: datetime, incident_ids: Collection[UUID]) -> None:
    """They are looked at; whose time came again meanwhile stays due."""
    await conn.execute(_DONE, {"ids": list(incident_ids), "now": now})


async def touched(conn: AsyncConnection, incident_ids: Collection[UUID]) -> set[UUID]:
    return set((await conn.execute(_TOUCHED, {"ids": list(incident_ids)})).scalars())


async def linked(conn: AsyncConnection, incident_ids: Collection[UUID]) -> set[tuple[UUID, int]]:
    """(incident, number of the other) that are linked already."""
    rows = await conn.execute(_LINKED, {"ids": list(incident_ids)})
    return {(r.incident_id, r.number) for r in rows}

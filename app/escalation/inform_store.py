"""SQL of ladders that inform, and of updates that are due."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import Struct
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db.engine import dumps

START = text("""
    INSERT INTO ladders AS l (id, incident_id, purpose, policy, epoch, round, step, reached, next_step_at, started_at,
                              update_due_at)
    SELECT t.id, t.incident_id, 'inform', CAST(t.policy AS jsonb), t.epoch, 1, 0, 0, :now, :now, t.update_due_at
    FROM unnest(CAST(:id AS uuid[]), CAST(:incident_id AS uuid[]), CAST(:epoch AS integer[]), CAST(:policy AS text[]),
                CAST(:update_due_at AS timestamptz[])) AS t (id, incident_id, epoch, policy, update_due_at)
    ON CONFLICT (incident_id, purpose) DO UPDATE
    SET policy = excluded.policy, epoch = excluded.epoch, round = 1, step = 0, reached = 0, leg = 0, leg_round = 1,
        next_step_at = excluded.next_step_at, update_due_at = least(l.update_due_at, excluded.update_due_at)
    WHERE CAST(l.policy #>> '{inform,priority}' AS integer) > CAST(excluded.policy #>> '{inform,priority}' AS integer)
       OR CAST(l.policy #>> '{inform,reopened}' AS integer) < CAST(excluded.policy #>> '{inform,reopened}' AS integer)
""")

CLAIM_UPDATES = text("""
    WITH due AS MATERIALIZED (
        SELECT * FROM ladders l WHERE l.update_due_at <= :now ORDER BY l.update_due_at LIMIT :limit
        FOR UPDATE SKIP LOCKED)
    SELECT l.id, l.incident_id, i.epoch, l.started_at, i.state, i.loudness, i.acknowledged_by_id, u.name
    FROM due l JOIN incidents i ON i.id = l.incident_id LEFT JOIN users u ON u.id = i.acknowledged_by_id
    ORDER BY l.update_due_at
""")
"""Updates that are due, each for one worker only."""

SET_UPDATES = text("""
    UPDATE ladders l SET update_due_at = t.due
    FROM unnest(CAST(:ids AS uuid[]), CAST(:due AS timestamptz[])) AS t (id, due) WHERE l.id = t.id
""")

POSTED = text("""
    UPDATE ladders SET update_due_at = CAST(:now AS timestamptz)
           + make_interval(secs => CAST(policy #>> '{inform,update_interval_s}' AS integer))
    WHERE incident_id = :incident_id AND purpose = 'inform'
""")
"""The next one is due after the interval; where there is none, never."""

UPDATE_DUE = text("SELECT l.update_due_at FROM ladders l WHERE l.incident_id = :incident_id AND l.purpose = 'inform'")


class DueUpdate(Struct, frozen=True, gc=False):
    ladder_id: UUID
    incident_id: UUID
    epoch: int
    started_at: datetime
    state: str
    loudness: str
    holder_id: int | None
    holder: str | None


async def start(
    conn: AsyncConnection, rows: Sequence[tuple[UUID, UUID, int, dict[str, Any], datetime | None]], now: datetime
) -> None:
    """`rows`: (ladder id, incident id, epoch, copy of the policy, when the first update is due)."""
    ids, incidents, epochs, policies, due = zip(*rows, strict=True)
    named = {"id": list(ids), "incident_id": list(incidents), "epoch": list(epochs), "update_due_at": list(due)}
    await conn.execute(START, named | {"policy": [dumps(p) for p in policies], "now": now})


async def claim_updates(conn: AsyncConnection, now: datetime, limit: int = 500) -> list[DueUpdate]:
    return [DueUpdate(*r) for r in await conn.execute(CLAIM_UPDATES, {"now": now, "limit": limit})]


async def set_updates(conn: AsyncConnection, due: Mapping[UUID, datetime | None]) -> None:
    await conn.execute(SET_UPDATES, {"ids": list(due), "due": list(due.values())})


async def posted(conn: AsyncConnection, now: datetime, incident_id: UUID) -> None:
    await conn.execute(POSTED, {"incident_id": incident_id, "now": now})


async def update_due_at(conn: AsyncConnection, incident_id: UUID) -> datetime | None:
    """When whoever has the incident is reminded of an update."""
    due: datetime | None = (await conn.execute(UPDATE_DUE, {"incident_id": incident_id})).scalar()
    return due

"""SQL of ladders. Claims are set-based: one statement for up to 500 ladders, however many wait."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import Struct
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db.engine import dumps
from app.db.hot import Hot
from app.escalation.policy_copy import PolicyCopy
from app.escalation.positions import Ladder

START = text("""
    INSERT INTO ladders (id, incident_id, purpose, policy, epoch, round, step, reached, next_step_at, started_at)
    SELECT t.id, t.incident_id, 'page', CAST(t.policy AS jsonb), 1, 1, 0, 0, :now, :now
    FROM unnest(CAST(:id AS uuid[]), CAST(:incident_id AS uuid[]), CAST(:policy AS text[]))
         AS t (id, incident_id, policy)
""")

CLAIM = text("""
    WITH due AS MATERIALIZED (
        SELECT * FROM ladders l WHERE l.next_step_at <= :now ORDER BY l.next_step_at LIMIT :limit
        FOR UPDATE SKIP LOCKED)
    SELECT l.id, l.incident_id, l.purpose, l.policy, l.epoch, l.round, l.step, l.reached, l.next_step_at,
           i.state, i.epoch AS incident_epoch, i.loudness, i.service_id, i.assigned_to_id,
           s.id IS NOT NULL AND i.priority > 2 AND i.assigned_to_id IS NULL AS withheld
    FROM due l JOIN incidents i ON i.id = l.incident_id
    LEFT JOIN storms s ON s.id = i.storm_id AND s.ended_at IS NULL
    ORDER BY l.next_step_at
""")
"""Ladders that are due, each for one worker only. Locked first and looked up after: however many are due, only those
that are claimed are joined."""

HELD_BEFORE = text("""
    SELECT a.incident_id, a.user_id FROM acknowledgements a
    JOIN unnest(CAST(:incident_ids AS uuid[]), CAST(:epochs AS integer[])) AS t (incident_id, epoch)
      ON a.incident_id = t.incident_id AND a.epoch = t.epoch
    WHERE a.withdrawn_at IS NULL
""")
"""Who had these incidents in these epochs."""

MOVE = Hot("""
    UPDATE ladders l
    SET epoch = t.epoch, round = t.round, step = t.step, reached = t.reached, next_step_at = t.next_step_at
    FROM unnest(CAST(:id AS uuid[]), CAST(:epoch AS integer[]), CAST(:round AS integer[]), CAST(:step AS integer[]),
                CAST(:reached AS integer[]), CAST(:next_step_at AS timestamptz[]))
         AS t (id, epoch, round, step, reached, next_step_at)
    WHERE l.id = t.id
""")

RESTART = text("""
    UPDATE ladders SET next_step_at = :now WHERE incident_id = ANY (CAST(:ids AS uuid[])) AND purpose = 'page'
""")
"""Ladders of incidents that became triggered: due now, whether parked or waiting."""

CONTINUE = text("""
    UPDATE ladders SET next_step_at = :now
    WHERE incident_id = ANY (CAST(:ids AS uuid[])) AND purpose = 'page' AND next_step_at IS NULL
""")
"""Ladders that were parked while their incident seemed to be over; those that still wait go on waiting."""

STEP_NOW = text("""
    UPDATE ladders SET next_step_at = :now, epoch = :epoch WHERE incident_id = :incident_id AND purpose = 'page'
    RETURNING id, step, round
""")

ADVANCE = text("""
    UPDATE ladders SET next_step_at = :now
    WHERE id = :id AND epoch = :epoch AND round = :round AND step = :step + 1 AND next_step_at > :now
    RETURNING id
""")
"""The next step falls due now, because nobody of the one before can be reached any more."""

LAST_RESORT_LOST = text("""
    UPDATE ladders SET next_step_at = least(next_step_at, :again), reached = :lost
    WHERE id = :id AND epoch = :epoch AND round = :round + 1 AND step = :step AND next_step_at > :now
      AND step >= jsonb_array_length(policy -> 'steps')
    RETURNING id
""")
"""Nobody of the last resort can be reached by what was sent to them: it is tried again soon."""

NEXT_STEP = text("SELECT min(next_step_at) FROM ladders WHERE next_step_at IS NOT NULL")

TEAM_MEMBERS = text("""
    SELECT m.team_id, m.user_id FROM team_members m WHERE m.team_id = ANY (CAST(:ids AS bigint[])) ORDER BY m.user_id
""")

TEAM_NAMES = text("SELECT t.id, t.name FROM teams t WHERE t.id = ANY (CAST(:ids AS bigint[]))")


class Claimed(Struct, frozen=True, gc=False):
    """A due ladder with its incident's state."""

    ladder: Ladder
    state: str
    epoch: int
    loudness: str
    service_id: int
    assigned_to_id: int | None
    withheld: bool


async def start(conn: AsyncConnection, rows: Sequence[tuple[UUID, UUID, dict[str, Any]]], now: datetime) -> None:
    """`rows`: (ladder id, incident id, copy of the policy)."""
    await conn.execute(
        START,
        {
            "now": now,
            "id": [r[0] for r in rows],
            "incident_id": [r[1] for r in rows],
            "policy": [dumps(r[2]) for r in rows],
        },
    )


async def claim(conn: AsyncConnection, now: datetime, limit: int) -> list[Claimed]:
    rows = await conn.execute(CLAIM, {"now": now, "limit": limit})
    return [
        Claimed(
            Ladder(
                r.id,
                r.incident_id,
                r.purpose,
                PolicyCopy.of(r.policy),
                r.epoch,
                r.round,
                r.step,
                r.reached,
                r.next_step_at,
            ),
            r.state,
            r.incident_epoch,
            r.loudness,
            r.service_id,
            r.assigned_to_id,
            r.withheld,
        )
        for r in rows
    ]


async def held_before(conn: AsyncConnection, claimed: Sequence[Claimed]) -> dict[UUID, tuple[int, ...]]:
    """For ladders that start a new epoch: who had the incident in the one before."""
    restarting = [c for c in claimed if c.state == "triggered" and 0 < c.ladder.epoch < c.epoch]
    if not restarting:
        return {}
    named = {"incident_ids": [c.ladder.incident_id for c in restarting], "epochs": [c.epoch - 1 for c in restarting]}
    held: dict[UUID, tuple[int, ...]] = {}
    for r in await conn.execute(HELD_BEFORE, named):
        held[r.incident_id] = (*held.get(r.incident_id, ()), r.user_id)
    return held


async def move(conn: AsyncConnection, ladders: Sequence[Ladder]) -> None:
    await MOVE.write(
        conn,
        {
            "id": [x.id for x in ladders],
            "epoch": [x.epoch for x in ladders],
            "round": [x.round for x in ladders],
            "step": [x.step for x in ladders],
            "reached": [x.reached for x in ladders],
            "next_step_at": [x.next_step_at for x in ladders],
        },
    )


async def team_members(conn: AsyncConnection, team_ids: Collection[int]) -> dict[int, tuple[str, tuple[int, ...]]]:
    """By team id: its name and the ids of its members."""
    if not team_ids:
        return {}
    named = {"ids": sorted(team_ids)}
    members: dict[int, list[int]] = {}
    for r in await conn.execute(TEAM_MEMBERS, named):
        members.setdefault(r.team_id, []).append(r.user_id)
    return {r.id: (r.name, tuple(members.get(r.id, ()))) for r in await conn.execute(TEAM_NAMES, named)}

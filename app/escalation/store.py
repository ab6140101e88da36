"""SQL of ladders. Claims are set-based: one statement for up to 500 ladders, however many wait."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import Struct
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db import ids
from app.db.engine import dumps
from app.db.hot import Hot
from app.escalation.policy_copy import parsed
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
    SELECT l.id, l.incident_id, l.purpose, CAST(l.policy AS text) AS policy, l.epoch, l.round, l.step, l.reached,
           l.next_step_at, l.leg, l.leg_round, l.tier,
           i.state, i.epoch AS incident_epoch, i.loudness, i.service_id, i.assigned_to_id, i.priority,
           s.id IS NOT NULL AND CASE WHEN l.purpose = 'page' THEN i.priority > 2 AND i.assigned_to_id IS NULL
                                ELSE s.incident_id <> i.id END AS withheld
    FROM due l JOIN incidents i ON i.id = l.incident_id
    LEFT JOIN storms s ON s.id = i.storm_id AND s.ended_at IS NULL
    ORDER BY l.next_step_at, l.id
""")
"""Ladders that are due, each for one worker only, and of those due together the older first. Locked first and looked up
after: however many are due, only those that are claimed are joined."""

STARTING = text("""
    SELECT l.incident_id FROM ladders l JOIN incidents i ON i.id = l.incident_id
    WHERE l.next_step_at <= :now AND i.state = 'triggered' AND i.assigned_to_id IS NULL
      AND (l.epoch < i.epoch OR (l.round = 1 AND l.step = 0))
    ORDER BY l.next_step_at LIMIT :limit
""")
"""Incidents that are about to page for the first time in their epoch, and were handed to nobody."""

SAID = text("""
    SELECT DISTINCT e.incident_id, e.kind FROM timeline_entries e JOIN incidents i ON i.id = e.incident_id
    WHERE e.incident_id = ANY (CAST(:ids AS uuid[])) AND e.id >= :since AND e.at >= i.triggered_at
      AND e.kind = ANY (CAST(:kinds AS text[]))
""")

HELD_BEFORE = text("""
    SELECT a.incident_id, a.user_id FROM acknowledgements a
    JOIN unnest(CAST(:incident_ids AS uuid[]), CAST(:epochs AS integer[])) AS t (incident_id, epoch)
      ON a.incident_id = t.incident_id AND a.epoch = t.epoch
    WHERE a.withdrawn_at IS NULL
""")
"""Who had these incidents in these epochs."""

MOVE = Hot("""
    UPDATE ladders l
    SET epoch = t.epoch, round = t.round, step = t.step, reached = t.reached, next_step_at = t.next_step_at,
        leg = t.leg, leg_round = t.leg_round
    FROM unnest(CAST(:id AS uuid[]), CAST(:epoch AS integer[]), CAST(:round AS integer[]), CAST(:step AS integer[]),
                CAST(:reached AS integer[]), CAST(:next_step_at AS timestamptz[]), CAST(:leg AS smallint[]),
                CAST(:leg_round AS integer[]))
         AS t (id, epoch, round, step, reached, next_step_at, leg, leg_round)
    WHERE l.id = t.id
""")

RESTART = text("""
    UPDATE ladders SET next_step_at = :now WHERE incident_id = ANY (CAST(:ids AS uuid[])) AND purpose = 'page'
""")
"""Ladders of incidents that became triggered: due now, whether parked or waiting."""

CONTINUE = text("""
    UPDATE ladders SET next_step_at = :now
    WHERE incident_id = ANY (CAST(:ids AS uuid[])) AND next_step_at IS NULL
""")
"""Ladders that were parked while their incident seemed to be over; those that still wait go on waiting."""

STEP_NOW = text("""
    UPDATE ladders SET next_step_at = :now, epoch = :epoch WHERE incident_id = :incident_id AND purpose = 'page'
    RETURNING id, step, round
""")

HOLD = text("SELECT l.id FROM ladders l WHERE l.id = :id FOR NO KEY UPDATE")

ADVANCE = text("""
    UPDATE ladders SET next_step_at = :now
    WHERE id = :id AND epoch = :epoch AND round = :round AND step = :step + 1 AND next_step_at > :now
    RETURNING id
""")
"""The next step falls due now, because nobody of the one before can be reached any more."""

LAST_RESORT_LOST = text("""
    UPDATE ladders SET next_step_at = least(next_step_at, :again), reached = :lost
    WHERE id = :id AND epoch = :epoch AND round = :round + 1 AND step = :step AND next_step_at > :now
      AND step >= jsonb_array_length(CASE leg WHEN 0 THEN policy ELSE policy -> 'chain' -> (leg - 1) END -> 'steps')
    RETURNING id
""")
"""Nobody of the last resort can be reached by what was sent to them: it is tried again soon."""

NEXT_STEP = text("""
    SELECT least((SELECT min(next_step_at) FROM ladders WHERE next_step_at IS NOT NULL),
                 (SELECT min(update_due_at) FROM ladders WHERE update_due_at IS NOT NULL))
""")

ACKNOWLEDGED = text("""
    SELECT a.incident_id, a.user_id FROM acknowledgements a JOIN incidents i ON i.id = a.incident_id
    WHERE a.incident_id = ANY (CAST(:ids AS uuid[])) AND a.epoch = i.epoch AND a.withdrawn_at IS NULL
""")
"""Who acknowledged these incidents in their epoch, while others may still have to."""

WEBHOOKS = text("""
    SELECT w.id, w.name, w.sealed_address IS NOT NULL AS callable FROM webhooks w
    WHERE w.id = ANY (CAST(:ids AS bigint[]))
""")

TIER_OF = text("SELECT l.tier FROM ladders l WHERE l.incident_id = :incident_id AND l.purpose = 'page' FOR UPDATE")

TO_TIER = text("""
    UPDATE ladders SET policy = CAST(:policy AS jsonb), tier = :tier, epoch = :epoch, round = 1, step = 0, reached = 0,
           leg = 0, leg_round = 1, next_step_at = :now
    WHERE incident_id = :incident_id AND purpose = 'page'
""")
"""A ladder begins anew, with the policy of a higher tier."""

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
    priority: int


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
                parsed(r.policy),
                r.epoch,
                r.round,
                r.step,
                r.reached,
                r.next_step_at,
                r.leg,
                r.leg_round,
                r.tier,
            ),
            r.state,
            r.incident_epoch,
            r.loudness,
            r.service_id,
            r.assigned_to_id,
            r.withheld,
            r.priority,
        )
        for r in rows
    ]


async def starting(conn: AsyncConnection, now: datetime, limit: int) -> list[UUID]:
    return list((await conn.execute(STARTING, {"now": now, "limit": limit})).scalars())


async def said(
    conn: AsyncConnection, incident_ids: Collection[UUID], kinds: Sequence[str], since: datetime
) -> set[tuple[UUID, str]]:
    """Which of these the incidents' timelines say already, since then and in this epoch."""
    named = {"ids": list(incident_ids), "kinds": list(kinds), "since": ids.first_of(since)}
    return {(r.incident_id, r.kind) for r in await conn.execute(SAID, named)}


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
            "leg": [x.leg for x in ladders],
            "leg_round": [x.leg_round for x in ladders],
        },
    )


async def acknowledged(conn: AsyncConnection, claimed: Sequence[Claimed]) -> dict[UUID, tuple[int, ...]]:
    """For ladders with a step that all must acknowledge: who did."""
    asked = [c.ladder.incident_id for c in claimed if any(rung.all for rung in c.ladder.policy.rungs)]
    found: dict[UUID, tuple[int, ...]] = {}
    for r in await conn.execute(ACKNOWLEDGED, {"ids": asked}) if asked else ():
        found[r.incident_id] = (*found.get(r.incident_id, ()), r.user_id)
    return found


async def webhooks(conn: AsyncConnection, webhook_ids: Collection[int]) -> dict[int, tuple[str, bool]]:
    """By id the name, and whether it has an address."""
    if not webhook_ids:
        return {}
    return {r.id: (r.name, r.callable) for r in await conn.execute(WEBHOOKS, {"ids": sorted(webhook_ids)})}


async def to_tier(
    conn: AsyncConnection, now: datetime, incident_id: UUID, epoch: int, tier: int, policy: dict[str, Any]
) -> None:
    named = {"incident_id": incident_id, "epoch": epoch, "tier": tier, "policy": dumps(policy), "now": now}
    await conn.execute(TO_TIER, named)


async def team_members(conn: AsyncConnection, team_ids: Collection[int]) -> dict[int, tuple[str, tuple[int, ...]]]:
    """By team id: its name and the ids of its members."""
    if not team_ids:
        return {}
    named = {"ids": sorted(team_ids)}
    members: dict[int, list[int]] = {}
    for r in await conn.execute(TEAM_MEMBERS, named):
        members.setdefault(r.team_id, []).append(r.user_id)
    return {r.id: (r.name, tuple(members.get(r.id, ()))) for r in await conn.execute(TEAM_NAMES, named)}

"""What the ladder of an incident does next if nothing changes: the same engine as the climb, without writing."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app import hours
from app.escalation import follow_store, ladder, policy_store, reach, turn_store
from app.escalation.ladder import Climb
from app.escalation.policy_copy import PolicyCopy, Target
from app.escalation.positions import Ladder, Situation
from app.escalation.reach import Town
from app.incidents import required_store

LADDER = text("""
    SELECT l.id, l.incident_id, l.purpose, l.policy, l.epoch, l.round, l.step, l.reached, l.next_step_at,
           l.leg, l.leg_round, l.tier, i.state, i.epoch AS incident_epoch, i.loudness, i.assigned_to_id, i.priority,
           i.service_id, s.support_hours, coalesce(l.purpose = 'inform' AND x.incident_id <> i.id, false) AS withheld
    FROM ladders l JOIN incidents i ON i.id = l.incident_id JOIN services s ON s.id = i.service_id
    LEFT JOIN storms x ON x.id = i.storm_id AND x.ended_at IS NULL
    WHERE l.incident_id = :incident_id AND l.purpose = :purpose AND l.next_step_at IS NOT NULL
      AND i.state IN ('triggered', 'acknowledged', 'mitigated')
""")
"""A ladder of an open incident that is not parked."""

SAYS_WHO = frozenset({"step", "last_resort", "last_resort_unreachable"})
"""Entries of a climb that say whom it asked."""

HELD = text("""
    SELECT user_id FROM acknowledgements
    WHERE incident_id = :incident_id AND epoch = :epoch AND withdrawn_at IS NULL
""")


@dataclass(frozen=True, slots=True)
class NextStep:
    """`at` may be past for a moment: it is due. `step` None: the last resort. `names` empty: it reaches nobody.
    `channels`: by which the first messages go out."""

    at: datetime
    policy: str
    round: int
    step: int | None
    names: tuple[str, ...]
    channels: tuple[str, ...] = ()


async def next_step(
    conn: AsyncConnection, incident_id: UUID, channels: Collection[str], now: datetime, purpose: str = "page"
) -> NextStep | None:
    """Who is paged next and when, by whoever is on call then; also when somebody has the incident and a step is taken
    until it is resolved. None: nobody. `purpose`: `inform` for who is informed next. `channels`: the names of the
    configured ones."""
    row = (await conn.execute(LADDER, {"incident_id": incident_id, "purpose": purpose})).first()
    if row is None:
        return None
    climbing = Ladder(
        row.id, row.incident_id, row.purpose, PolicyCopy.of(row.policy), row.epoch, row.round, row.step, row.reached,
        row.next_step_at, row.leg, row.leg_round, row.tier,
    )  # fmt: skip
    held = await _held(conn, incident_id, row.incident_epoch - 1) if 0 < row.epoch < row.incident_epoch else ()
    support = hours.parse_hours(row.support_hours) if row.support_hours else None
    asked = await _held(conn, incident_id, row.incident_epoch)
    situation = Situation(
        row.state, row.incident_epoch, row.loudness, support, row.assigned_to_id, held, row.withheld, row.priority,
        asked,
    )  # fmt: skip
    return await _first(conn, climbing, situation, row.service_id, channels, now)


async def _first(
    conn: AsyncConnection,
    climbing: Ladder,
    situation: Situation,
    service_id: int,
    channels: Collection[str],
    now: datetime,
) -> NextStep | None:
    """The first step from here on that asks somebody. Each look passes a step that somebody who has the incident made
    needless, or is the last."""
    last_resort = [Target(t["type"], t["id"]) for t in await policy_store.last_resort(conn)]
    following = await follow_store.following(conn, [(service_id, climbing.policy)])
    more = [t for policy in following.policies for rung in policy.rungs for t in rung.targets]
    targets = [*_targets(climbing, situation), *last_resort, *more]
    turns = await turn_store.read(conn, turn_store.places_of([climbing.policy, *following.policies]))
    while (due := climbing.next_step_at) is not None:
        at = max(due, now)
        town = await reach.town(conn, targets, channels, at, [service_id])
        find = town.of(service_id, programs=not climbing.policy.drill)
        found = ladder.climb(climbing, situation, find, last_resort, at, turns, following.of(service_id))
        if (told := _told(due, found, town)) is not None:
            return told
        climbing = found.ladder
    return None


async def _held(conn: AsyncConnection, incident_id: UUID, epoch: int) -> tuple[int, ...]:
    rows = await conn.execute(HELD, {"incident_id": incident_id, "epoch": epoch})
    return tuple(r.user_id for r in rows)


def _targets(climbing: Ladder, situation: Situation) -> set[Target]:
    targets = {t for rung in climbing.policy.rungs for t in rung.targets}
    targets.update(Target("user", user_id) for user_id in situation.held_before)
    if situation.assigned_to_id is not None:
        targets.add(Target("user", situation.assigned_to_id))
    return targets


def _told(due: datetime, climb: Climb, town: Town) -> NextStep | None:
    """The last entry that says whom it asked: the step that reached somebody, or that nobody could be reached. None:
    it asked nobody."""
    said = next((entry for entry in reversed(climb.entries) if entry.kind in SAYS_WHO), None)
    if said is None:
        return None
    data = said.data
    step = data["step"] if said.kind == "step" else None
    round_ = climb.ladder.lap - (said.kind == "last_resort")  # paging the last resort begins a round of its own
    rules = [town.people[p.user_id].rules_for(p.loudness) for p in climb.pages if p.user_id is not None]
    channels = dict.fromkeys(r.method.channel for own in rules for r in own if r.delay_s == own[0].delay_s)
    return NextStep(due, climb.ladder.climbed.name, round_, step, tuple(data.get("names", ())), tuple(channels))


@dataclass(frozen=True, slots=True)
class Beside:
    """What ladders know of an incident: its support tier; where all must acknowledge, who has and who has not; when an
    update is due."""

    tier: int = 1
    acknowledged_partly_by: tuple[str, ...] = ()
    acknowledgement_missing: tuple[str, ...] = ()
    update_due_at: datetime | None = None


BESIDE = text("""
    SELECT coalesce(max(l.tier) FILTER (WHERE l.purpose = 'page'), 1) AS tier, max(l.update_due_at) AS update_due_at
    FROM ladders l WHERE l.incident_id = :incident_id
""")


async def beside(conn: AsyncConnection, incident_id: UUID, epoch: int) -> Beside:
    row = (await conn.execute(BESIDE, {"incident_id": incident_id})).one()
    missing = await required_store.missing(conn, incident_id, epoch)
    given = await required_store.given(conn, incident_id, epoch) if missing else ()
    return Beside(row.tier, given, missing, row.update_due_at)

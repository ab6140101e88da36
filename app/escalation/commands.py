"""⑥ starting and ⑦ climbing ladders, and what people do to them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from msgspec.structs import replace
from sqlalchemy.ext.asyncio import AsyncConnection

from app.alerts.suppression import Suppressions
from app.db import ids
from app.directory.contacts import Person
from app.errors import Conflict, Invalid
from app.escalation import (
    copy_store,
    follow_store,
    informing,
    ladder,
    list_store,
    policy_store,
    reach,
    reminding,
    store,
    subscribing,
    turn_store,
)
from app.escalation.copy_store import Policies
from app.escalation.following import NO_TIER
from app.escalation.ladder import Climb
from app.escalation.policy_copy import Target
from app.escalation.positions import PageOrder, Shadowing, Situation
from app.hours import WeeklyHours
from app.incidents import quieting, required_store, storm_store
from app.incidents import store as incident_store
from app.incidents.commands import Responder
from app.incidents.states import OPEN, Incident, trigger
from app.incidents.timeline import Entry

NO_POLICY: dict[str, Any] = {"key": "", "name": "no policy", "version": 0, "repeats": 0, "steps": []}
"""For a service without a policy in an organisation without a catch-all: straight to the last resort."""

NOTHING = Suppressions()
CLAIM: Final = 500
"""Ladders in one pass."""
SAID_SELDOM: Final = ("last_resort_unreachable", NO_TIER)
SAID_EVERY = timedelta(hours=1)


async def start(
    conn: AsyncConnection,
    incidents: Sequence[Incident],
    policies: Policies,
    now: datetime,
) -> None:
    """⑥ A ladder for each new incident, due at once, and one that informs where the matrix says so. `policies` are
    copied as they are now."""
    if incidents:
        rows = [(ids.new(now), i.id, dict(policies.page.get(i.service_id, NO_POLICY))) for i in incidents]
        await store.start(conn, rows, now)
        await informing.start(conn, incidents, policies.inform, now)


async def start_drill(conn: AsyncConnection, incident_id: UUID, policy: dict[str, Any], now: datetime) -> None:
    """A ladder for a drill, due at once, with a copy that its caller made. Nobody is informed."""
    await store.start(conn, [(ids.new(now), incident_id, policy)], now)


async def restart(conn: AsyncConnection, incident_ids: Collection[UUID], policies: Policies, now: datetime) -> None:
    """⓪ These incidents became triggered again: their ladders are due, and start from the first step at their claim.
    Who is informed learns of what was raised or reopened."""
    if incident_ids:
        await conn.execute(store.RESTART, {"ids": list(incident_ids), "now": now})
        if policies.inform:
            incidents = await incident_store.read(conn, incident_ids)
            await informing.start(conn, [i for i in incidents if i.is_open], policies.inform, now)


async def go_on(conn: AsyncConnection, incident_ids: Collection[UUID], now: datetime) -> None:
    """These incidents are open again without a new epoch: what was parked meanwhile is due."""
    if incident_ids:
        await conn.execute(store.CONTINUE, {"ids": list(incident_ids), "now": now})


@dataclass(slots=True)
class Climbed:
    """What one pass did: whom to page, how late each claimed ladder was in seconds, and how often not even the last
    resort could be reached."""

    pages: list[PageOrder] = field(default_factory=list)
    lateness: list[float] = field(default_factory=list)
    unreachable: int = 0
    shadows: list[Shadowing] = field(default_factory=list)
    """Who is told, and need not do anything."""
    people: Mapping[int, Person] = field(default_factory=dict)
    """Whom the steps may page, by id."""

    @property
    def behind(self) -> bool:
        """It claimed all that one pass may: more is due."""
        return len(self.lateness) >= CLAIM


async def climb(
    conn: AsyncConnection,
    hours: Mapping[int, WeeklyHours | None],
    channels: Collection[str],
    now: datetime,
    suppressions: Suppressions = NOTHING,
    limit: int = CLAIM,
) -> Climbed:
    """⑦ Claims what is due, climbs or parks it. `hours`: support hours by service id; `channels`: those configured;
    `suppressions`: silences that may hold for all that fires of an incident."""
    if suppressions.silences:
        await quieting.look(conn, await store.starting(conn, now, limit), suppressions, now, only_free=True)
    reminders = [*await informing.remind(conn, now), *await reminding.remind(conn, now)]
    claimed = await store.claim(conn, now, limit)
    if not claimed:
        return Climbed(reminders)
    last_resort = [Target(t["type"], t["id"]) for t in await policy_store.last_resort(conn)]
    held = await store.held_before(conn, claimed)
    asked = await store.acknowledged(conn, claimed)
    services = {c.service_id for c in claimed}
    following = await follow_store.following(conn, [(c.service_id, c.ladder.policy) for c in claimed])
    more = {t for policy in following.policies for rung in policy.rungs for t in rung.targets}
    town = await reach.town(conn, [*_targets(claimed, held), *last_resort, *more], channels, now, services)
    climbed = [*(c.ladder.policy for c in claimed), *following.policies]
    turns = await turn_store.lock(conn, turn_store.places_of(climbed))
    climbs: list[Climb] = []
    for c in claimed:
        situation = Situation(
            c.state,
            c.epoch,
            c.loudness,
            hours.get(c.service_id),
            c.assigned_to_id,
            held.get(c.ladder.incident_id, ()),
            c.withheld,
            c.priority,
            asked.get(c.ladder.incident_id, ()),
        )
        find = town.of(c.service_id, programs=not c.ladder.policy.drill)
        climbs.append(ladder.climb(c.ladder, situation, find, last_resort, now, turns, following.of(c.service_id)))
    await store.move(conn, [x.ladder for x in climbs])
    pairs = zip(claimed, climbs, strict=True)
    await following.keep(conn, [(c.ladder.id, c.service_id, x.ladder.tier) for c, x in pairs
                                if x.ladder.tier != c.ladder.tier])  # fmt: skip
    await turn_store.keep(conn, turns)
    must = {(x.ladder.incident_id, x.ladder.epoch): x.everybody for x in climbs if x.everybody is not None}
    await required_store.put(conn, must)
    await incident_store.write_timeline(conn, await _worth_saying(conn, climbs, now), now)
    pages = [p for x in climbs for p in x.pages]
    return Climbed(
        [*reminders, *pages, *await subscribing.inform(conn, claimed, pages)],
        [(now - c.ladder.next_step_at).total_seconds() for c in claimed if c.ladder.next_step_at is not None],
        sum(x.unreachable for x in climbs),
        [one for x in climbs for one in x.shadows],
        town.people,
    )


async def _worth_saying(conn: AsyncConnection, climbs: Sequence[Climb], now: datetime) -> list[Entry]:
    """That the last resort cannot be reached is said once an hour, though it is tried every minute; so is that no tier
    follows."""
    entries = [e for x in climbs for e in x.entries]
    if again := {e.incident_id for e in entries if e.kind in SAID_SELDOM}:
        said = await store.said(conn, again, SAID_SELDOM, now - SAID_EVERY)
        entries = [e for e in entries if (e.incident_id, e.kind) not in said]
    return entries


def _targets(claimed: Sequence[store.Claimed], held: Mapping[UUID, tuple[int, ...]]) -> set[Target]:
    """All that the ladders of a claim may page: steps that reach nobody fall through to later ones at once."""
    targets: set[Target] = set()
    for c in claimed:
        if c.state not in OPEN:
            continue
        targets.update(t for rung in c.ladder.policy.rungs for t in rung.targets)
        targets.update(Target("user", user_id) for user_id in held.get(c.ladder.incident_id, ()))
        if c.assigned_to_id is not None:
            targets.add(Target("user", c.assigned_to_id))
    return targets


async def escalate_now(conn: AsyncConnection, now: datetime, incident: Incident, who: Responder) -> Incident:
    """The next step falls due at once. Somebody who has the incident gives it up by this. `incident` is locked and
    open."""
    after = incident
    if incident.state != "triggered":
        await conn.execute(
            incident_store.WITHDRAW_ACKNOWLEDGEMENTS,
            {"incident_id": incident.id, "epoch": incident.epoch, "now": now},
        )
        after = replace(trigger(incident, now), paging_due_at=None)
        await incident_store.update(conn, [after])
    await conn.execute(storm_store.LEAVE, {"id": incident.id})
    await conn.execute(store.STEP_NOW, {"incident_id": incident.id, "epoch": after.epoch, "now": now})
    await incident_store.write_timeline(
        conn, [Entry(incident.id, "escalated_by_hand", who.actor, {"via": who.via})], now
    )
    return after


async def escalate_to_tier(
    conn: AsyncConnection, now: datetime, incident: Incident, who: Responder, tier: int, reason: str
) -> Incident:
    """Functional escalation: the policy of a higher support tier pages from its first step. Whoever has the incident
    gives it up by this; the clock runs on. `incident` is locked and open.

    Raises `Invalid` (`reason`) without one, `Invalid` (`tier`) when neither the service nor its team has such a tier,
    `Conflict` (`tier_reached`).
    """
    if not reason.strip():
        raise Invalid("say why", errors=[{"field": "reason", "message": "must not be empty"}])
    policy_id = await list_store.policy_of_tier(conn, incident.service_id, tier)
    if policy_id is None:
        message = f"neither the service nor its team has a policy for tier {tier}"
        raise Invalid(f"tier: {message}", errors=[{"field": "tier", "message": message}])
    was = (await conn.execute(store.TIER_OF, {"incident_id": incident.id})).scalar_one()
    if was >= tier:
        raise Conflict(f"incident {incident.number} is at tier {was}", code="tier_reached", tier=was)
    await conn.execute(
        incident_store.WITHDRAW_ACKNOWLEDGEMENTS,
        {"incident_id": incident.id, "epoch": incident.epoch, "now": now},
    )
    # A new epoch takes back what still waits to be sent to the tier before; how long it has taken is not forgotten.
    fresh = replace(trigger(incident, now), triggered_at=incident.triggered_at, paging_due_at=None, assigned_to_id=None)
    await incident_store.update(conn, [fresh])
    await conn.execute(storm_store.LEAVE, {"id": incident.id})
    copy = (await copy_store.copies(conn, [policy_id]))[policy_id]
    await store.to_tier(conn, now, incident.id, fresh.epoch, tier, copy)
    said = {"name": who.name, "tier": tier, "was": was, "reason": reason, "policy": copy["name"]}
    await incident_store.write_timeline(conn, [Entry(incident.id, "escalated_to_tier", who.actor, said)], now)
    return fresh


async def hold(conn: AsyncConnection, ladder_id: UUID) -> None:
    """Nobody else climbs this ladder, or fails over on it, until the transaction ends. Of two messages of a step that
    fail at the same instant the second is to see that the first has."""
    await conn.execute(store.HOLD, {"id": ladder_id})


async def advance(conn: AsyncConnection, now: datetime, ladder_id: UUID, epoch: int, round_: int, step: int) -> bool:
    """Nobody of this step can be reached any more: the next one is due now, the last resort is tried again after a
    minute. False: the ladder has moved on."""
    named = {"id": ladder_id, "epoch": epoch, "round": round_, "step": step, "now": now}
    if (await conn.execute(store.ADVANCE, named)).first() is not None:
        return True
    soon = {"again": now + ladder.UNREACHABLE_AGAIN, "lost": ladder.LAST_RESORT_LOST}
    return (await conn.execute(store.LAST_RESORT_LOST, named | soon)).first() is not None

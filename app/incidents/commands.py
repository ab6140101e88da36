"""What people do to incidents. Each function is one thing, one timeline entry, and never a commit.

Somebody being faster is not an error: the answers say who and when (house rule 7).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from msgspec.structs import replace
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db import ids
from app.errors import Conflict, Forbidden, Invalid, NotFound
from app.hours import WeeklyHours
from app.incidents import required_store, states, store
from app.incidents.recurrence import checked
from app.incidents.states import Incident
from app.incidents.timeline import Entry
from app.priority.assign import loudness_at
from app.priority.matrix import Matrix

EXPIRES_AFTER = {1: timedelta(minutes=30), 2: timedelta(minutes=60)}
KEPT_FOR = timedelta(minutes=30)
"""A promise about what is less important, when it is renewed."""
"""How long an acknowledgement lasts, by priority; others last (behaviour.md 5)."""
LOOK_AGAIN_AFTER = timedelta(minutes=15)
SNOOZE_AT_MOST = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Responder:
    """Who does something to an incident, and through which door: `link`, `screen`, `api`, `sms`, `mail`, `voice`,
    `slack`. `user_id` is None for a machine's API key, which can do much, but not take an incident: nobody would have
    it."""

    user_id: int | None
    key: str
    name: str
    via: str
    notification_id: UUID | None = None

    @property
    def actor(self) -> str:
        return f"api_key:{self.key}" if self.user_id is None else f"user:{self.key}"

    def person(self) -> int:
        """The id of the user. Raises `Forbidden` for a machine."""
        if self.user_id is None:
            raise Forbidden("only a person can take an incident: use an API key of a user", code="no_person")
        return self.user_id


@dataclass(frozen=True, slots=True)
class Acknowledged:
    incident: Incident


@dataclass(frozen=True, slots=True)
class PartlyAcknowledged:
    """All whom the step paged must acknowledge; these, by name, have not yet. It goes on paging."""

    incident: Incident
    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AlreadyAcknowledged:
    """Somebody was faster; or it was the same person."""

    incident: Incident
    by_id: int | None
    at: datetime | None


@dataclass(frozen=True, slots=True)
class Resolved:
    incident: Incident


@dataclass(frozen=True, slots=True)
class AlreadyResolved:
    incident: Incident
    by: str | None
    at: datetime | None


@dataclass(frozen=True, slots=True)
class StillFiring:
    """The person is asked first: so many alerts of it still fire."""

    incident: Incident
    firing: int


async def _locked(conn: AsyncConnection, incident_id: UUID) -> Incident:
    found = (await store.lock(conn, [incident_id])).get(incident_id)
    if found is None:
        raise NotFound("there is no such incident")
    return found


async def _keep(
    conn: AsyncConnection, now: datetime, after: Incident, who: Responder, kind: str, **data: Any
) -> Incident:
    await store.update(conn, [after])
    said = data | {"drill": True} if after.drill else data
    await store.write_timeline(conn, [Entry(after.id, kind, who.actor, said)], now)
    return replace(after, version=after.version + 1)


def must_be_open(incident: Incident) -> None:
    """Raises `Conflict` for one that is resolved or closed, and for a drill, which is only acknowledged or resolved."""
    if not incident.is_open:
        raise Conflict(f"incident {incident.number} is {incident.state}", code="not_open", state=incident.state)
    if incident.drill:
        raise Conflict(f"incident {incident.number} is a drill: it is acknowledged or resolved, no more", code="drill")


async def acknowledge(
    conn: AsyncConnection, now: datetime, incident_id: UUID, who: Responder
) -> Acknowledged | PartlyAcknowledged | AlreadyAcknowledged | AlreadyResolved:
    """A responder takes it; escalation stops at its next claim. P1 and P2 come back when nothing follows. Where all
    whom a step paged must acknowledge, the last of them takes it. A drill is over by this."""
    incident = await _locked(conn, incident_id)
    if not incident.is_open:
        return AlreadyResolved(incident, incident.resolved_by, incident.resolved_at)
    if incident.state != "triggered" and not incident.silenced:
        if incident.acknowledged_by_id == who.person() and states.ends_soon(
            incident.state, incident.wakes_because, incident.wakes_at, now
        ):
            return await _renew(conn, now, incident, who)
        return AlreadyAcknowledged(incident, incident.acknowledged_by_id, incident.acknowledged_at)
    known = await required_store.has_acknowledged(conn, incident.id, incident.epoch, who.person())
    await _write_acknowledgement(conn, now, incident, who)
    if missing := await required_store.missing(conn, incident.id, incident.epoch):
        if not known:
            said = {"name": who.name, "via": who.via, "missing": list(missing)}
            await store.write_timeline(conn, [Entry(incident.id, "acknowledged_partly", who.actor, said)], now)
        return PartlyAcknowledged(incident, missing)
    lasts = EXPIRES_AFTER.get(incident.priority)
    after = states.acknowledge(
        incident, now, who.person(), now + lasts if lasts else None, "expires" if lasts else None
    )
    if incident.drill:
        after = states.resolve(after, now, who.actor)
    after_s = round((now - incident.triggered_at).total_seconds(), 1)
    return Acknowledged(await _keep(conn, now, after, who, "acknowledged", name=who.name, via=who.via, after_s=after_s))


async def _renew(conn: AsyncConnection, now: datetime, incident: Incident, who: Responder) -> Acknowledged:
    """Whoever was reminded still has it: the acknowledgement lasts as long again."""
    until = now + EXPIRES_AFTER.get(incident.priority, KEPT_FOR)
    after = replace(incident, wakes_at=until)
    kept = {"name": who.name, "via": who.via, "until": until.isoformat(timespec="minutes")}
    return Acknowledged(await _keep(conn, now, after, who, "kept", **kept))


async def _write_acknowledgement(conn: AsyncConnection, now: datetime, incident: Incident, who: Responder) -> None:
    await conn.execute(
        store.INSERT_ACKNOWLEDGEMENT,
        {
            "id": ids.new(now),
            "incident_id": incident.id,
            "epoch": incident.epoch,
            "user_id": who.person(),
            "now": now,
            "channel": who.via,
            "notification_id": who.notification_id,
        },
    )


async def unacknowledge(conn: AsyncConnection, now: datetime, incident_id: UUID, who: Responder) -> Incident:
    """Nobody has it any more: it pages from the first step again. Raises `Conflict` unless somebody had it."""
    incident = await _locked(conn, incident_id)
    if incident.state not in ("acknowledged", "mitigated"):
        raise Conflict(f"incident {incident.number} is {incident.state}", code="not_acknowledged", state=incident.state)
    withdrawn = {"incident_id": incident.id, "epoch": incident.epoch, "now": now}
    await conn.execute(store.WITHDRAW_ACKNOWLEDGEMENTS, withdrawn)
    return await _keep(conn, now, states.trigger(incident, now), who, "unacknowledged")


async def snooze(conn: AsyncConnection, now: datetime, incident_id: UUID, who: Responder, until: datetime) -> Incident:
    """An acknowledgement with an end. Raises `Invalid` for an end that is past or more than 7 days away."""
    if not now < until <= now + SNOOZE_AT_MOST:
        raise Invalid("a snooze ends within the next 7 days", errors=[{"field": "until", "message": "out of range"}])
    incident = await _locked(conn, incident_id)
    must_be_open(incident)
    await _write_acknowledgement(conn, now, incident, who)
    after = states.acknowledge(incident, now, who.person(), until, "snoozed")
    return await _keep(conn, now, after, who, "snoozed", name=who.name, via=who.via,
                       until=until.isoformat(timespec="minutes"))  # fmt: skip


async def mitigate(conn: AsyncConnection, now: datetime, incident_id: UUID, who: Responder) -> Incident:
    """The pain is over. Acknowledges as well."""
    incident = await _locked(conn, incident_id)
    must_be_open(incident)
    await _write_acknowledgement(conn, now, incident, who)
    acknowledged = states.acknowledge(incident, now, who.person()) if incident.state == "triggered" else incident
    return await _keep(conn, now, states.mitigate(acknowledged, now), who, "mitigated", name=who.name)


async def resolve(
    conn: AsyncConnection,
    now: datetime,
    incident_id: UUID,
    who: Responder,
    *,
    confirmed: bool,
    because: str = "",
    cause: str = "",
    fix: str = "",
) -> Resolved | AlreadyResolved | StillFiring:
    """The fault is over. While alerts still fire the person is asked first; confirmed, it is looked at once more after
    15 minutes and reopens if they still do. `cause` and `fix`: what it was and what fixed it, for the next time; what
    is empty stays as it was. Raises `Invalid` for either that is too long or not one line."""
    words = {"cause": checked("cause", cause), "fix": checked("fix", fix)}
    incident = await _locked(conn, incident_id)
    if not incident.is_open:
        return AlreadyResolved(incident, incident.resolved_by, incident.resolved_at)
    if incident.firing and not confirmed:
        return StillFiring(incident, incident.firing)
    again = now + LOOK_AGAIN_AFTER if incident.firing else None
    after = states.resolve(incident, now, who.actor, again)
    said = {"priority": incident.priority, "because": because or f"by {who.name}"}
    if given := {name: text for name, text in words.items() if text}:
        await conn.execute(store.SAY, {"id": incident.id, "cause": None, "fix": None} | given)
    return Resolved(await _keep(conn, now, after, who, "resolved", **said, **given))


async def close(conn: AsyncConnection, now: datetime, incident_id: UUID, who: Responder) -> Incident:
    """Nothing more to do. Raises `Conflict` unless it is resolved."""
    incident = await _locked(conn, incident_id)
    if incident.state == "closed":
        return incident
    if incident.state != "resolved":
        raise Conflict(f"incident {incident.number} is {incident.state}; resolve it first", code="not_resolved")
    return await _keep(conn, now, states.close(incident, now), who, "closed")


async def reassign(
    conn: AsyncConnection, now: datetime, incident_id: UUID, who: Responder, to_id: int, to_name: str
) -> Incident:
    """Hands it to another person, who is paged at once; if they do not answer, the policy starts at its first step."""
    incident = await _locked(conn, incident_id)
    must_be_open(incident)
    withdrawn = {"incident_id": incident.id, "epoch": incident.epoch, "now": now}
    await conn.execute(store.WITHDRAW_ACKNOWLEDGEMENTS, withdrawn)
    after = replace(states.trigger(incident, now), assigned_to_id=to_id)
    return await _keep(conn, now, after, who, "reassigned", name=to_name)


async def pin_priority(
    conn: AsyncConnection,
    now: datetime,
    incident_id: UUID,
    who: Responder,
    *,
    impact: int,
    urgency: int,
    matrix: Matrix,
    support: WeeklyHours | None,
    reason: str,
) -> Incident:
    """A person's word, through the matrix, which automation does not change. A raise pages again. `support`: the
    service's support hours."""
    if not reason.strip():
        raise Invalid("say why", errors=[{"field": "reason", "message": "must not be empty"}])
    incident = await _locked(conn, incident_id)
    must_be_open(incident)
    priority = matrix.priority(impact, urgency)
    pin = {"by": who.key, "at": now.isoformat(timespec="seconds"), "reason": reason}
    after = states.with_priority(incident, priority, impact, urgency, incident.verdict)
    after = replace(states.with_loudness(after, *loudness_at(priority, support, now)), priority_pin=pin)
    if priority < incident.priority:
        after = states.trigger(after, now)
    said = {"was": incident.priority, "priority": priority, "reason": reason}
    return await _keep(conn, now, after, who, "priority_pinned", **said)


async def unpin_priority(conn: AsyncConnection, now: datetime, incident_id: UUID, who: Responder) -> Incident:
    """From now on automation may raise the priority again."""
    incident = await _locked(conn, incident_id)
    must_be_open(incident)
    return await _keep(conn, now, replace(incident, priority_pin=None), who, "priority_unpinned")


async def pin_open(
    conn: AsyncConnection, now: datetime, incident_id: UUID, who: Responder, *, pinned: bool, reason: str = ""
) -> Incident:
    """Pins it open, or lets go: an incident whose alerts are all over then resolves with the next tick."""
    incident = await _locked(conn, incident_id)
    must_be_open(incident)
    if incident.held_open == pinned:
        return incident
    due = now if not pinned and incident.firing == 0 else None
    after = replace(incident, held_open=pinned, recovery_due_at=due)
    return await _keep(conn, now, after, who, "pinned_open" if pinned else "released", because=reason)


async def note(
    conn: AsyncConnection, now: datetime, incident_id: UUID, who: Responder, text: str, *, update: bool = False
) -> None:
    """Adds a note to the timeline; at most 10,000 characters. `update`: it says how things stand to those who wait."""
    if not text.strip() or len(text) > 10_000:
        raise Invalid("a note has 1 to 10,000 characters", errors=[{"field": "text", "message": "length"}])
    incident = await _locked(conn, incident_id)
    await store.write_timeline(
        conn, [Entry(incident.id, "update" if update else "note", who.actor, {"text": text})], now
    )

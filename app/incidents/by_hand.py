"""⑪ What people decide about correlation: merge, split off, move, and undo. What a person decided automation keeps.

Alerts are locked before incidents, each in one order, as intake does it. Every act is remembered with what undoing it
needs, and both timelines tell of it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from msgspec import convert, to_builtins
from msgspec.structs import replace
from sqlalchemy.ext.asyncio import AsyncConnection

from app.alerts import moving_store
from app.alerts.dedup import Decided
from app.alerts.moving_store import Moving
from app.errors import Conflict, Invalid, NotFound
from app.incidents import act_store, states, store
from app.incidents.act_store import Act
from app.incidents.commands import Responder, must_be_open
from app.incidents.states import Incident
from app.incidents.timeline import Entry

UNDO_WITHIN = timedelta(minutes=15)
MOST_PARTED = 20
TRIES = 5
TITLES = 10

Make = Callable[[Sequence[Moving], Incident], Awaitable[Incident]]
"""The incident that these occurrences are by themselves; the other is the one they leave. It has no number yet."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What came of it. `done` False: it was so already. `other`: where the occurrences are now."""

    incident: Incident
    other: Incident
    done: bool = True


@dataclass(frozen=True, slots=True)
class Held:
    """Incidents, locked, and occurrences that may leave them."""

    incidents: Mapping[UUID, Incident]
    moving: Sequence[Moving]

    def of(self, incident_id: UUID) -> list[Moving]:
        return [m for m in self.moving if m.incident_id == incident_id]


async def lock(conn: AsyncConnection, incident_ids: Collection[UUID], giving: Collection[UUID]) -> Held:
    """Incidents, and of those that are `giving` the alerts. Raises `NotFound`; `Conflict` (`busy`) when alerts keep
    coming faster than they can be locked."""
    for _ in range(TRIES):
        async with conn.begin_nested() as savepoint:
            alerts = await moving_store.lock(conn, giving)
            incidents = await store.lock(conn, incident_ids)
            if set(incident_ids) - incidents.keys():
                raise NotFound("there is no such incident")
            moving = await moving_store.of(conn, giving)
            if all(m.alert_id in alerts for m in moving):
                return Held(incidents, moving)
            await savepoint.rollback()
    raise Conflict("its alerts change too fast; try again", code="busy")


async def merge(
    conn: AsyncConnection, now: datetime, incident_id: UUID, into_id: UUID, who: Responder, reason: str = ""
) -> Decision:
    """All occurrences of the first go to the other, and so do new ones of its correlation key. Raises `Conflict` unless
    both are open."""
    if incident_id == into_id:
        raise Invalid("into: is the same incident", errors=[{"field": "into", "message": "is the same incident"}])
    held = await lock(conn, [incident_id, into_id], [incident_id])
    source, target = held.incidents[incident_id], held.incidents[into_id]
    if source.merged_into_id == target.id:
        return Decision(source, target, done=False)
    must_be_open(source)
    must_be_open(target)
    going = held.of(source.id)
    decided = {m.alert_id: _with(m, target.id) for m in going if target.id in _decided(m).not_with}
    said = {"name": who.name, "reason": reason}
    return await transfer(conn, now, "merge", source, target, going, decided, who.actor, said)


async def split(
    conn: AsyncConnection,
    now: datetime,
    incident_id: UUID,
    alert_ids: Sequence[UUID],
    who: Responder,
    make: Make,
    reason: str = "",
) -> Decision:
    """These alerts become an incident of their own, and do not come back while the other one is open. Raises `Invalid`
    for an alert that is not in it, `Conflict` unless it is open and keeps at least one alert."""
    held = await lock(conn, [incident_id], [incident_id])
    source = held.incidents[incident_id]
    if (before := await _already(conn, "split", source, alert_ids)) is not None:
        return before
    going = _going(held, source, alert_ids)
    made = await make(going, source)
    made = replace(made, firing=0, occurrences=0)
    target = replace(made, number=(await store.insert(conn, [made]))[made.id])
    decided = {m.alert_id: _parted(m, source.id, target) for m in going}
    said = {"name": who.name, "reason": reason}
    return await transfer(conn, now, "split", source, target, going, decided, who.actor, said)


async def move(
    conn: AsyncConnection,
    now: datetime,
    incident_id: UUID,
    alert_ids: Sequence[UUID],
    to_id: UUID,
    who: Responder,
    reason: str = "",
) -> Decision:
    """These alerts belong to the other incident, now and while that is open. Raises as `split` does."""
    if incident_id == to_id:
        raise Invalid("to: is the same incident", errors=[{"field": "to", "message": "is the same incident"}])
    held = await lock(conn, [incident_id, to_id], [incident_id])
    source, target = held.incidents[incident_id], held.incidents[to_id]
    if (before := await _already(conn, "move", source, alert_ids)) is not None and before.other.id == to_id:
        return before
    must_be_open(target)
    going = _going(held, source, alert_ids)
    decided = {m.alert_id: _parted(m, source.id, target) for m in going}
    said = {"name": who.name, "reason": reason}
    return await transfer(conn, now, "move", source, target, going, decided, who.actor, said)


async def _already(conn: AsyncConnection, kind: str, source: Incident, alert_ids: Sequence[UUID]) -> Decision | None:
    """Whether the last thing that was done to it is just this."""
    last = await act_store.last(conn, source.id)
    if last is None or (last.kind, last.from_id) != (kind, source.id):
        return None
    if set(last.before["decided"]) != {str(a) for a in alert_ids}:
        return None
    target = (await store.lock(conn, [last.to_id]))[last.to_id]
    return Decision(source, target, done=False)


def _going(held: Held, source: Incident, alert_ids: Sequence[UUID]) -> list[Moving]:
    must_be_open(source)
    known = {m.alert_id for m in held.of(source.id)}
    unknown = [i for i, alert_id in enumerate(alert_ids) if alert_id not in known]
    if unknown:
        message = f"is no alert of incident {source.number}"
        raise Invalid(message, errors=[{"field": f"alerts[{i}]", "message": message} for i in unknown])
    if known <= set(alert_ids):
        raise Conflict("these are all of its alerts: merge it instead", code="nothing_left")
    return [m for m in held.of(source.id) if m.alert_id in set(alert_ids)]


def _decided(m: Moving) -> Decided:
    return Decided() if m.decided is None else convert(m.decided, Decided)


def _with(m: Moving, incident_id: UUID) -> dict[str, Any]:
    """It may be with this incident again."""
    before = _decided(m)
    kept = tuple([i for i in before.not_with if i != incident_id])
    return dict(to_builtins(replace(before, not_with=kept)))


def _parted(m: Moving, from_id: UUID, target: Incident) -> dict[str, Any]:
    """It is with the other from now on, and not with the one it leaves."""
    kept = [i for i in _decided(m).not_with if i not in (from_id, target.id)]
    return dict(to_builtins(Decided((from_id, *kept)[:MOST_PARTED], target.id, target.correlation_key)))


async def transfer(
    conn: AsyncConnection,
    now: datetime,
    kind: str,
    source: Incident,
    target: Incident,
    going: Sequence[Moving],
    decided: Mapping[UUID, Mapping[str, Any] | None],
    actor: str,
    said: Mapping[str, Any],
) -> Decision:
    """Occurrences go from one incident to the other; both are locked, and so are their alerts. `kind`: `merge` and
    `symptom` end the first one."""
    ends = kind in ("merge", "symptom")
    before = {
        "occurrences": [m.id for m in going],
        "symptoms": [m.id for m in going if m.symptom],
        "decided": {str(m.alert_id): m.decided for m in going},
        "incident": to_builtins(source) if ends else None,
        "redirected": await act_store.redirect(conn, source.id, target.id) if ends else [],
    }
    await act_store.insert(conn, now, kind, source.id, target.id, actor, before)
    left, taken = _after(source, target, going, now, actor, ends=ends)
    await moving_store.move(conn, [m.id for m in going], target.id, symptom=kind == "symptom")
    await moving_store.decide(conn, decided)
    await store.update(conn, [left, taken])
    told = dict(said) | {"titles": [m.title for m in going][:TITLES], "alerts": len({m.alert_id for m in going})}
    if kind == "split":
        told["priority"] = taken.priority
    entries = [
        Entry(left.id, _LEFT[kind], actor, told | {"to": taken.number}),
        Entry(taken.id, _TAKEN[kind], actor, told | {"from": left.number}),
    ]
    if taken.priority < target.priority:
        data = {"was": target.priority, "priority": taken.priority, "verdict": taken.verdict}
        entries.append(Entry(taken.id, "priority_raised", actor, data))
    await store.write_timeline(conn, entries, now)
    return Decision(left, taken)


_LEFT = {"merge": "merged_into", "split": "split_off", "move": "moved_to", "symptom": "symptom_of"}
_TAKEN = {"merge": "merged_from", "split": "split_from", "move": "moved_from", "symptom": "symptom_from"}


def _after(
    source: Incident, target: Incident, going: Sequence[Moving], now: datetime, actor: str, *, ends: bool
) -> tuple[Incident, Incident]:
    firing = sum(m.firing for m in going)
    newest = max([m.came_at for m in going], default=target.last_occurrence_at)
    target = states.trigger(target, now) if target.silenced and firing else target
    taken = states.take(target, firing, len(going), max(newest, source.last_occurrence_at) if ends else newest)
    if not ends:
        return states.give(source, firing, len(going), now), taken
    if source.priority < target.priority and target.priority_pin is None:
        taken = states.with_priority(taken, source.priority, source.impact, source.urgency, source.verdict)
        taken = states.with_loudness(taken, source.loudness, source.loud_due_at)
        if source.state == "triggered":
            taken = states.trigger(taken, now)
    return states.merge_away(source, now, actor, target.id), taken


async def undo(conn: AsyncConnection, now: datetime, incident_id: UUID, who: Responder) -> tuple[Act, Decision]:
    """Takes back what was last done to it, or with it. Raises `Conflict`: `nothing_to_undo`, `too_late` after 15
    minutes, `not_last` when something else was done to the other one since."""
    act = await act_store.last(conn, incident_id)
    if act is None:
        raise Conflict("nothing was merged, split off or moved", code="nothing_to_undo")
    held = await lock(conn, [act.from_id, act.to_id], [act.to_id])
    source, target = held.incidents[act.from_id], held.incidents[act.to_id]
    for incident in (source, target):
        last = await act_store.last(conn, incident.id)
        if last is None or last.id != act.id:
            raise Conflict(f"something was done to incident {incident.number} since: undo that first", code="not_last")
    if now - act.at > UNDO_WITHIN:
        raise Conflict("it can be undone for 15 minutes", code="too_late", at=act.at.isoformat())
    back = _back(act, held.of(target.id))
    left, taken = await _undone(conn, act, source, target, back, now, who)
    await moving_store.move(conn, [m.id for m in back], source.id, symptom=False)
    symptoms = {str(s) for s in act.before["symptoms"]}
    await moving_store.move(conn, [m.id for m in back if str(m.id) in symptoms], source.id, symptom=True)
    await moving_store.decide(conn, _as_before(act, back, taken, target))
    await act_store.redirect_back(conn, [UUID(i) for i in act.before["redirected"]], target.id, source.id)
    await act_store.undone(conn, now, act.id)
    await store.update(conn, [left, taken])
    said = {"what": act.kind, "name": who.name}
    entries = [
        Entry(taken.id, "act_undone", who.actor, said | {"other": left.number} | _became(source, taken)),
        Entry(left.id, "act_undone", who.actor, said | {"other": taken.number} | _became(target, left)),
    ]
    await store.write_timeline(conn, entries, now)
    return act, Decision(taken, left)


def _became(before: Incident, after: Incident) -> dict[str, str]:
    """What the incident is by this, where it was over and is not any more, or the other way round."""
    return {} if before.is_open == after.is_open else {"became": after.state}


async def undoable(conn: AsyncConnection, incident_id: UUID, now: datetime) -> Act | None:
    """The last act, while it can be undone."""
    act = await act_store.last(conn, incident_id)
    return act if act is not None and now - act.at <= UNDO_WITHIN else None


def _back(act: Act, there: Sequence[Moving]) -> list[Moving]:
    """What goes back: what went, and what its alerts did since. What was split off goes back altogether."""
    if act.kind == "split":
        return list(there)
    went, alerts = {str(i) for i in act.before["occurrences"]}, act.before["decided"]
    return [m for m in there if str(m.id) in went or (str(m.alert_id) in alerts and m.came_at >= act.at)]


def _as_before(
    act: Act, back: Sequence[Moving], source: Incident, target: Incident
) -> dict[UUID, Mapping[str, Any] | None]:
    """What was decided before; but who takes back what automation did has decided something."""
    if act.kind == "symptom":
        return {m.alert_id: _parted(m, target.id, source) for m in back}
    return {UUID(alert_id): decided for alert_id, decided in act.before["decided"].items()}


async def _undone(
    conn: AsyncConnection,
    act: Act,
    source: Incident,
    target: Incident,
    back: Sequence[Moving],
    now: datetime,
    who: Responder,
) -> tuple[Incident, Incident]:
    """(The incident that they leave, the one that they go back to.)"""
    firing = sum(m.firing for m in back)
    newest = max([m.came_at for m in back], default=source.last_occurrence_at)
    if act.kind == "split":
        left = states.merge_away(target, now, who.actor, source.id)
    else:
        left = states.give(target, firing, len(back), now)
    was = convert(act.before["incident"], Incident) if act.before["incident"] else None
    again = states.restore(source, was) if was is not None else source
    if was is None and not source.is_open and firing:
        again = replace(states.reopen_quietly(source, now, None), closed_at=None)
    key = source.correlation_key
    if again.is_open and again.open_key is None and (was is None or was.open_key is not None):
        again = replace(again, open_key=None if await store.held_keys(conn, [key]) else key)
    taken = states.take(again, firing, len(back), newest)
    if taken.is_open and not taken.firing and back and not taken.held_open:
        taken = replace(taken, recovery_due_at=now)
    return left, taken

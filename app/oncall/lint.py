"""What is doubtful about a schedule, found by looking at all of its computed time. Pure.

Nothing here is forbidden: a gap may be meant, and so may a month in a row. It is what people wish they had been told.
The length of a run is a convention of ours; 11 hours of rest are what EU directive 2003/88/EC, article 3, asks for.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from math import gcd
from typing import Literal

from app import hours
from app.hours import ClockChange
from app.oncall.fairness import members
from app.oncall.given import Unknown, unknown
from app.oncall.intervals import Interval, joined, seconds, without
from app.oncall.layers import Layer
from app.oncall.shifts import Schedule, Shift, by_user, final

LONGEST_RUN_DAYS = 7
SHORTEST_REST = timedelta(hours=11)

Code = Literal[
    "gap", "inactive_member", "unreachable_member", "partly_reachable_member", "left_team", "long_run", "short_rest",
    "missing_local_time", "ambiguous_local_time", "always_the_same", "double_cover", "same_person", "unknown_name",
]  # fmt: skip

ADVICE: Mapping[Code, str] = {
    "gap": "put somebody in with an override, or widen a layer; if nobody shall be paged then, leave it",
    "inactive_member": "take this person out of the layers, and put somebody else in their place",
    "unreachable_member": "this person adds and verifies a contact method, or somebody else takes the shifts",
    "partly_reachable_member": "this person verifies a second contact method, so that one may fail",
    "left_team": "add this person to the team, or put a member of the team in their place",
    "long_run": "make the turns shorter, or add somebody to the rotation",
    "short_rest": "move the handoffs, or let somebody else take one of the shifts",
    "missing_local_time": "hand off at an hour at which clocks do not change, if it matters",
    "ambiguous_local_time": "hand off at an hour at which clocks do not change, if it matters",
    "always_the_same": "add or remove a turn",
    "double_cover": "remove one of the layers or overrides, unless both are meant",
    "same_person": "shift the turns of one of the two schedules",
    "unknown_name": "add the name to the people of the calendar, or correct it in the calendar",
}
"""What to do about a finding, by its code."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One doubtful thing: a `warning`, or a `note` about what may well be meant. `intervals`: where, all of them."""

    code: Code
    level: Literal["warning", "note"]
    message: str
    user_ids: tuple[int, ...] = ()
    intervals: tuple[Interval, ...] = ()

    @property
    def advice(self) -> str:
        """What to do about it."""
        return ADVICE[self.code]


@dataclass(frozen=True, slots=True)
class People:
    """What is known about the people of a schedule beside their names, by user id; nothing is said about others.

    `unreachable`: why no page reaches them; `partly`: what they lack to be ready. `team`: the name of the owner team
    and its members; None: nobody owns the schedule. `policies`: what names them beside schedules."""

    unreachable: Mapping[int, str] = field(default_factory=dict)
    partly: Mapping[int, str] = field(default_factory=dict)
    team: tuple[str, Collection[int]] | None = None
    policies: Mapping[int, Sequence[str]] = field(default_factory=dict)


UNKNOWN = People()


def lint(
    schedule: Schedule,
    t0: datetime,
    t1: datetime,
    names: Mapping[int, str],
    active: Collection[int],
    people: People = UNKNOWN,
) -> list[Finding]:
    """Of `[t0, t1)`, overrides included. `names` of users by id; `active`: who may be paged."""
    shifts = final(schedule, t0, t1)
    own = by_user(shifts)
    covered = joined((shift.starts_at, shift.ends_at) for shift in shifts)
    return [
        *_gaps(without([(t0, t1)], covered)),
        *_unknown(unknown(schedule.layers, t0, t1)),
        *_inactive(members(schedule, t0, t1) | own.keys(), names, active, people),
        *_hard_to_reach(members(schedule, t0, t1) | own.keys(), own, names, active, people),
        *_strangers(members(schedule, t0, t1) | own.keys(), names, active, people),
        *(found for user in sorted(own) for found in _long_runs(schedule, user, own[user], names)),
        *(found for user in sorted(own) for found in _short_rests(user, own[user], names)),
        *(found for layer in schedule.stack for found in _local_times(schedule, layer, t0, t1)),
        *(found for layer in schedule.stack for found in _always_the_same(layer)),
        *_double_cover(shifts),
    ]


def same_people(
    schedule: Schedule, other: Schedule, t0: datetime, t1: datetime, names: Mapping[int, str]
) -> Iterator[Finding]:
    """Who is on call in both at once: a secondary who is the primary is none. `other`: the one that it is like."""
    own, others = by_user(final(schedule, t0, t1)), by_user(final(other, t0, t1))
    for user in sorted(own.keys() & others.keys()):
        if both := without(own[user], without(own[user], others[user])):
            message = f"{_name(user, names)} is on call in {other.name} at the same time, {_long(both)} together"
            yield Finding("same_person", "warning", message, (user,), tuple(both))


def _gaps(found: Sequence[Interval]) -> Iterator[Finding]:
    if found:
        times = f"{len(found)} times" if len(found) > 1 else "once"
        yield Finding("gap", "warning", f"nobody is on call {times}, {_long(found)} together", (), tuple(found))


def _unknown(found: Sequence[Unknown]) -> Iterator[Finding]:
    for layer, said in dict.fromkeys((one.layer, one.said) for one in found):
        when = [(one.starts_at, one.ends_at) for one in found if (one.layer, one.said) == (layer, said)]
        message = (
            f"layer {layer}: its calendar names {said!r}, which means nobody: lower layers show through, "
            f"{_long(joined(when))} together; add the name to the people of the calendar"
        )
        yield Finding("unknown_name", "warning", message, (), tuple(joined(when)))


def _inactive(
    named: Iterable[int], names: Mapping[int, str], active: Collection[int], people: People
) -> Iterator[Finding]:
    for user in sorted(set(named) - set(active)):
        places = f"; also named by {', '.join(people.policies[user])}" if people.policies.get(user) else ""
        message = f"{_name(user, names)} is not active and cannot be paged{places}"
        yield Finding("inactive_member", "warning", message, (user,))


def _hard_to_reach(
    named: Iterable[int],
    own: Mapping[int, Sequence[Interval]],
    names: Mapping[int, str],
    active: Collection[int],
    people: People,
) -> Iterator[Finding]:
    """Where: their shifts. Who is named and has no shift in this time is told of too, once there is trouble."""
    for user in sorted(set(named) & set(active)):
        where = tuple(own.get(user, ()))
        if user in people.unreachable:
            message = f"{_name(user, names)} cannot be reached: {people.unreachable[user]}"
            yield Finding("unreachable_member", "warning", message, (user,), where)
        elif user in people.partly:
            message = f"{_name(user, names)} can be reached, but may be missed: {people.partly[user]}"
            yield Finding("partly_reachable_member", "note", message, (user,), where)


def _strangers(
    named: Iterable[int], names: Mapping[int, str], active: Collection[int], people: People
) -> Iterator[Finding]:
    if people.team is None:
        return
    team, members_of_team = people.team
    for user in sorted(set(named) & set(active) - set(members_of_team)):
        message = f"{_name(user, names)} is not a member of team {team}, which owns this schedule"
        yield Finding("left_team", "warning", message, (user,))


def _long_runs(schedule: Schedule, user: int, own: Sequence[Interval], names: Mapping[int, str]) -> Iterator[Finding]:
    """On the wall clock: a week in which clocks are put back is a week."""
    found = []
    for start, end in own:
        first, last = (hours.wall_second(hours.local(at, schedule.where)) for at in (start, end))
        if last - first > LONGEST_RUN_DAYS * 86_400:
            found.append((start, end))
    if found:
        longest = max(b - a for a, b in found)
        message = (
            f"{_name(user, names)} is on call for more than {LONGEST_RUN_DAYS} days in a row, {longest.days} at most"
        )
        yield Finding("long_run", "warning", message, (user,), tuple(found))


def _short_rests(user: int, own: Sequence[Interval], names: Mapping[int, str]) -> Iterator[Finding]:
    found = tuple((end, start) for (_, end), (start, _) in pairwise(own) if start - end < SHORTEST_REST)
    if found:
        shortest = _long([min(found, key=lambda rest: rest[1] - rest[0])])
        message = f"{_name(user, names)} has less than 11 hours between shifts, {shortest} at least"
        yield Finding("short_rest", "warning", message, (user,), found)


def _local_times(schedule: Schedule, layer: Layer, t0: datetime, t1: datetime) -> Iterator[Finding]:
    zone = layer.where or schedule.where
    start, end = max(t0, layer.starts_at or t0), min(t1, layer.ends_at or t1)
    for change in (c for year in range(start.year, end.year + 1) for c in hours.clock_changes(zone, year)):
        if not start <= datetime.fromtimestamp(change.second, UTC) < end:
            continue
        for wall in _marks_within(layer, change.skipped):
            happens = hours.wall_time(change.skipped[1])
            message = f"does not exist in {zone.key}: what changes then changes at {happens:%H:%M}"
            yield _local_time("missing_local_time", layer, wall, message, change)
        for wall in _marks_within(layer, change.repeated):
            message = f"comes twice in {zone.key}: the first one counts"
            yield _local_time("ambiguous_local_time", layer, wall, message, change)


def _local_time(code: Code, layer: Layer, wall: int, message: str, change: ClockChange) -> Finding:
    at = datetime.fromtimestamp(change.second, UTC)
    said = f"layer {layer.name}: {hours.wall_time(wall):%Y-%m-%d %H:%M} {message}"
    return Finding(code, "note", said, (), ((at, at + timedelta(seconds=abs(change.after - change.before))),))


def _marks_within(layer: Layer, walls: tuple[int, int]) -> list[int]:
    """Wall seconds of `[from, to)` at which a turn begins or a restriction starts or ends. Turns of hours have none."""
    first, end = walls
    if first >= end:
        return []
    found = {layer.week.next_edge(first - 1, side) for side in (0, 1)} if layer.restrictions else set()
    if layer.unit != "hour" and len(layer.turns) > 1:
        k = layer.rotation.turn(hours.zone("UTC"), 0, first - 1) + 1
        found |= {layer.rotation.wall(k)} if k >= 0 else set()
    return sorted(wall for wall in found if first <= wall < end)


def _always_the_same(layer: Layer) -> Iterator[Finding]:
    """Of two handoffs a week and four members, two always have the weekends."""
    parts, turns = len(layer.rotation.offsets), len(layer.turns)
    if layer.order == "rotation" and parts > 1 and turns > 1 and gcd(parts, turns) > 1:
        message = (
            f"layer {layer.name}: {turns} turns and {parts} handoffs a week give the same people the same part of "
            f"every week; a number of turns that has no divisor in common with {parts} would let all of it go round"
        )
        yield Finding("always_the_same", "note", message)


def _double_cover(shifts: Sequence[Shift]) -> Iterator[Finding]:
    """People of one turn belong together; who comes from different layers or overrides may not have been meant to."""
    marks = sorted({at for shift in shifts for at in (shift.starts_at, shift.ends_at)})
    starting: dict[datetime, list[Shift]] = {}
    for shift in shifts:
        starting.setdefault(shift.starts_at, []).append(shift)
    running: list[Shift] = []
    found = []
    for start, end in pairwise(marks):
        running = [shift for shift in running if shift.ends_at > start] + starting.get(start, [])
        if len({(shift.layer_id, shift.override_id) for shift in running}) > 1:
            found.append((start, end))
    if both := joined(found):
        message = f"people from different layers or overrides are on call at once, {_long(both)} together"
        yield Finding("double_cover", "note", message, (), tuple(both))


def _name(user: int, names: Mapping[int, str]) -> str:
    return names.get(user, "somebody who was removed")


def _long(intervals: Sequence[Interval]) -> str:
    minutes = seconds(intervals) // 60
    days, rest = divmod(minutes, 1440)
    parts = [f"{days} d"] * (days > 0) + [f"{rest // 60} h"] * (rest >= 60) + [f"{rest % 60} min"] * (rest % 60 > 0)
    return " ".join(parts) or "less than a minute"

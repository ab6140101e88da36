"""Who is on call: `who` at an instant, `final` over time, both pure and one computation (behaviour.md 9).

Layers first, laid over each other from the lowest position to the highest: one that replaces takes the place of what is
below it wherever it has somebody, one that adds joins it, one of shadows is no part of it (`shadowed`). Then the
overrides, in the order of their creation. `final` asks `who` once between every two instants at which anything could
change, so paging, screens, API and calendar feed cannot disagree.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import groupby
from zoneinfo import ZoneInfo

from app import hours
from app.oncall.intervals import Interval, joined, seconds, without
from app.oncall.layers import Layer, OnCall, changes, covering
from app.oncall.places import Override as Override
from app.oncall.places import each_once, overridden
from app.oncall.resting import with_queues


@dataclass(frozen=True, slots=True)
class Schedule:
    """Layers and overrides in one IANA zone, complete for the time that is asked about. Raises `Invalid`."""

    id: int
    name: str
    zone: str
    layers: tuple[Layer, ...]
    overrides: tuple[Override, ...]
    where: ZoneInfo = field(init=False, repr=False, compare=False)
    stack: tuple[Layer, ...] = field(init=False, repr=False, compare=False)
    """The layers without those of shadows, the highest first."""

    def __post_init__(self) -> None:
        responsible = (layer for layer in self.layers if layer.mode != "shadow")
        object.__setattr__(self, "where", hours.zone(self.zone))
        object.__setattr__(self, "overrides", tuple(sorted(self.overrides, key=lambda override: override.id)))
        stack = sorted(responsible, key=lambda layer: (-layer.position, layer.id))
        object.__setattr__(self, "stack", tuple(with_queues(layer, self.where, self.overrides) for layer in stack))


@dataclass(frozen=True, slots=True)
class Shift:
    """A user is on call during `[starts_at, ends_at)` (UTC), for one cause: see `OnCall`."""

    user_id: int
    starts_at: datetime
    ends_at: datetime
    layer_id: int | None
    override_id: int | None
    because: str


@dataclass(frozen=True, slots=True)
class Change:
    """What one user gains and loses by a change of a schedule: seconds, and where."""

    user_id: int
    gained_seconds: int
    lost_seconds: int
    gained: tuple[Interval, ...]
    lost: tuple[Interval, ...]


def who(schedule: Schedule, at: datetime) -> tuple[OnCall, ...]:
    """Everyone on call at the instant `at`, each user once; empty when nobody is. Shadows are not on call."""
    second = hours.utc_second(at)
    wall = hours.reached(second, schedule.where)
    found: tuple[OnCall, ...] = ()
    for layer in schedule.stack:
        if here := covering(layer, schedule.where, at, second, wall):
            found = each_once((here, found)) if found else here
            if layer.mode == "replace":
                break
    if not schedule.overrides:
        return found
    active = [o for o in schedule.overrides if o.starts_at <= at < o.ends_at]
    return overridden(found, active) if active else found


def shadowed(schedule: Schedule) -> Schedule:
    """The shadows of a schedule as one of its own, for the same questions: who looks on, without being responsible."""
    shadows = (replace(layer, mode="add") for layer in schedule.layers if layer.mode == "shadow")
    return replace(schedule, layers=tuple(shadows), overrides=())


def final(schedule: Schedule, t0: datetime, t1: datetime) -> list[Shift]:
    """All shifts of `[t0, t1)`, cut to it, by start and user; one while user and cause stay the same. Gaps are absent.

    Shifts of one user never overlap. The window may be cut anywhere: the parts join to the same shifts.
    """
    t0, t1 = hours.local(t0, UTC), hours.local(t1, UTC)
    shifts: list[Shift] = []
    running: dict[OnCall, datetime] = {}
    for start, on_call in _segments(schedule, t0, t1):
        for entry in [entry for entry in running if entry not in on_call]:
            shifts.append(_shift(entry, running.pop(entry), start))
        for entry in on_call:
            running.setdefault(entry, start)
    shifts += [_shift(entry, since, t1) for entry, since in running.items()]
    return sorted(shifts, key=lambda shift: (shift.starts_at, shift.user_id))


def _segments(schedule: Schedule, t0: datetime, t1: datetime) -> Iterator[tuple[datetime, tuple[OnCall, ...]]]:
    if t0 >= t1:
        return
    marks = {t0}
    for layer in schedule.stack:
        marks.update(changes(layer, schedule.where, t0, t1))
    for override in schedule.overrides:
        marks.update((override.starts_at, override.ends_at))
    for mark in sorted(mark for mark in marks if t0 <= mark < t1):
        yield mark, who(schedule, mark)


def _shift(entry: OnCall, start: datetime, end: datetime) -> Shift:
    return Shift(entry.user_id, start, end, entry.layer_id, entry.override_id, entry.because)


def gaps(schedule: Schedule, t0: datetime, t1: datetime) -> list[Interval]:
    """The parts of `[t0, t1)` in which nobody is on call."""
    t0, t1 = hours.local(t0, UTC), hours.local(t1, UTC)
    covered = joined((shift.starts_at, shift.ends_at) for shift in final(schedule, t0, t1))
    return without([(t0, t1)] if t0 < t1 else [], covered)


def difference(before: Schedule, after: Schedule, t0: datetime, t1: datetime) -> list[Change]:
    """Who gains and who loses which hours of `[t0, t1)`, by user id; a user whose hours stay the same is left out."""
    old, new = by_user(final(before, t0, t1)), by_user(final(after, t0, t1))
    found = []
    for user in sorted(old.keys() | new.keys()):
        gained = without(new.get(user, []), old.get(user, []))
        lost = without(old.get(user, []), new.get(user, []))
        if gained or lost:
            found.append(Change(user, seconds(gained), seconds(lost), tuple(gained), tuple(lost)))
    return found


def by_user(shifts: Iterable[Shift]) -> dict[int, list[Interval]]:
    """The time in which each user is on call: sorted, disjoint, whatever the cause."""
    ordered = sorted(shifts, key=lambda shift: shift.user_id)
    return {
        user: joined((shift.starts_at, shift.ends_at) for shift in own)
        for user, own in groupby(ordered, key=lambda shift: shift.user_id)
    }

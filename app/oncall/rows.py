"""A schedule row by row, for people: who is on call in the end, its gaps, each layer alone, shadows. Pure.

Every row is an answer of `shifts.final`, so what is drawn is what pages. Shifts are cut to `[t0 - REACH, t1 + REACH)`
and not to what is looked at: "the rest of this shift" is the same on a screen of a day and of a month.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import groupby

from app.oncall.intervals import Interval
from app.oncall.layers import Layer
from app.oncall.shifts import Change, Override, Schedule, Shift, difference, final, gaps, shadowed, who

REACH = timedelta(days=40)
"""A shift that goes on beyond it has no end in sight."""


@dataclass(frozen=True, slots=True)
class LayerRow:
    """What a layer says alone, whatever lies over it, over all versions that have a layer of this name and place."""

    name: str
    shifts: tuple[Shift, ...]


@dataclass(frozen=True, slots=True)
class Rows:
    """What of a schedule touches `[t0, t1)`; shifts and gaps end at `reach` at the latest. `layers`: the highest
    first, without those of shadows."""

    reach: Interval
    final: tuple[Shift, ...]
    gaps: tuple[Interval, ...]
    layers: tuple[LayerRow, ...]
    shadows: tuple[Shift, ...]

    def is_open(self, at: datetime) -> bool:
        """Whether a shift or gap that begins or ends here may go on beyond what was looked at."""
        return at in self.reach


@dataclass(frozen=True, slots=True)
class OwnShift:
    """A shift of one user. `starts_at`, `ends_at` None: it goes on beyond `REACH`. `relieves`: who had it until then
    and goes; `relieved_by`: who comes when it ends. `followed`: somebody is on call then, at least who was before."""

    schedule_id: int
    shift: Shift
    starts_at: datetime | None
    ends_at: datetime | None
    relieves: tuple[int, ...]
    relieved_by: tuple[int, ...]
    followed: bool


def rows(schedule: Schedule, t0: datetime, t1: datetime) -> Rows:
    """The rows of `[t0, t1)`."""
    reach = (t0 - REACH, t1 + REACH)
    return Rows(
        reach,
        tuple(_touching(final(schedule, *reach), t0, t1)),
        tuple(gap for gap in gaps(schedule, *reach) if gap[0] < t1 and gap[1] > t0),
        tuple(_layers(schedule, reach, t0, t1)),
        tuple(_touching(final(shadowed(schedule), *reach), t0, t1)),
    )


def _layers(schedule: Schedule, reach: Interval, t0: datetime, t1: datetime) -> Iterable[LayerRow]:
    stack = [layer for layer in schedule.stack if _counts(layer, t0, t1)]
    for (_, name), same in groupby(stack, key=lambda layer: (layer.position, layer.name)):
        alone = replace(schedule, layers=tuple(replace(layer, mode="add") for layer in same), overrides=())
        yield LayerRow(name, tuple(_touching(final(alone, *reach), t0, t1)))


def _counts(layer: Layer, t0: datetime, t1: datetime) -> bool:
    return (layer.starts_at is None or layer.starts_at < t1) and (layer.ends_at is None or layer.ends_at > t0)


def _touching(found: Iterable[Shift], t0: datetime, t1: datetime) -> Iterable[Shift]:
    return (shift for shift in found if shift.starts_at < t1 and shift.ends_at > t0)


def with_override(schedule: Schedule, override: Override) -> Schedule:
    """The schedule as it would be with one override more, which has the last word."""
    return replace(schedule, overrides=(*schedule.overrides, override))


def effect(schedule: Schedule, override: Override, now: datetime) -> list[Change]:
    """Who would gain and lose which hours from `now` on."""
    t0 = max(override.starts_at, now)
    return difference(schedule, with_override(schedule, override), t0, override.ends_at)


def own_shifts(schedule: Schedule, user_id: int, t0: datetime, t1: datetime) -> list[OwnShift]:
    """The shifts of a user that touch `[t0, t1)`, by their start, with who comes before and after."""
    reach = (t0 - REACH, t1 + REACH)
    mine = [s for s in _touching(final(schedule, *reach), t0, t1) if s.user_id == user_id]
    return [_own(schedule, shift, reach) for shift in mine]


def _own(schedule: Schedule, shift: Shift, reach: Interval) -> OwnShift:
    starts_at = None if shift.starts_at == reach[0] else shift.starts_at
    ends_at = None if shift.ends_at == reach[1] else shift.ends_at
    gone, _ = _changed(schedule, starts_at)
    _, come = _changed(schedule, ends_at)
    followed = ends_at is None or bool(who(schedule, ends_at))
    return OwnShift(schedule.id, shift, starts_at, ends_at, gone, come, followed)


def _changed(schedule: Schedule, at: datetime | None) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Who goes and who comes at an instant."""
    if at is None:
        return (), ()
    before = [entry.user_id for entry in who(schedule, at - timedelta(microseconds=1))]
    after = [entry.user_id for entry in who(schedule, at)]
    return tuple(u for u in before if u not in after), tuple(u for u in after if u not in before)

"""Imported schedules beside the source's own rendering of them, shift by shift. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise

from app.moving.moved import Json, Moved, PlannedOverride, Rendered
from app.oncall.intervals import Interval, joined
from app.oncall.schedule_document import ScheduleDocument
from app.oncall.shifts import Override, Schedule, by_user, final
from app.oncall.versions import drafted, laid

ByUser = Mapping[str, Sequence[Interval]]
LONGEST = timedelta(days=400)
"""What was rendered beyond is not compared."""


@dataclass(frozen=True, slots=True)
class Difference:
    """During `[starts_at, ends_at)` the source has `theirs` on call, we have `ours`: names of keys, sorted."""

    starts_at: datetime
    ends_at: datetime
    theirs: tuple[str, ...]
    ours: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """`equal` of the `total` shifts that the source rendered are ours as well, to the second."""

    schedule: str
    of: str
    starts_at: datetime
    ends_at: datetime
    total: int
    equal: int
    differences: tuple[Difference, ...]


def compare(moved: Moved) -> list[Comparison]:
    """Every rendering of an import, in its order. Renderings without any shift prove nothing and are left out; so are
    those of schedules with layers whose calendar is yet to be read."""
    known = moved.document.get("schedules", [])
    schedules = {s["key"]: s for s in known if not any("calendar" in layer for layer in s["layers"])}
    return [
        _compared(schedules[rendered.schedule], rendered, moved.overrides)
        for rendered in moved.rendered
        if rendered.shifts and rendered.schedule in schedules
    ]


def shifts_of(
    entry: Json, overrides: Iterable[PlannedOverride], t0: datetime, t1: datetime, layers: Sequence[str] = ()
) -> dict[str, list[Interval]]:
    """Who is on call by a schedule of the document during `[t0, t1)`, by user key; `layers`: by these alone."""
    document = ScheduleDocument.model_validate(entry)
    planned = [] if layers else list(overrides)
    named = {u for layer in document.layers for turn in layer.members for u in turn}
    named |= {u for o in planned for u in (o.user, o.replaces) if u is not None}
    ids = {key: number for number, key in enumerate(sorted(named), start=1)}
    version = drafted(document, ids, 1, None, None)
    kept = tuple(layer for layer in laid([version], {}) if not layers or layer.name in layers)
    made = tuple(
        Override(n, ids[o.user], o.starts_at, o.ends_at, None if o.replaces is None else ids[o.replaces], o.adds)
        for n, o in enumerate(planned, start=1)
    )
    keys = {number: key for key, number in ids.items()}
    computed = by_user(final(Schedule(1, document.name, document.time_zone, kept, made), t0, t1))
    return {keys[user]: list(intervals) for user, intervals in computed.items()}


def _compared(entry: Json, rendered: Rendered, overrides: Sequence[PlannedOverride]) -> Comparison:
    t0 = min(s for s, _, _ in rendered.shifts)
    t1 = min(max(e for _, e, _ in rendered.shifts), t0 + LONGEST)
    ours = shifts_of(entry, [o for o in overrides if o.schedule == rendered.schedule], t0, t1, rendered.layers)
    theirs: dict[str, list[Interval]] = {}
    for starts_at, ends_at, user in rendered.shifts:
        if starts_at < min(ends_at, t1):
            theirs.setdefault(user, []).append((starts_at, min(ends_at, t1)))
    theirs = {user: joined(intervals) for user, intervals in theirs.items()}
    total = sum(len(intervals) for intervals in theirs.values())
    equal = sum(len(set(intervals) & set(ours.get(user, ()))) for user, intervals in theirs.items())
    different = tuple(_differences(theirs, ours))
    return Comparison(rendered.schedule, rendered.of, t0, t1, total, equal, different)


def _differences(theirs: ByUser, ours: ByUser) -> Iterator[Difference]:
    """Where they differ, as long as possible."""
    last: Difference | None = None
    for found in _sections(theirs, ours):
        if last and (last.ends_at, last.theirs, last.ours) == (found.starts_at, found.theirs, found.ours):
            last = replace(last, ends_at=found.ends_at)
            continue
        if last and last.theirs != last.ours:
            yield last
        last = found
    if last and last.theirs != last.ours:
        yield last


def _sections(theirs: ByUser, ours: ByUser) -> Iterator[Difference]:
    """Who is on call by both sides, between every two instants at which that changes."""
    changes: dict[datetime, list[tuple[int, str, bool]]] = {}
    for side, by in enumerate((theirs, ours)):
        for user, intervals in by.items():
            for start, end in intervals:
                changes.setdefault(start, []).append((side, user, True))
                changes.setdefault(end, []).append((side, user, False))
    on_call: tuple[set[str], set[str]] = (set(), set())
    for at, following in pairwise(sorted(changes)):
        for side, user, begins in sorted(changes[at], key=lambda change: change[2]):
            (on_call[side].add if begins else on_call[side].discard)(user)
        yield Difference(at, following, tuple(sorted(on_call[0])), tuple(sorted(on_call[1])))

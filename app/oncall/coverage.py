"""Which turns of a rotation have any covered time, and how many there were: for layers whose rotation skips the rest.

A turn is *covered* when there is an instant in it at which the restrictions are open. On a rotation of hours that is
served on weekdays from 9 to 17, the nightly turns are not: either they pass to whoever has them anyway, or the rotation
skips them, and the next person gets the next covered turn. For the latter one must know how many covered turns there
were since the anchor, fourteen months or forty years ago, without going through them:

- Where no clock changes, covered turns repeat with the week. `_Pattern` knows one period of them (at most 168 turns)
  and counts any number of periods by a multiplication. A pattern of days and weeks is the same all the time, since such
  turns are wall clock; one of hours depends on the offset of the zone, since such turns are elapsed time.
- The few turns that a change of clocks touches are looked at one by one.

So a year is a few pieces (`_Year`), kept, and a count is a sum over years and one piece. A month has every hour of the
week several times: its turns are always covered.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from itertools import accumulate, pairwise
from math import gcd
from zoneinfo import ZoneInfo

from app import hours
from app.hours import Week
from app.oncall.rotations import Rotation

_WEEK = 604_800


def covered_before(rotation: Rotation, week: Week, zone: ZoneInfo, k: int) -> int:
    """How many of the turns 0 to k - 1 are covered. `week`: the restrictions, which are some."""
    if k <= 0 or rotation.unit == "month":
        return max(k, 0)
    year = rotation.start(zone, k).year
    return _before(rotation, week, zone, year) + _year(rotation, week, zone, year).covered(k)


@dataclass(frozen=True, slots=True)
class _Pattern:
    """Which turns are covered, again and again: `sums[i]` of the first i turns of a period."""

    sums: tuple[int, ...]

    def covered(self, k: int) -> int:
        """How many of the turns 0 to k - 1 would be, if all were of this pattern."""
        periods, rest = divmod(k, len(self.sums) - 1)
        return periods * self.sums[-1] + self.sums[rest]


_ALL, _NONE = _Pattern((0, 1)), _Pattern((0, 0))


@dataclass(frozen=True, slots=True)
class _Year:
    """The turns that begin in a year: from turn `firsts[i]` on pattern i holds, `sums[i]` are covered before it."""

    firsts: tuple[int, ...]
    patterns: tuple[_Pattern, ...]
    sums: tuple[int, ...]
    total: int

    def covered(self, k: int) -> int:
        """How many of the year's turns before turn `k`, which begins in this year, are covered."""
        i = bisect_right(self.firsts, k) - 1
        if i < 0:
            return 0
        pattern = self.patterns[i]
        return self.sums[i] + pattern.covered(k) - pattern.covered(self.firsts[i])


@lru_cache(maxsize=16_384)
def _before(rotation: Rotation, week: Week, zone: ZoneInfo, year: int) -> int:
    """How many turns are covered of those that began before a year, in UTC."""
    first = datetime.fromtimestamp(rotation.anchor_second(zone), UTC).year
    return sum(_year(rotation, week, zone, y).total for y in range(first, year))


@lru_cache(maxsize=16_384)
def _year(rotation: Rotation, week: Week, zone: ZoneInfo, year: int) -> _Year:
    first, end = max(_turn_from(rotation, zone, year), 0), max(_turn_from(rotation, zone, year + 1), 0)
    pieces = [(k, pattern) for k, pattern in _pieces(rotation, week, zone, first, end, year) if k < end]
    bounds = [*(k for k, _ in pieces), end]
    counts = [p.covered(b) - p.covered(a) for (a, p), b in zip(pieces, bounds[1:], strict=True)]
    sums = (0, *accumulate(counts))
    return _Year(tuple(bounds[:-1]), tuple(p for _, p in pieces), sums[:-1], sums[-1])


def _turn_from(rotation: Rotation, zone: ZoneInfo, year: int) -> int:
    """The first turn that begins in `year` or later."""
    second = hours.utc_second(datetime(year, 1, 1, tzinfo=UTC)) - 1
    return rotation.turn(zone, second, hours.reached(second, zone)) + 1


def _pieces(
    rotation: Rotation, week: Week, zone: ZoneInfo, first: int, end: int, year: int
) -> Iterator[tuple[int, _Pattern]]:
    """Turn and the pattern from it on, for the turns from `first` to `end`."""
    offset = _offset(zone, hours.utc_second(rotation.start(zone, first)))
    at = first
    for change in (c for y in (year, year + 1) for c in hours.clock_changes(zone, y)):
        seconds = change.second - 1, change.second + max(change.before - change.after, 0)
        touched = [rotation.turn(zone, second, hours.reached(second, zone)) for second in seconds]
        if touched[1] < first:
            continue
        if touched[0] >= end:
            break
        if awkward := range(max(touched[0], at), min(touched[1] + 1, end)):
            yield at, _pattern(rotation, week, zone, offset)
            yield from ((k, _ALL if _is_covered(rotation, week, zone, k) else _NONE) for k in awkward)
            at = awkward[-1] + 1
        offset = change.after
    yield at, _pattern(rotation, week, zone, offset)


def _is_covered(rotation: Rotation, week: Week, zone: ZoneInfo, k: int) -> bool:
    """By looking at the turn itself: at its start, and whenever the restrictions open in it."""
    start, end = rotation.start(zone, k), rotation.start(zone, k + 1)
    marks = [start, *(edge for edge in week.edges(zone, start, end) if edge < end)]
    return start < end and any(week.is_open(hours.reached(hours.utc_second(mark), zone)) for mark in marks)


@lru_cache(maxsize=16_384)
def _pattern(rotation: Rotation, week: Week, zone: ZoneInfo, offset: int) -> _Pattern:
    """The pattern while the clocks stay at `offset` seconds from UTC."""
    begins = rotation.anchor_second(zone) + offset if rotation.unit == "hour" else rotation.anchor_wall
    cycles = range(_WEEK // gcd(_WEEK, rotation.cycle_seconds))
    walls = [begins + cycle * rotation.cycle_seconds + part for cycle in cycles for part in rotation.offsets]
    covered = (_is_open(week, a, b) for a, b in pairwise([*walls, begins + len(cycles) * rotation.cycle_seconds]))
    return _Pattern((0, *accumulate(int(c) for c in covered)))


def _is_open(week: Week, start: int, end: int) -> bool:
    """Whether some wall second of `[start, end)` is open."""
    return week.is_open(start) or week.next_edge(start, 0) < end


def _offset(zone: ZoneInfo, second: int) -> int:
    offset = datetime.fromtimestamp(second, zone).utcoffset()
    assert offset is not None
    return round(offset.total_seconds())

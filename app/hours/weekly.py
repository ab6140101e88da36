"""Hours that come back every week: support hours of services, restrictions of layers. Their JSON shape: `spans.py`."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from zoneinfo import ZoneInfo

from app.errors import Invalid
from app.hours.zones import DAY, reached, utc_second, wall_instant, wall_second, zone

WEEK = 7 * DAY

_MONDAY = 3 * DAY  # 1970-01-01 was a Thursday


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A part of the week in minutes since Monday 00:00: `0 <= from_minute < 10080`, half open, at most a week long.

    A `to_minute` beyond 10080 reaches into the next week: Sunday 22:00 to Monday 06:00 is `Span(9960, 10440)`.
    """

    from_minute: int
    to_minute: int

    def __post_init__(self) -> None:
        if not 0 <= self.from_minute < WEEK // 60 or not 0 < self.to_minute - self.from_minute <= WEEK // 60:
            raise Invalid(f"a span starts within the week and lasts a week at most, not {self}")


@dataclass(frozen=True, slots=True)
class Week:
    """Spans made ready for questions: sorted, disjoint seconds of the week since Monday. No parts: always open."""

    parts: tuple[tuple[int, int], ...] = ()
    bounds: tuple[int, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "bounds", tuple(bound for part in self.parts for bound in part))

    def is_open(self, wall: int) -> bool:
        """Whether a wall second lies in one of the parts."""
        return not self.bounds or bisect_right(self.bounds, (wall + _MONDAY) % WEEK) % 2 == 1

    def next_edge(self, wall: int, side: int) -> int:
        """The first wall second after `wall` at which a part starts (`side` 0) or ends (1)."""
        second = (wall + _MONDAY) % WEEK
        edges = [part[side] for part in self.parts]
        return wall - second + next((e for e in edges if e > second), edges[0] + WEEK)

    def edges(self, zone: ZoneInfo, t0: datetime, t1: datetime) -> Iterator[datetime]:
        """Every instant after `t0` and up to `t1` at which a part starts or ends, unsorted."""
        last = reached(utc_second(t1), zone)
        for side in (0, 1) if self.parts else ():
            wall = self.next_edge(reached(utc_second(t0), zone), side)
            while wall <= last:
                yield wall_instant(wall, zone)
                wall = self.next_edge(wall, side)


def open_seconds(week: Week, zone: ZoneInfo, t0: datetime, t1: datetime) -> int:
    """How much of `[t0, t1)` lies in the parts of the week on the wall clock of `zone`, in real time."""
    marks = sorted({t0, t1, *(edge for edge in week.edges(zone, t0, t1) if t0 < edge < t1)}) if t0 < t1 else []
    open_parts = (b - a for a, b in pairwise(marks) if week.is_open(reached(utc_second(a), zone)))
    return round(sum(open_parts, timedelta()).total_seconds())


@lru_cache(maxsize=4096)
def week(spans: tuple[Span, ...]) -> Week:
    """The union of `spans`, cut at the end of the week."""
    pieces: list[tuple[int, int]] = []
    for span in spans:
        a, b = span.from_minute * 60, span.to_minute * 60
        pieces += [(a, b)] if b <= WEEK else [(a, WEEK), (0, b - WEEK)]
    joined: list[tuple[int, int]] = []
    for a, b in sorted(pieces):
        if joined and a <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(b, joined[-1][1]))
        else:
            joined.append((a, b))
    return Week(tuple(joined))


@dataclass(frozen=True, slots=True)
class WeeklyHours:
    """Hours that come back every week on the wall clock of `zone`: support hours. No spans: always. `days_off` are
    closed whatever the spans say, from midnight to midnight; `holidays` names the calendar that they are of."""

    zone: str
    spans: tuple[Span, ...] = ()
    holidays: str = ""
    days_off: frozenset[date] = frozenset()
    week: Week = field(init=False, repr=False, compare=False)
    off: tuple[int, ...] = field(init=False, repr=False, compare=False)
    """The wall seconds at which days off begin, ascending."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "week", week(self.spans))
        object.__setattr__(self, "off", tuple(sorted(wall_second(_midnight(day)) for day in self.days_off)))

    def is_open(self, wall: int) -> bool:
        """Whether a wall second lies in the hours."""
        return self.week.is_open(wall) and not (self.off and self._is_off(wall))

    def _is_off(self, wall: int) -> bool:
        i = bisect_right(self.off, wall) - 1
        return i >= 0 and wall < self.off[i] + DAY

    def next_edge(self, wall: int, side: int) -> int | None:
        """The first wall second after `wall` at which the hours may begin (`side` 0) or end (1); None: never again."""
        shift = 0 if side else DAY
        i = bisect_right(self.off, wall - shift)
        marks = [self.week.next_edge(wall, side)] if self.spans else []
        return min([*marks, *(day + shift for day in self.off[i : i + 1])], default=None)


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day)


def within(hours: WeeklyHours | None, at: datetime) -> bool:
    """Whether `at` lies in `hours`; None and empty hours are always open."""
    return hours is None or hours.is_open(reached(utc_second(at), zone(hours.zone)))


def next_open(hours: WeeklyHours | None, at: datetime) -> datetime:
    """`at` itself when it lies in `hours`, else the instant of the next opening. Hours that never open cannot exist."""
    while hours is not None and not within(hours, at):
        # More than one try only where the clocks skip a whole span, and on days off.
        at = _next_edge(hours, at, 0) or at
    return at


def next_close(hours: WeeklyHours, at: datetime) -> datetime:
    """When the span that `at` lies in ends: the first edge after it at which the hours are not open. Hours that are
    always open never close: they have no spans, and must not be asked."""
    while True:
        at = _next_edge(hours, at, 1) or at
        if not within(hours, at):
            return at


def advance_open(hours: WeeklyHours | None, at: datetime, seconds: int) -> datetime:
    """The first instant at which `seconds` of open time have passed since `at`; `at` itself for 0.

    Open time is real time: a night shift of 22:00 to 06:00 holds 9 hours when clocks are put back.
    """
    left = timedelta(seconds=seconds)
    while hours is not None and (hours.spans or hours.off) and left:
        opens = next_open(hours, at)
        closes = _next_edge(hours, opens, 1)
        if closes is None or closes - opens >= left:
            return opens + left
        left -= closes - opens
        at = closes
    return at + left


def _next_edge(hours: WeeklyHours, at: datetime, side: int) -> datetime | None:
    where = zone(hours.zone)
    wall = hours.next_edge(reached(utc_second(at), where), side)
    return None if wall is None else wall_instant(wall, where)

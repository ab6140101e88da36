"""Hours that come back every week: support hours of services, restrictions of layers; and their JSON shape."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from app.errors import Invalid
from app.hours.zones import DAY, reached, utc_second, wall_instant, zone

WEEK = 7 * DAY
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

_MONDAY = 3 * DAY  # 1970-01-01 was a Thursday
_TIME = re.compile(r"([01]\d|2[0-3]):[0-5]\d|24:00", re.ASCII)


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
    """Hours that come back every week on the wall clock of `zone`: support hours. No spans: always."""

    zone: str
    spans: tuple[Span, ...] = ()
    week: Week = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "week", week(self.spans))


def within(hours: WeeklyHours | None, at: datetime) -> bool:
    """Whether `at` lies in `hours`; None and empty hours are always open."""
    return hours is None or hours.week.is_open(reached(utc_second(at), zone(hours.zone)))


def next_open(hours: WeeklyHours | None, at: datetime) -> datetime:
    """`at` itself when it lies in `hours`, else the instant of the next opening. Hours that never open cannot exist."""
    while hours is not None and not within(hours, at):
        # More than one try only where the clocks skip a whole span.
        at = _next_edge(hours, at, 0)
    return at


def next_close(hours: WeeklyHours, at: datetime) -> datetime:
    """When the span that `at` lies in ends: the first edge after it at which the hours are not open. Hours that are
    always open never close: they have no spans, and must not be asked."""
    while True:
        at = _next_edge(hours, at, 1)
        if not within(hours, at):
            return at


def advance_open(hours: WeeklyHours | None, at: datetime, seconds: int) -> datetime:
    """The first instant at which `seconds` of open time have passed since `at`; `at` itself for 0.

    Open time is real time: a night shift of 22:00 to 06:00 holds 9 hours when clocks are put back.
    """
    left = timedelta(seconds=seconds)
    while hours is not None and hours.spans and left:
        opens = next_open(hours, at)
        closes = _next_edge(hours, opens, 1)
        if closes - opens >= left:
            return opens + left
        left -= closes - opens
        at = closes
    return at + left


def _next_edge(hours: WeeklyHours, at: datetime, side: int) -> datetime:
    where = zone(hours.zone)
    return wall_instant(hours.week.next_edge(reached(utc_second(at), where), side), where)


def parse_hours(raw: object, field: str = "support_hours") -> WeeklyHours:
    """From `{"time_zone": "Europe/Berlin", "spans": [...]}`, spans as in `parse_spans`. Raises `Invalid` likewise."""
    if not isinstance(raw, dict) or raw.keys() != {"time_zone", "spans"} or not isinstance(raw["time_zone"], str):
        raise _invalid([(field, 'give {"time_zone": "Europe/Berlin", "spans": [...]}, and nothing else')])
    try:
        zone(raw["time_zone"])
    except Invalid as unknown:
        raise _invalid([(f"{field}.time_zone", unknown.message)]) from unknown
    return WeeklyHours(raw["time_zone"], parse_spans(raw["spans"], f"{field}.spans"))


def parse_spans(raw: object, field: str = "restrictions") -> tuple[Span, ...]:
    """From `[{"days": ["mon", "tue"], "from": "09:00", "to": "17:00"}]`; sorted, each day a span of its own.

    A span whose `to` is earlier than its `from` ends on the next day; `to` may be 24:00. Raises `Invalid` whose
    `errors` names every span that cannot be right.
    """
    if not isinstance(raw, list):
        raise _invalid([(field, "give a list of spans")])
    spans: set[Span] = set()
    wrong: list[tuple[str, str]] = []
    for i, item in enumerate(raw):
        if complaint := _complaint(item):
            wrong.append((f"{field}[{i}]", complaint))
            continue
        start, end = _minute(item["from"]), _minute(item["to"])
        length = end - start if end > start else end - start + 1440
        starts = [DAYS.index(day) * 1440 + start for day in item["days"]]
        spans |= {Span(at, at + length) for at in starts}
    if wrong:
        raise _invalid(wrong)
    return tuple(sorted(spans))


def _complaint(item: object) -> str | None:
    if not isinstance(item, dict) or item.keys() != {"days", "from", "to"}:
        return 'a span is {"days": ["mon"], "from": "09:00", "to": "17:00"}, and nothing else'
    days = item["days"]
    if not isinstance(days, list) or not days or any(day not in DAYS for day in days) or len(set(days)) < len(days):
        return f"days lists some of {', '.join(DAYS)}, each once"
    for key, last in (("from", "23:59"), ("to", "24:00")):
        if not isinstance(item[key], str) or not _TIME.fullmatch(item[key]) or item[key] > last:
            return f"{key} is a time of day from 00:00 to {last}, not {item[key]!r:.40}"
    if item["from"] == item["to"]:
        return "from and to are equal; a whole day is 00:00 to 24:00"
    return None


def _minute(text: str) -> int:
    return int(text[:2]) * 60 + int(text[3:])


def _invalid(wrong: list[tuple[str, str]]) -> Invalid:
    return Invalid(
        "; ".join(f"{field}: {message}" for field, message in wrong),
        errors=[{"field": field, "message": message} for field, message in wrong],
    )


def spans_json(spans: tuple[Span, ...]) -> list[dict[str, object]]:
    """The JSON shape of `parse_spans`, days with equal times together; spans of more than a day are cut at midnight."""
    days: dict[tuple[int, int], set[int]] = {}
    for span in spans:
        start, end = span.from_minute, span.to_minute
        while start < end:
            midnight = start - start % 1440 + 1440
            stop = end if end - start < 1440 else min(end, midnight)
            days.setdefault((start % 1440, (stop - 1) % 1440 + 1), set()).add(start // 1440 % 7)
            start = stop
    return [
        {"days": [DAYS[day] for day in sorted(on)], "from": _clock(start), "to": _clock(stop)}
        for (start, stop), on in days.items()
    ]


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


def hours_json(hours: WeeklyHours) -> dict[str, object]:
    """The JSON shape of `parse_hours`."""
    return {"time_zone": hours.zone, "spans": spans_json(hours.spans)}

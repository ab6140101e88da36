"""Time intervals in Alertmanager's language: times of day, weekdays, days of the month, months and years of a place.

Source: prometheus/alertmanager timeinterval/timeinterval.go and its configuration documentation. An interval holds when
every member that it has holds; within a member one range is enough. `-1` is the last day of the month. Times are half
open and on minutes, `24:00` is the end of the day. An instant is judged by what the clocks of the place show.
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final

from app.errors import Invalid, WrongMember
from app.hours.zones import day_start, instant, local, zone

WEEKDAYS: Final = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
MONTHS: Final = (
    "january", "february", "march", "april", "may", "june",
    "july", "august", "september", "october", "november", "december",
)  # fmt: skip
AHEAD: Final = timedelta(days=32)
"""How far ahead an end is looked for; later ones are looked for again then."""

_TIME: Final = re.compile(r"([01]\d|2[0-3]):([0-5]\d)|24:00", re.ASCII)
_MEMBERS: Final = ("times", "weekdays", "days_of_month", "months", "years", "location")

Range = tuple[int, int]


@dataclass(frozen=True, slots=True)
class TimeInterval:
    """One interval: ranges with both ends included, but `times` in minutes of the day, half open. Empty: any."""

    times: tuple[Range, ...] = ()
    weekdays: tuple[Range, ...] = ()
    days_of_month: tuple[Range, ...] = ()
    months: tuple[Range, ...] = ()
    years: tuple[Range, ...] = ()
    location: str = "UTC"

    def holds(self, at: datetime) -> bool:
        shown = local(at, zone(self.location))
        minute = shown.hour * 60 + shown.minute
        return (not self.times or any(a <= minute < b for a, b in self.times)) and self._day(shown)

    def _day(self, shown: datetime) -> bool:
        last = monthrange(shown.year, shown.month)[1]
        return (
            _within(self.weekdays, shown.isoweekday() % 7)
            and _within(self.months, shown.month)
            and _within(self.years, shown.year)
            and (not self.days_of_month or any(_in_month(r, shown.day, last) for r in self.days_of_month))
        )

    def edges(self, t0: datetime, t1: datetime) -> Iterable[datetime]:
        """Instants between the two at which it may begin or end: midnights and the ends of its times."""
        place = zone(self.location)
        day = local(t0, place).date()
        while (start := day_start(day, place)) <= t1:
            yield start
            for minute in sorted({m for r in self.times for m in r if m < 24 * 60}):
                yield instant(datetime(day.year, day.month, day.day, minute // 60, minute % 60), place)
            day += timedelta(days=1)


def _within(ranges: tuple[Range, ...], value: int) -> bool:
    return not ranges or any(a <= value <= b for a, b in ranges)


def _in_month(days: Range, day: int, last: int) -> bool:
    """Negative days count from the end; what lies beyond the month is cut to it, as Alertmanager does."""
    begin, end = (last + d + 1 if d < 0 else d for d in days)
    return begin <= last and begin <= day <= min(end, last)


def held_until(intervals: Iterable[TimeInterval], at: datetime) -> datetime | None:
    """When the union of these stops to hold that holds at `at`; None when none does. At most `AHEAD` later."""
    return _held_until(tuple(intervals), at.replace(second=0, microsecond=0))


@lru_cache(1_024)
def _held_until(given: tuple[TimeInterval, ...], at: datetime) -> datetime | None:
    """Remembered by the minute, on which all edges lie: a storm asks the same for every alert."""
    if not any(i.holds(at) for i in given):
        return None
    limit = at + AHEAD
    edges = sorted({e.astimezone(UTC) for i in given for e in i.edges(at, limit) if at < e < limit})
    return next((e for e in edges if not any(i.holds(e) for i in given)), limit)


def parse_interval(raw: object, at: str = "interval") -> TimeInterval:
    """From Alertmanager's members. Raises `Invalid` whose errors have fields like `intervals[0].times[1]`."""
    if not isinstance(raw, Mapping):
        raise _wrong(at, "an interval is an object")
    for name in raw:
        if name not in _MEMBERS:
            raise _wrong(f"{at}.{name:.40}", f"is not known; {', '.join(_MEMBERS)} are")
    location = raw.get("location", "UTC")
    if not isinstance(location, str):
        raise _wrong(f"{at}.location", "give an IANA name like Europe/Berlin")
    try:
        zone(location)
    except Invalid as e:
        raise _wrong(f"{at}.location", e.message) from e
    return TimeInterval(
        _each(raw, at, "times", _times),
        _each(raw, at, "weekdays", lambda t: _range(t, _weekday, ordered=True)),
        _each(raw, at, "days_of_month", _days),
        _each(raw, at, "months", lambda t: _range(t, _month, ordered=True)),
        _each(raw, at, "years", lambda t: _range(t, _number(1970, 2200), ordered=True)),
        location,
    )


def _each(raw: Mapping[str, Any], at: str, name: str, read: Callable[[Any], Range]) -> tuple[Range, ...]:
    given = raw.get(name)
    if given is None:
        return ()
    if not isinstance(given, list) or not 0 < len(given) <= 100:
        raise _wrong(f"{at}.{name}", "give a list of 1 to 100")
    found = []
    for i, item in enumerate(given):
        try:
            found.append(read(item))
        except WrongMember as e:
            raise _wrong(f"{at}.{name}[{i}].{e.path}", str(e)) from e
        except (ValueError, TypeError, KeyError) as e:
            raise _wrong(f"{at}.{name}[{i}]", str(e)) from e
    return tuple(found)


def _times(item: Any) -> Range:
    if not isinstance(item, Mapping) or item.keys() != {"start_time", "end_time"}:
        raise ValueError('give {"start_time": "09:00", "end_time": "17:00"}')
    start, end = (_minute(n, item[n]) for n in ("start_time", "end_time"))
    if start >= end:
        raise ValueError("start_time lies before end_time; a night is two times")
    return start, end


def _minute(name: str, text: Any) -> int:
    if not isinstance(text, str) or not _TIME.fullmatch(text):
        raise WrongMember(name, f"{text!r:.40} is no time of day from 00:00 to 24:00")
    return int(text[:2]) * 60 + int(text[3:])


def _range(item: Any, read: Callable[[str], int], *, ordered: bool) -> Range:
    text = str(item) if type(item) is int else item
    if not isinstance(text, str):
        raise ValueError("give a text like monday:friday")
    first, colon, second = text.strip().lower().partition(":")
    begin = read(first.strip())
    end = read(second.strip()) if colon else begin
    if ordered and begin > end:
        raise ValueError(f"{text[:40]!r} ends before it begins")
    return begin, end


def _days(item: Any) -> Range:
    begin, end = _range(item, _number(-31, 31), ordered=False)
    if 0 in (begin, end):
        raise ValueError("a day of the month is 1 to 31, or -31 to -1 from its end")
    if begin < 0 < end:
        raise ValueError("a range that begins from the end of the month ends there too")
    # What is wrong in every month is refused; the shortest has 28 days.
    if (28 + begin if begin < 0 else begin) > (28 + end if end < 0 else end):
        raise ValueError("ends before it begins")
    return begin, end


def _weekday(text: str) -> int:
    if text not in WEEKDAYS:
        raise ValueError(f"{text[:40]!r} is none of {', '.join(WEEKDAYS)}")
    return WEEKDAYS.index(text)


def _month(text: str) -> int:
    return MONTHS.index(text) + 1 if text in MONTHS else _number(1, 12)(text)


def _number(least: int, most: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            raise ValueError(f"{text[:40]!r} is no number") from None
        if not least <= value <= most:
            raise ValueError(f"{value} is not within {least} to {most}")
        return value

    return read


def _wrong(name: str, message: str) -> Invalid:
    return Invalid(f"{name}: {message}", errors=[{"field": name, "message": message}])

"""Repetition as iCalendar writes it (RFC 5545, 3.3.10), in local time. Pure.

Calendars come from strangers, and a rule such as `FREQ=HOURLY;BYMONTH=2;BYMONTHDAY=30` is met by no time at all:
whoever asks for the next one waits for ever. Here every period that is looked at costs something, and who spends too
much is refused: `TooMuch`. Rules by the minute or second are no shifts and refused at once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import product
from typing import Final

FREQUENCIES: Final = ("HOURLY", "DAILY", "WEEKLY", "MONTHLY", "YEARLY")
DAYS: Final = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")

_DAY: Final = timedelta(days=1)
_BY_DAY: Final = re.compile(rf"([+-]?\d{{1,2}})?({'|'.join(DAYS)})")
_RANGES: Final = {
    "BYMONTH": (1, 12, False), "BYMONTHDAY": (1, 31, True), "BYYEARDAY": (1, 366, True), "BYWEEKNO": (1, 53, True),
    "BYHOUR": (0, 23, False), "BYMINUTE": (0, 59, False), "BYSECOND": (0, 59, False), "BYSETPOS": (1, 366, True),
}  # fmt: skip
_MOST_TIMES: Final = 1440
_COST: Final = {"HOURLY": 1, "DAILY": 1, "WEEKLY": 7, "MONTHLY": 31, "YEARLY": 366}


class Unusable(ValueError):
    """Something that cannot be read, or that we do not take. The message is for people."""


class TooMuch(Unusable):
    """The budget is spent."""


@dataclass(slots=True)
class Budget:
    """What one calendar may cost. `work`: days or hours looked at; `instances`: of all its entries."""

    work: int = 600_000
    instances: int = 20_000

    def spend(self, work: int) -> None:
        self.work -= work
        if self.work < 0:
            raise TooMuch("its repetitions take too long to work out")

    def count(self) -> None:
        self.instances -= 1
        if self.instances < 0:
            raise TooMuch("it has too many entries")


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule whose parts can be right. `until`: the last local time, included."""

    frequency: str
    interval: int = 1
    count: int | None = None
    until: datetime | None = None
    week_starts: int = 0
    by_day: tuple[tuple[int, int], ...] = ()
    """(which one, 0 for each; day of the week, 0 is Monday)"""
    by: dict[str, tuple[int, ...]] = field(default_factory=dict)


def rule(text: str, until: datetime | None = None) -> Rule:
    """From the value of an RRULE. `until`: its UNTIL, as local time. Raises `Unusable`."""
    parts: dict[str, str] = {}
    for piece in filter(None, text.upper().replace(" ", "").split(";")):
        name, _, value = piece.partition("=")
        parts[name] = value
    frequency = parts.get("FREQ", "")
    if frequency in ("SECONDLY", "MINUTELY"):
        raise TooMuch("it repeats by the minute or second, which no shift does")
    if frequency not in FREQUENCIES:
        raise Unusable(f"it repeats {frequency[:20]!r}, which is unknown")
    by = {name: _numbers(name, parts[name]) for name in _RANGES if name in parts}
    count = _number("COUNT", parts["COUNT"], 1, 10**9) if "COUNT" in parts else None
    week_starts = DAYS.index(parts["WKST"]) if parts.get("WKST") in DAYS else 0
    interval = _number("INTERVAL", parts.get("INTERVAL", "1"), 1, 10_000)
    by_day = _days(parts["BYDAY"]) if "BYDAY" in parts else ()
    return Rule(frequency, interval, count, until, week_starts, by_day, by)


def _number(name: str, text: str, low: int, high: int) -> int:
    if not re.fullmatch(r"[+-]?[0-9]{1,9}", text, re.ASCII) or not low <= int(text) <= high:
        raise Unusable(f"its repetition has {name}={text[:20]}, which cannot be right")
    return int(text)


def _numbers(name: str, text: str) -> tuple[int, ...]:
    low, high, negative = _RANGES[name]
    found = {_number(name, one, -high if negative else low, high) for one in text.split(",")}
    if low == 1 and 0 in found:
        raise Unusable(f"its repetition has {name}=0, which cannot be right")
    return tuple(sorted(found))


def _days(text: str) -> tuple[tuple[int, int], ...]:
    found = []
    for one in text.split(","):
        if (day := _BY_DAY.fullmatch(one)) is None:
            raise Unusable(f"its repetition has BYDAY={text[:20]}, which cannot be right")
        found.append((int(day[1] or 0), DAYS.index(day[2])))
    return tuple(found)


def occurrences(rule: Rule, start: datetime, first: datetime, end: datetime, budget: Budget) -> Iterator[datetime]:
    """The local starts in `[first, end)`, ascending; `start`, the first of all, always counts as one. Naive times, as
    `Rule.until`. Raises `TooMuch`."""
    end = min(end, rule.until + timedelta(microseconds=1)) if rule.until is not None else end
    left = rule.count
    pending: datetime | None = start
    for at in _matching(rule, start, first if rule.count is None else start, end, budget):
        if pending is not None and at >= pending:
            after = [] if at == pending else [at]
            todo, pending = [pending, *after], None
        else:
            todo = [at]
        for found in todo:
            if found >= end or left == 0:
                return
            left = None if left is None else left - 1
            if found >= first:
                budget.count()
                yield found
    if pending is not None and first <= pending < end:
        budget.count()
        yield pending


def _matching(rule: Rule, start: datetime, first: datetime, end: datetime, budget: Budget) -> Iterator[datetime]:
    """What meets the rule, from `start` and from about `first` on, until `end`."""
    if rule.frequency == "HOURLY":
        yield from _hourly(rule, start, first, end, budget)
        return
    times = [timedelta(hours=h, minutes=m, seconds=s) for h, m, s in _times(rule, start)]
    positions = rule.by.get("BYSETPOS", ())
    for days in _periods(rule, start, first, end, budget):
        met = [day for day in days if _meets(rule, day, start)]
        if len(met) * len(times) > 20_000:
            raise TooMuch("it repeats too often")
        moments = [datetime(day.year, day.month, day.day) + time for day in met for time in times]
        if positions:
            chosen = {moments[p - 1 if p > 0 else p] for p in positions if abs(p) <= len(moments)}
            moments = sorted(chosen)
        yield from (at for at in moments if at >= start)


def _times(rule: Rule, start: datetime) -> list[tuple[int, int, int]]:
    parts = (("BYHOUR", start.hour), ("BYMINUTE", start.minute), ("BYSECOND", start.second))
    at_hours, minutes, seconds = (rule.by.get(name) or (own,) for name, own in parts)
    if len(at_hours) * len(minutes) * len(seconds) > _MOST_TIMES:
        raise TooMuch("it repeats too often in a day")
    return sorted(product(at_hours, minutes, seconds))


def _hourly(rule: Rule, start: datetime, first: datetime, end: datetime, budget: Budget) -> Iterator[datetime]:
    step = timedelta(hours=rule.interval)
    if len(rule.by.get("BYMINUTE", ())) > 1 or len(rule.by.get("BYSECOND", ())) > 1 or "BYSETPOS" in rule.by:
        raise TooMuch("it repeats by the minute, which no shift does")
    at = start + max(0, (first - start) // step) * step
    minute, second = rule.by.get("BYMINUTE", (at.minute,))[0], rule.by.get("BYSECOND", (at.second,))[0]
    while at < end:
        budget.spend(1)
        if (not rule.by.get("BYHOUR") or at.hour in rule.by["BYHOUR"]) and _meets(rule, at.date(), start):
            found = at.replace(minute=minute, second=second)
            if found >= start:
                yield found
        at += step


def _periods(rule: Rule, start: datetime, first: datetime, end: datetime, budget: Budget) -> Iterator[list[date]]:
    """The days of every period that counts, from the one before that of `first` on."""
    k = 0
    if first > start:
        span = {"DAILY": 1, "WEEKLY": 7, "MONTHLY": 31, "YEARLY": 366}[rule.frequency] * rule.interval
        k = max(0, (first - start).days // span - 1)
    while True:
        budget.spend(_COST[rule.frequency])
        days = _period(rule, start.date(), k)
        if not days or days[0] > end.date():
            return
        yield days
        k += 1


def _period(rule: Rule, start: date, k: int) -> list[date]:
    """The days of period `k`; none beyond the years that Python has."""
    step = k * rule.interval
    try:
        if rule.frequency == "DAILY":
            return [start + step * _DAY]
        if rule.frequency == "WEEKLY":
            monday = start - ((start.weekday() - rule.week_starts) % 7) * _DAY + step * 7 * _DAY
            return [monday + n * _DAY for n in range(7)]
        if rule.frequency == "MONTHLY":
            year, month = divmod(start.year * 12 + start.month - 1 + step, 12)
            first, after = date(year, month + 1, 1), date(year + month // 11, (month + 1) % 12 + 1, 1)
        else:
            first, after = date(start.year + step, 1, 1), date(start.year + step + 1, 1, 1)
    except (ValueError, OverflowError):
        return []
    return [first + n * _DAY for n in range((after - first).days)]


def _meets(rule: Rule, day: date, start: datetime) -> bool:
    """Whether the parts that speak of days all allow this one. What none of them says, the start does."""
    by, frequency = rule.by, rule.frequency
    if "BYMONTH" in by and day.month not in by["BYMONTH"]:
        return False
    if "BYMONTHDAY" in by and not {day.day, day.day - _month_days(day) - 1} & set(by["BYMONTHDAY"]):
        return False
    if "BYYEARDAY" in by:
        n = day.timetuple().tm_yday
        if not {n, n - _year_days(day.year) - 1} & set(by["BYYEARDAY"]):
            return False
    if "BYWEEKNO" in by and not _week_numbers(day, rule.week_starts) & set(by["BYWEEKNO"]):
        return False
    if rule.by_day and not any(_is_day(rule, day, nth, weekday) for nth, weekday in rule.by_day):
        return False
    if frequency in ("DAILY", "HOURLY") or rule.by_day or by.keys() & {"BYMONTHDAY", "BYYEARDAY"}:
        return True
    if frequency == "WEEKLY" or "BYWEEKNO" in by:
        return day.weekday() == start.weekday()
    return day.day == start.day and (frequency == "MONTHLY" or "BYMONTH" in by or day.month == start.month)


def _is_day(rule: Rule, day: date, nth: int, weekday: int) -> bool:
    if day.weekday() != weekday:
        return False
    if not nth or rule.frequency not in ("MONTHLY", "YEARLY") or "BYWEEKNO" in rule.by:
        return True
    if rule.frequency == "MONTHLY" or "BYMONTH" in rule.by:
        n, length = day.day, _month_days(day)
    else:
        n, length = day.timetuple().tm_yday, _year_days(day.year)
    return nth in ((n - 1) // 7 + 1, -((length - n) // 7 + 1))


def _month_days(day: date) -> int:
    return (date(day.year + day.month // 12, day.month % 12 + 1, 1) - _DAY).day if day.year < 9999 else 31


def _year_days(year: int) -> int:
    return 366 if year % 4 == 0 and (year % 100 or year % 400 == 0) else 365


def _week_numbers(day: date, week_starts: int) -> set[int]:
    """The number of its week, from the front and from the end: week 1 is the first with four days in its year."""
    middle = day - ((day.weekday() - week_starts) % 7) * _DAY + 3 * _DAY
    n = (middle.timetuple().tm_yday - 1) // 7 + 1
    silvester = date(middle.year, 12, 31)
    last = silvester - ((silvester.weekday() - middle.weekday()) % 7) * _DAY
    weeks = (last.timetuple().tm_yday - 1) // 7 + 1
    return {n, n - weeks - 1}

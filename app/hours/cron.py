"""Cron lines: `0 2 * * mon-fri` on the wall clock of a zone, and the instant at which one falls due next.

Fields as crontab(5) of Vixie cron has them: minute, hour, day of month, month, day of week (0 and 7 are Sunday); lists,
ranges, steps, three-letter names; `@hourly`, `@daily`, `@weekly`, `@monthly`, `@yearly` and their other names. When
both days are restricted, either of them will do; a field that begins with `*` restricts nothing in this sense.

Over a change of the clocks the rule of `zones` holds: a line falls due once at an ambiguous time, at the first of its
two instants, and a skipped one at the first valid instant after it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache

from app.errors import Invalid
from app.hours.zones import DAY, reached, utc_second, wall_instant, wall_second, wall_time, zone

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_FIELDS: tuple[tuple[str, int, int, dict[str, int]], ...] = (
    ("minute", 0, 59, {}),
    ("hour", 0, 23, {}),
    ("day of month", 1, 31, {}),
    ("month", 1, 12, {name: n for n, name in enumerate(_MONTHS, 1)}),
    ("day of week", 0, 7, {name: n for n, name in enumerate(_WEEKDAYS)}),
)
_ALIASES = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
_ITEM = re.compile(r"(?:(\*)|(\w{1,3})(?:-(\w{1,3}))?)(?:/(\d{1,2}))?", re.ASCII)
_LONGEST = 200
_YEARS = 41
"""29 February falls on one day of the week every 28 years, every 40 around a century without it."""


@dataclass(frozen=True, slots=True)
class CronLine:
    """What is allowed in each field; days of the week as `date.isoweekday` counts them, Sunday 7. Built by `parse`."""

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    either: bool
    """One of the two kinds of days is enough."""

    def falls_on(self, day: date) -> bool:
        if day.month not in self.months:
            return False
        by_month, by_week = day.day in self.days, day.isoweekday() in self.weekdays
        return by_month or by_week if self.either else by_month and by_week


@lru_cache(maxsize=1024)
def parse(text: str) -> CronLine:
    """Raises `Invalid` that says which field cannot be right, also for a line that never falls due."""
    line = _ALIASES.get(text.strip().lower(), text)
    fields = line.split()
    if len(text) > _LONGEST or len(fields) != len(_FIELDS):
        raise Invalid("a cron line has five fields: minute, hour, day of month, month, day of week")
    minutes, hours, days, months, weekdays = (
        _values(field, *known) for field, known in zip(fields, _FIELDS, strict=True)
    )
    either = not fields[2].startswith("*") and not fields[4].startswith("*")
    made = CronLine(
        tuple(sorted(minutes)),
        tuple(sorted(hours)),
        frozenset(days),
        frozenset(months),
        frozenset(day or 7 for day in weekdays),
        either,
    )
    if not either and not any(day <= _longest(month) for month in made.months for day in made.days):
        raise Invalid("there is no such day in these months: it would never fall due")
    return made


def next_after(text: str, zone_name: str, at: datetime) -> datetime:
    """The first instant (UTC) later than `at` at which the line falls due. Raises `Invalid`."""
    line, where = parse(text), zone(zone_name)
    return wall_instant(_next_wall(line, reached(utc_second(at), where)), where)


def _next_wall(line: CronLine, wall: int) -> int:
    """The first wall second later than `wall` that the line allows."""
    after = wall_time(wall)
    day, last = after.date(), after.year + _YEARS
    while day.year <= last:
        if day.month not in line.months:
            day = (day.replace(day=1) + timedelta(days=31)).replace(day=1)
            continue
        if line.falls_on(day):
            midnight = wall_second(datetime(day.year, day.month, day.day))
            for second in _seconds(line, wall - midnight):
                return midnight + second
        day += timedelta(days=1)
    raise Invalid("it would not fall due in this century")


def _seconds(line: CronLine, later_than: int) -> list[int]:
    """The first second of a day after `later_than`, or none."""
    if later_than < 0:
        return [line.hours[0] * 3600 + line.minutes[0] * 60]
    if later_than >= DAY:
        return []
    times = (hour * 3600 + minute * 60 for hour in line.hours for minute in line.minutes)
    return [second for second in times if second > later_than][:1]


def _values(field: str, name: str, least: int, most: int, names: dict[str, int]) -> set[int]:
    values: set[int] = set()
    for item in field.lower().split(","):
        found = _ITEM.fullmatch(item)
        if found is None:
            raise _wrong(name, item, least, most)
        star, first, last, step = found.groups()
        if star:
            low, high = least, most
        else:
            low = _number(first, name, least, most, names)
            high = _number(last, name, least, most, names) if last else most if step else low
        if low > high or step in ("0", "00"):
            raise _wrong(name, item, least, most)
        values.update(range(low, high + 1, int(step or 1)))
    return values


def _number(word: str, name: str, least: int, most: int, names: dict[str, int]) -> int:
    value = names.get(word, int(word) if word.isdigit() else -1)
    if not least <= value <= most:
        raise _wrong(name, word, least, most)
    return value


def _wrong(name: str, item: str, least: int, most: int) -> Invalid:
    return Invalid(f"the {name} is {least} to {most}, a range like {least}-{most} or a step like */5, not {item!r:.40}")


def _longest(month: int) -> int:
    """The days of a month in the year in which it has most."""
    return (date(2024 + month // 12, month % 12 + 1, 1) - timedelta(days=1)).day

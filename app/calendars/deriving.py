"""What a calendar says about people and days, out of its text. Pure; loads what reads calendars, so it is imported
where one is really read."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, Final

from app.calendars.entries import read
from app.calendars.naming import Named
from app.calendars.people import People, meant
from app.calendars.recurrence import TooMuch

BACK: Final = timedelta(days=60)
AHEAD: Final = timedelta(days=400)
MAX_DAYS: Final = 2_000
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Derived:
    """`unknown`: names that mean nobody, as JSON: `name`, `count`, `starts_at` of the first that is not over."""

    named: tuple[Named, ...] = ()
    days: dict[date, str] = field(default_factory=dict)
    unknown: tuple[dict[str, Any], ...] = ()
    problems: tuple[str, ...] = ()


def shifts(content: str, zone: str, people: People, now: datetime) -> Derived:
    """From `BACK` before now to `AHEAD` after it. Raises `Unusable` and `TooMuch`."""
    found = read(content.encode(), zone, now - BACK, now + AHEAD)
    named: set[Named] = set()
    unknown: dict[str, list[datetime]] = {}
    for entry in found.entries:
        who = meant(entry.words, people)
        named |= {Named(entry.starts_at, entry.ends_at, user, "") for user in who.user_ids}
        for name in who.unknown:
            if not who.user_ids:
                named.add(Named(entry.starts_at, entry.ends_at, 0, name))
            if entry.ends_at > now:
                unknown.setdefault(name, []).append(entry.starts_at)
    told = ({"name": n, "count": len(at), "starts_at": min(at).isoformat()} for n, at in sorted(unknown.items()))
    return Derived(tuple(sorted(named)), {}, tuple(told), tuple(found.problems))


def holidays(content: str, zone: str, now: datetime) -> Derived:
    """The whole days of a calendar, a year back and two ahead. Raises `Unusable` and `TooMuch`."""
    found = read(content.encode(), zone, now - timedelta(days=400), now + timedelta(days=800))
    days: dict[date, str] = {}
    for entry in found.entries:
        if entry.days is None:
            found.complain(f"{entry.words.summary[:80]!r} is no whole day, and so no holiday")
            continue
        first, after = entry.days
        for n in range(min((after - first).days, MAX_DAYS)):
            days.setdefault(first + n * _DAY, entry.words.summary[:200])
        if len(days) > MAX_DAYS:
            raise TooMuch(f"it has more than {MAX_DAYS} days")
    return Derived((), days, (), tuple(found.problems))

"""What a TZID means: IANA names, names of Windows, prefixes that some programs put before them, and zones that a
calendar describes itself (VTIMEZONE, RFC 5545, 3.6.5). Pure.

For the names `app.hours` does the arithmetic. A zone without a name is offsets and the instants at which they change;
the rule for awkward nights is the same: a local time stands for the first instant at which the clocks show it or later.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

from icalendar.timezone.windows_to_olson import WINDOWS_TO_OLSON

from app import hours
from app.calendars.lines import Component
from app.calendars.recurrence import Budget, Unusable, occurrences, rule

_OFFSET: Final = re.compile(r"([+-])(\d\d)(\d\d)(\d\d)?")
_LOCAL: Final = re.compile(r"(\d{8})T(\d{6})(Z?)")


@dataclass(frozen=True, slots=True)
class Named:
    """A zone that the world knows."""

    zone: ZoneInfo

    def instant(self, local: datetime) -> datetime:
        return hours.instant(local, self.zone)

    def local(self, at: datetime) -> datetime:
        return hours.local(at, self.zone).replace(tzinfo=None)


@dataclass(frozen=True, slots=True)
class Described:
    """A zone as a calendar describes it: from `changes[i]` on (UTC) the offset is `offsets[i + 1]`."""

    changes: tuple[datetime, ...]
    offsets: tuple[timedelta, ...]

    def instant(self, local: datetime) -> datetime:
        """The first instant (UTC) at which its clocks show the naive `local` or later."""
        shown = local.replace(tzinfo=UTC)
        for i, offset in enumerate(self.offsets):
            at = shown - offset
            begins = self.changes[i - 1] if i else None
            if begins is not None and at < begins:
                return begins  # skipped: the change jumps over it
            if i == len(self.changes) or at < self.changes[i]:
                return at
        raise AssertionError("the last offset holds for ever")

    def local(self, at: datetime) -> datetime:
        offset = self.offsets[bisect_right(self.changes, at)]
        return (at.astimezone(UTC) + offset).replace(tzinfo=None)


Zone = Named | Described


def named(name: str) -> Named | None:
    """The zone that a TZID names, however it is dressed up."""
    bare = name.strip().strip('"')
    parts = bare.strip("/").split("/")
    tries = [bare[:200], *("/".join(parts[i:]) for i in range(len(parts[:6]))), WINDOWS_TO_OLSON.get(bare, "")]
    known = _known()
    return next((Named(hours.zone(known[one.lower()])) for one in tries if one.lower() in known), None)


@lru_cache(maxsize=1)
def _known() -> dict[str, str]:
    """Asked first: a calendar may name thousands of zones that there are not, and `hours.zone` suggests for each."""
    return {name.lower(): name for name in available_timezones() if name.partition("/")[0] not in ("posix", "right")}


def described(calendar: Iterable[Component], end: datetime, budget: Budget) -> dict[str, Zone]:
    """By TZID the zones that a calendar describes: by name where there is one, else by its rules until `end`."""
    found: dict[str, Zone] = {}
    for component in calendar:
        tzid = component.text("TZID")
        if component.name != "VTIMEZONE" or not tzid:
            continue
        known = named(tzid) or named(component.text("X-LIC-LOCATION") or tzid)
        if zone := known or _by_rules(component, end, budget):
            found[tzid] = zone
    return found


def _by_rules(component: Component, end: datetime, budget: Budget) -> Described | None:
    changes: list[tuple[datetime, timedelta, timedelta]] = []
    for part in component.within:
        before, after = offset(part.text("TZOFFSETFROM")), offset(part.text("TZOFFSETTO"))
        start = _LOCAL.fullmatch(part.text("DTSTART"))
        if part.name not in ("STANDARD", "DAYLIGHT") or before is None or after is None or start is None:
            continue
        onset = datetime.strptime(start[1] + start[2], "%Y%m%d%H%M%S")
        onsets = [onset]
        if text := part.text("RRULE"):
            until = _until(text, before)
            first = max(onset, end.replace(tzinfo=None) - timedelta(days=366 * 4))
            onsets += occurrences(rule(text, until), onset, first, end.replace(tzinfo=None), budget)
        changes += [((at - before).replace(tzinfo=UTC), before, after) for at in sorted(set(onsets)) if at.year > 1]
    if not changes:
        return None
    changes.sort(key=lambda change: change[0])
    return Described(tuple(c[0] for c in changes), (changes[0][1], *(c[2] for c in changes)))


def _until(text: str, before: timedelta) -> datetime | None:
    found = re.search(r"UNTIL=(\d{8})(?:T(\d{6}))?", text.upper())
    if found is None:
        return None
    try:
        return datetime.strptime(found[1] + (found[2] or "235959"), "%Y%m%d%H%M%S") + before
    except (ValueError, OverflowError):
        raise Unusable(f"it ends at {found[0][:40]}, which is no time") from None


def offset(text: str) -> timedelta | None:
    """`+0130` as a difference from UTC; None for what is none."""
    if (found := _OFFSET.fullmatch(text)) is None or int(found[2]) > 23:
        return None
    size = timedelta(hours=int(found[2]), minutes=int(found[3]), seconds=int(found[4] or 0))
    return size if found[1] == "+" else -size

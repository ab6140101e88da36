"""Zones: local time to instants and back.

One rule decides every awkward night: a local time stands for **the first instant at which the clocks of the zone show
it or a later time**. So an ambiguous time is the first of its two instants, for ends and starts alike, and a skipped
one is the first valid instant after it; handoffs in between leave neither gap nor overlap.

`reached` is the way back: the latest local time that the clocks have shown up to an instant. By the rule above
`instant(w) <= at` exactly when `w <= reached(at)`, on every night of every zone; questions like "which turn" and "is it
open" are therefore comparisons of integers. Such an integer is a *wall second*: seconds of the zone's own clock since
it showed 1970-01-01T00:00.
"""

from __future__ import annotations

from bisect import bisect_left
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from difflib import get_close_matches
from functools import lru_cache
from itertools import pairwise
from math import floor
from typing import NamedTuple
from zoneinfo import ZoneInfo, available_timezones

from app.errors import Invalid

DAY = 86_400

_EPOCH = datetime(1970, 1, 1)
_EPOCH_DAY = _EPOCH.toordinal()
_MACHINE_DEPENDENT = ("localtime", "posixrules", "Factory", "posix/", "right/")


@lru_cache(maxsize=1024)
def zone(name: str) -> ZoneInfo:
    """The IANA zone of this name, case as in the database. Raises `Invalid` (`unknown_time_zone`) with a suggestion."""
    if not name.startswith(_MACHINE_DEPENDENT):
        try:
            return ZoneInfo(name)
        except (KeyError, ValueError, OSError):
            pass  # not found, not a name, or a folder like "America": refused below in one way
    known = {n.lower(): n for n in available_timezones() if not n.startswith(_MACHINE_DEPENDENT)}
    close = get_close_matches(name[:64].lower(), known, n=1)
    hint = f"; did you mean {known[close[0]]}?" if close else ""
    raise Invalid(
        f"unknown time zone {name[:64]!r}: give an IANA name like Europe/Berlin{hint}", code="unknown_time_zone"
    )


def instant(local: datetime, zone: ZoneInfo) -> datetime:
    """The first instant (UTC) at which the clocks of `zone` show the naive `local` or later. `fold` is ignored."""
    if local.tzinfo is not None:
        raise ValueError(f"a local time has no zone of its own: {local!r}")
    first = local.replace(tzinfo=zone, fold=0).astimezone(UTC)
    second = local.replace(tzinfo=zone, fold=1).astimezone(UTC)
    if first <= second:
        return first
    # Skipped: read with the offset after the change it lies before the change, and the other way round.
    seconds = range(floor(second.timestamp()), floor(first.timestamp()) + 1)
    changed = bisect_left(seconds, True, key=lambda s: datetime.fromtimestamp(s, zone).replace(tzinfo=None) >= local)
    return datetime.fromtimestamp(seconds[changed], UTC)


def ahead(local: datetime, zone: ZoneInfo, now: datetime) -> datetime:
    """As `instant`, for an end that somebody names: of a time that comes twice and is past once, the second one."""
    first = instant(local, zone)
    shown = first.astimezone(zone)
    return shown.replace(fold=1).astimezone(UTC) if first <= now and comes_twice(shown) else first


def local(at: datetime, zone: tzinfo) -> datetime:
    """What the clocks of `zone` show at the instant `at`; aware, in `zone`, `fold` set in a repeated hour."""
    if at.tzinfo is None:
        raise ValueError(f"an instant needs a zone: {at!r}")
    return at.astimezone(zone)


def comes_twice(local: datetime) -> bool:
    """Whether clocks show this aware local time two times, because they are put back."""
    return local.replace(fold=0).utcoffset() != local.replace(fold=1).utcoffset()


def clock(local: datetime) -> str:
    """`02:14`; where it comes twice with which of them: `02:14 CET`. `local` is aware."""
    return f"{local:%H:%M %Z}" if comes_twice(local) else f"{local:%H:%M}"


def doubt(local: datetime, zone: ZoneInfo) -> str:
    """What became of a naive local time that clocks skip or show twice, in words; empty for all others."""
    taken = instant(local, zone).astimezone(zone)
    if taken.replace(tzinfo=None, fold=0) != local:
        return (
            f"{local:%Y-%m-%d %H:%M} does not exist in {zone.key}, where clocks are put forward then:"
            f" {taken:%H:%M %Z} is taken in its place"
        )
    if not comes_twice(taken):
        return ""
    other = taken.replace(fold=1)
    return (
        f"{local:%Y-%m-%d %H:%M} comes twice in {zone.key}, where clocks are put back then: the first one is taken"
        f" ({taken:%Z}, {_iso(taken)}); the second is {_iso(other)}"
    )


def _iso(at: datetime) -> str:
    return at.isoformat(timespec="minutes" if not at.second else "seconds")


def day_start(day: date, zone: ZoneInfo) -> datetime:
    """The instant (UTC) at which the local `day` begins; not always at midnight. A skipped day begins with the next."""
    return instant(datetime.combine(day, time.min), zone)


def utc_second(at: datetime) -> int:
    """Whole seconds since 1970-01-01T00:00Z; handoffs and spans fall on whole seconds, so nothing is lost."""
    if at.tzinfo is None:
        raise ValueError(f"an instant needs a zone: {at!r}")
    return floor(at.timestamp())


def wall_second(local: datetime) -> int:
    """The naive `local` as a wall second."""
    return (local.toordinal() - _EPOCH_DAY) * DAY + local.hour * 3600 + local.minute * 60 + local.second


def wall_time(wall: int) -> datetime:
    """The naive local time of a wall second."""
    return _EPOCH + timedelta(seconds=wall)


def wall_instant(wall: int, zone: ZoneInfo) -> datetime:
    """`instant` of a wall second."""
    return instant(wall_time(wall), zone)


@lru_cache(maxsize=4096)
def reached(second: int, zone: ZoneInfo) -> int:
    """The latest wall second that the clocks of `zone` have shown up to `second` (a `utc_second`)."""
    shown = datetime.fromtimestamp(second, zone)
    if not shown.fold:
        return wall_second(shown)
    # Clocks were put back: everything up to the change has been shown before, and `shown` is a repetition of it.
    repeated = range(floor(shown.replace(fold=0).timestamp()), second + 1)
    changed = bisect_left(repeated, 1, key=lambda s: datetime.fromtimestamp(s, zone).fold)
    return wall_second(datetime.fromtimestamp(repeated[changed] - 1, zone))


class ClockChange(NamedTuple):
    """At the instant `second` (a `utc_second`) the clocks of a zone go from the offset `before` UTC to `after`, both in
    seconds. Forward: the wall seconds in between are skipped; back: they are shown twice."""

    second: int
    before: int
    after: int

    @property
    def skipped(self) -> tuple[int, int]:
        """`[from, to)` in wall seconds; empty when the clocks go back."""
        return self.second + self.before, max(self.second + self.before, self.second + self.after)

    @property
    def repeated(self) -> tuple[int, int]:
        """`[from, to)` in wall seconds; empty when the clocks go forward."""
        return min(self.second + self.after, self.second + self.before), self.second + self.before


@lru_cache(maxsize=16_384)
def clock_changes(zone: ZoneInfo, year: int) -> tuple[ClockChange, ...]:
    """The changes of clocks of a year in UTC, in their order. No zone changes its clocks and back within a day."""
    first, end = (utc_second(datetime(y, 1, 1, tzinfo=UTC)) for y in (year, year + 1))
    days = [*range(first - DAY, end, DAY), end]
    found = []
    for (a, before), (b, after) in pairwise((second, _offset(second, zone)) for second in days):
        if before != after:
            seconds = range(a + 1, b + 1)
            found.append(ClockChange(seconds[_first_other(seconds, before, zone)], before, after))
    return tuple(change for change in found if first <= change.second < end)


def _first_other(seconds: range, before: int, zone: ZoneInfo) -> int:
    return bisect_left(seconds, 1, key=lambda second: _offset(second, zone) != before)


def _offset(second: int, zone: ZoneInfo) -> int:
    offset = datetime.fromtimestamp(second, zone).utcoffset()
    assert offset is not None
    return floor(offset.total_seconds())

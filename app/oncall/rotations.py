"""The turns of a rotation: computed from the anchor, never stepped (behaviour.md 9).

Turn k of a rotation in days, weeks or months begins when the clocks of the zone show the anchor's date plus k lengths,
at the anchor's time of day: the handoff stays at 09:00 over daylight saving. Month k is the anchor's month plus k
lengths, its day clamped to the length of that month. A week may have several handoffs ("Monday 09:00, Friday 17:00"):
then its turns are the unequal parts between them, and turn 0 begins with the handoff that the anchor is.

Turns in *hours* are elapsed time from the anchor's instant. Whoever writes "8 hours" means an amount of work: on the
wall clock a night's turn would last 7 or 9 of them when clocks change, and a turn of one hour would vanish or double.
The price is that such handoffs move by an hour on the wall clock twice a year; a layer that must hand off at the same
local time has days and restrictions.
"""

from __future__ import annotations

from bisect import bisect_right
from calendar import monthrange
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Literal
from zoneinfo import ZoneInfo

from app import hours
from app.errors import Invalid

Unit = Literal["hour", "day", "week", "month"]

UNIT_SECONDS = {"hour": 3600, "day": 86_400, "week": 604_800, "month": 0}

_WEEK, _MONDAY = 604_800, 3 * 86_400  # 1970-01-01 was a Thursday


@dataclass(frozen=True, slots=True)
class Rotation:
    """Turns of `length` units each, from the naive local time `anchor` on.

    `handoffs`: with `week` and a length of 1, the minutes since Monday 00:00 at which turns begin, the anchor's among
    them; none: only the anchor's. Raises `Invalid`.
    """

    unit: Unit
    length: int
    anchor: datetime
    handoffs: tuple[int, ...] = ()
    anchor_wall: int = field(init=False, repr=False, compare=False)
    cycle_seconds: int = field(init=False, repr=False, compare=False)
    """After so much wall clock (for hours: time) the same begins again; 0 for months."""
    offsets: tuple[int, ...] = field(init=False, repr=False, compare=False)
    """Where in a cycle turns begin, in seconds; the first is 0."""

    def __post_init__(self) -> None:
        if self.unit not in UNIT_SECONDS:
            raise Invalid(f"a turn is counted in {', '.join(UNIT_SECONDS)}, not {self.unit!r}")
        if self.length < 1:
            raise Invalid("a turn lasts at least one unit")
        if self.anchor.tzinfo is not None or self.anchor.microsecond:
            raise Invalid("the anchor is local time in whole seconds, without a zone of its own")
        wall = hours.wall_second(self.anchor)
        at = (wall + _MONDAY) % _WEEK
        if self.handoffs and (self.unit, self.length) != ("week", 1):
            raise Invalid("several handoffs a week take the unit week and the length 1")
        if self.handoffs and at not in {minute * 60 for minute in self.handoffs}:
            raise Invalid("the anchor is one of the handoffs")
        offsets = tuple(sorted({(minute * 60 - at) % _WEEK for minute in self.handoffs})) or (0,)
        object.__setattr__(self, "anchor_wall", wall)
        object.__setattr__(self, "cycle_seconds", UNIT_SECONDS[self.unit] * self.length)
        object.__setattr__(self, "offsets", offsets)

    def turn(self, zone: ZoneInfo, second: int, wall: int) -> int:
        """The number of the turn that runs at `second` (`hours.utc_second`), when the clocks of `zone` have reached the
        wall second `wall` (`hours.reached`); negative before the anchor."""
        if self.unit == "hour":
            return (second - self.anchor_second(zone)) // self.cycle_seconds
        if self.unit != "month":
            cycle, rest = divmod(wall - self.anchor_wall, self.cycle_seconds)
            if len(self.offsets) == 1:
                return cycle
            return cycle * len(self.offsets) + bisect_right(self.offsets, rest) - 1
        day = hours.wall_time(wall)
        months = (day.year - self.anchor.year) * 12 + day.month - self.anchor.month
        k, rest = divmod(months, self.length)
        return k if rest or self.wall(k) <= wall else k - 1

    def start(self, zone: ZoneInfo, k: int) -> datetime:
        """The handoff (UTC) at which turn `k` begins; it ends where turn `k + 1` begins."""
        if self.unit == "hour":
            return datetime.fromtimestamp(self.anchor_second(zone) + k * self.cycle_seconds, UTC)
        return hours.wall_instant(self.wall(k), zone)

    def wall(self, k: int) -> int:
        """The wall second at which turn `k` begins; not for hours, whose turns begin at instants."""
        if self.unit != "month":
            cycle, part = divmod(k, len(self.offsets))
            return self.anchor_wall + cycle * self.cycle_seconds + self.offsets[part]
        months = self.anchor.year * 12 + self.anchor.month - 1 + k * self.length
        year, month = divmod(months, 12)
        day = min(self.anchor.day, monthrange(year, month + 1)[1]) if self.anchor.day > 28 else self.anchor.day
        return hours.wall_second(self.anchor.replace(year=year, month=month + 1, day=day))

    def anchor_second(self, zone: ZoneInfo) -> int:
        """The instant of the anchor, as `hours.utc_second`."""
        return _second(self.anchor, zone)


@lru_cache(maxsize=4096)
def _second(anchor: datetime, zone: ZoneInfo) -> int:
    return hours.utc_second(hours.instant(anchor, zone))

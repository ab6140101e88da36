"""What an edit means for one person: which hours are gained and lost, and when it is told. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from app import hours
from app.oncall.intervals import Interval, without

AHEAD = timedelta(weeks=4)
"""What changes later is not told: until then it may change again, and whoever looks sees it."""
SETTLES_IN = timedelta(minutes=3)
"""Without another edit; then it is told."""
SETTLES_WITHIN = timedelta(minutes=10)
SOON = timedelta(hours=12)
"""What changes so soon is told at night, too."""
DAY_BEGINS, DAY_ENDS = 8, 22


@dataclass(frozen=True, slots=True)
class Edited:
    """The hours that one person gains and loses, sorted."""

    gained: tuple[Interval, ...]
    lost: tuple[Interval, ...]

    @property
    def nothing(self) -> bool:
        return not self.gained and not self.lost

    def is_soon(self, now: datetime) -> bool:
        return any(start < now + SOON for start, _ in (*self.gained, *self.lost))


def edited(before: Sequence[Interval], after: Sequence[Interval], t0: datetime, t1: datetime) -> Edited:
    """What changed in `[t0, t1)`; both sorted and disjoint."""
    old, new = _within(before, t0, t1), _within(after, t0, t1)
    return Edited(tuple(without(new, old)), tuple(without(old, new)))


def _within(intervals: Sequence[Interval], t0: datetime, t1: datetime) -> list[Interval]:
    return [(max(a, t0), min(b, t1)) for a, b in intervals if a < t1 and b > t0]


def morning(now: datetime, where: ZoneInfo) -> datetime | None:
    """When the night is over for somebody in this zone; None by day."""
    local = hours.local(now, where).replace(tzinfo=None)
    if DAY_BEGINS <= local.hour < DAY_ENDS:
        return None
    day = local + timedelta(days=1) if local.hour >= DAY_ENDS else local
    return hours.instant(day.replace(hour=DAY_BEGINS, minute=0, second=0, microsecond=0), where)

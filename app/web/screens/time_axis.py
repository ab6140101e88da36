"""A day, a week or a month of the clocks of a zone as an axis: where an instant lies on it, and what stands below it.

The axis is elapsed time: an hour is as long as any other, so a day of 23 or 25 hours is shorter or longer than its
neighbours, and nothing is drawn twice or left out (behaviour.md 9). Pure.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Final, Literal
from zoneinfo import ZoneInfo

from app import hours
from app.oncall.intervals import Interval

View = Literal["day", "week", "month"]
VIEWS: Final[tuple[View, ...]] = ("day", "week", "month")
FIRST, LAST = date(1971, 1, 1), date(2999, 10, 31)
"""Zone arithmetic must never leave the years that Python has."""

_EVERY: Final = 3
"""Hours between two labels of a day."""


@dataclass(frozen=True, slots=True)
class Tick:
    """A line across the rows, in percent of the width, and what is said there; `middle`: where that stands."""

    at: str
    middle: str
    label: str
    strong: bool = False


@dataclass(frozen=True, slots=True)
class Axis:
    """The days from `first` up to `after` by the clocks of `zone`: `[t0, t1)` in UTC."""

    view: View
    first: date
    after: date
    zone: ZoneInfo
    t0: datetime = field(init=False)
    t1: datetime = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "t0", hours.day_start(self.first, self.zone))
        object.__setattr__(self, "t1", hours.day_start(self.after, self.zone))

    @property
    def before(self) -> date:
        """A day of the period before this one."""
        return max(self.first - timedelta(days=1), FIRST)

    @property
    def title(self) -> str:
        if self.view == "day":
            return f"{self.first:%A %d %B %Y}"
        if self.view == "month":
            return f"{self.first:%B %Y}"
        last = self.after - timedelta(days=1)
        begins = f"{self.first:%d %B}" if self.first.month != last.month else f"{self.first:%d}"
        return f"{begins} to {last:%d %B %Y}"

    def share(self, at: datetime) -> float:
        """Where an instant lies, 0 to 100; what is outside lies at the edge."""
        return 100 * min(max((at - self.t0) / (self.t1 - self.t0), 0.0), 1.0)

    def odd_days(self) -> list[str]:
        """What to say of days that have not 24 hours."""
        said = []
        for day in self._days():
            length = hours.day_start(day + timedelta(days=1), self.zone) - hours.day_start(day, self.zone)
            if length != timedelta(days=1) and length:
                said.append(f"{day:%A %d %B} has {_length(length)}: clocks change")
        return said

    def ticks(self) -> list[Tick]:
        """Of a day every three hours, else every day."""
        marks = self._hours() if self.view == "day" else [(hours.day_start(d, self.zone), d) for d in self._days()]
        ends = [at for at, _ in marks[1:]] + [self.t1]
        return [self._tick(at, end, of) for (at, of), end in zip(marks, ends, strict=True)]

    def _tick(self, at: datetime, end: datetime, of: date) -> Tick:
        if self.view == "day":
            label, strong = f"{hours.local(at, self.zone):%H:%M}", False
        elif self.view == "week":
            label, strong = f"{of:%a %d}", of.weekday() == 0
        else:
            label, strong = f"{of.day}", of.weekday() == 0
        middle = (self.share(at) + self.share(end)) / 2
        return Tick(percent(self.share(at)), percent(middle), label, strong)

    def _hours(self) -> list[tuple[datetime, date]]:
        """Instants at which the clocks show a multiple of three hours for the first time."""
        walls = (datetime.combine(self.first, datetime.min.time()) + timedelta(hours=h) for h in range(0, 24, _EVERY))
        marks = sorted({hours.instant(wall, self.zone) for wall in walls})
        return [(at, self.first) for at in marks if self.t0 <= at < self.t1]

    def _days(self) -> list[date]:
        return [self.first + timedelta(days=n) for n in range((self.after - self.first).days)]


def axis(view: View, on: date, zone: ZoneInfo) -> Axis:
    """The day, the week from its Monday, or the month in which `on` lies."""
    on = min(max(on, FIRST), LAST)
    if view == "day":
        return Axis(view, on, on + timedelta(days=1), zone)
    if view == "week":
        monday = on - timedelta(days=on.weekday())
        return Axis(view, monday, monday + timedelta(days=7), zone)
    first = on.replace(day=1)
    return Axis(view, first, (first + timedelta(days=31)).replace(day=1), zone)


def lanes(intervals: list[Interval]) -> list[int]:
    """Side by side where they overlap: the lane of each, given in the order of their starts."""
    ends: list[datetime] = []
    found = []
    for start, end in intervals:
        lane = next((n for n, busy in enumerate(ends) if busy <= start), len(ends))
        ends[lane:] = [end, *ends[lane + 1 :]]
        found.append(lane)
    return found


def percent(share: float) -> str:
    """As SVG takes it."""
    return f"{share:.3f}%"


def _length(length: timedelta) -> str:
    minutes = round(length.total_seconds()) // 60
    return f"{minutes // 60} hours" + (f" {minutes % 60} minutes" if minutes % 60 else "")

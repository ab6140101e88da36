"""Maintenance windows: planned periods in which services page nobody. Pure.

One-off (from, to), or weekly on the wall clock of a zone: days, a time of day, and a length.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from app import hours
from app.hours import WeeklyHours


@dataclass(frozen=True, slots=True)
class Window:
    """`starts_at` and `ends_at` bound a weekly one too, where given: `[starts_at, ends_at)`."""

    key: str
    name: str
    owner: str
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    weekly: WeeklyHours | None = None
    version: int | None = None

    def until(self, at: datetime) -> datetime | None:
        """When the period that `at` lies in ends; None: it lies in none."""
        if (self.starts_at is not None and at < self.starts_at) or (self.ends_at is not None and at >= self.ends_at):
            return None
        if self.weekly is None:
            return self.ends_at
        if not hours.within(self.weekly, at):
            return None
        closes = hours.next_close(self.weekly, at)
        return closes if self.ends_at is None else min(closes, self.ends_at)

    def periods(self, at: datetime) -> Iterator[tuple[datetime, datetime]]:
        """The periods from `at` on, the one under way first; for a weekly one without end: without end."""
        if self.starts_at is not None and self.starts_at > at:
            at = self.starts_at
        while True:
            if self.weekly is not None:
                at = hours.next_open(self.weekly, at)
            if (end := self.until(at)) is None:
                return
            yield at, end
            if self.weekly is None:
                return
            at = end

"""When a heartbeat's next sign of life is expected: every so often, or by a cron line. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from app.hours import cron


@dataclass(frozen=True, slots=True)
class Rhythm:
    """Either `interval` or `line` (five cron fields on the wall clock of `zone`); `grace` is how late it may be, and
    how long a run may take."""

    grace: timedelta
    interval: timedelta | None = None
    line: str = ""
    zone: str = "UTC"

    def next_after(self, at: datetime) -> datetime:
        """When the sign of life after the one at `at` is expected."""
        if self.interval is not None:
            return at + self.interval
        return cron.next_after(self.line, self.zone, at)

    def __str__(self) -> str:
        """`expected every 5 minutes, 1 minute grace`."""
        due = f"every {spell(self.interval)}" if self.interval is not None else f"by {self.line} ({self.zone})"
        return f"expected {due}, {spell(self.grace)} grace"


_UNITS = (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1))


def spell(length: timedelta) -> str:
    """`5 minutes`, `1 hour 30 minutes`, `2 days`: the two largest units that say anything."""
    seconds, parts = round(length.total_seconds()), []
    for name, size in _UNITS:
        if count := seconds // size:
            parts.append(f"{count} {name}{'' if count == 1 else 's'}")
            seconds -= count * size
    return " ".join(parts[:2]) or "0 seconds"

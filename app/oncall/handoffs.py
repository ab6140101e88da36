"""The next handoff of a schedule: when the people on call change, and to whom. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from app.oncall import shifts
from app.oncall.shifts import Schedule

LOOK_AHEAD = timedelta(days=128)
_HORIZONS = (timedelta(days=2), timedelta(days=8), timedelta(days=32), LOOK_AHEAD)
"""Most handoffs are near: looking far ahead at once would compute months for nothing."""


@dataclass(frozen=True, slots=True)
class Handoff:
    """At `at` these users take over; none: a gap begins."""

    at: datetime
    user_ids: tuple[int, ...]


def next_handoff(schedule: Schedule, at: datetime) -> Handoff | None:
    """The first instant after `at` at which other people are on call; None when there is none in `LOOK_AHEAD`."""
    holding = {entry.user_id for entry in shifts.who(schedule, at)}
    for horizon in _HORIZONS:
        coming = shifts.final(schedule, at, at + horizon)
        marks = {mark for shift in coming for mark in (shift.starts_at, shift.ends_at)}
        for mark in sorted(mark for mark in marks if at < mark < at + horizon):
            users = tuple(entry.user_id for entry in shifts.who(schedule, mark))
            if set(users) != holding:
                return Handoff(mark, users)
    return None

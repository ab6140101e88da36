"""Overrides that replace everybody never overlap with us: the later of two takes the time of the earlier one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from app.moving.moved import PlannedOverride
from app.oncall.intervals import joined, without

LONGEST = timedelta(days=400)
"""An override may not be longer."""


def cut(overrides: Iterable[PlannedOverride]) -> list[PlannedOverride]:
    """Those of one schedule, in the order in which they were made, without overlaps among those that replace
    everybody; by their start."""
    made: list[PlannedOverride] = []
    taken: list[tuple[datetime, datetime]] = []
    for override in reversed(list(overrides)):
        own = (override.starts_at, override.ends_at)
        whole = override.replaces is None and not override.adds
        parts = without([own], joined(taken)) if whole else [own]
        made += [replace(override, starts_at=s, ends_at=e) for start, end in parts for s, e in _pieces(start, end)]
        taken += [own] if whole else []
    return sorted(dict.fromkeys(made), key=lambda o: (o.starts_at, o.adds, o.replaces or "", o.user))


def _pieces(start: datetime, end: datetime) -> Iterable[tuple[datetime, datetime]]:
    while end - start > LONGEST:
        yield start, start + LONGEST
        start += LONGEST
    yield start, end

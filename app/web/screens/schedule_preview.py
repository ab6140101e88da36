"""What an edit of a schedule would do, for a screen: the API's preview, as bars and in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from fastapi import Response

from app import hours
from app.oncall.schedule_document import ScheduleDocument, ScheduleEdit
from app.web.api import schedules as api
from app.web.api.schedule_checks import ScheduleFinding
from app.web.api.schedules import Preview
from app.web.screens.reader import Reader
from app.web.screens.shift_bars import Stretch, WeekBars, long, weeks

DAYS: Final = 28
LISTED: Final = 40
PARTS: Final = 5


@dataclass(frozen=True, slots=True)
class Moved:
    """What one person gains and loses, in words, and the first stretches of it."""

    name: str
    gains: str
    loses: str
    gained: Sequence[Any]
    lost: Sequence[Any]
    more: int


@dataclass(frozen=True, slots=True)
class Shown:
    """`of`: what it is a preview of. `colours`: of the bars, with the names of those whom they are."""

    of: str
    zone: ZoneInfo
    weeks: list[WeekBars]
    colours: list[tuple[str, str]]
    stretches: list[Stretch]
    more: int
    moved: list[Moved]
    findings: list[ScheduleFinding]
    gaps: int


async def preview(reader: Reader, made: ScheduleDocument, effective_from: datetime | None, of: str) -> Shown:
    """Raises `Invalid` for what does not exist, and for an instant at which it cannot take effect."""
    found = await api.preview_schedule(made, reader.tx, DAYS, effective_from)
    zone = hours.zone(made.time_zone)
    stretches = _stretches(found)
    rows = weeks(stretches, found.starts_at, zone)
    return Shown(
        of,
        zone,
        rows,
        sorted({(bar.colour, bar.label) for row in rows for bar in row.bars}),
        stretches[:LISTED],
        max(len(stretches) - LISTED, 0),
        [_moved(change) for change in found.changes],
        found.findings,
        len(found.gaps),
    )


def _stretches(found: Preview) -> list[Stretch]:
    shifts = [Stretch(s.user.name, s.starts_at, s.ends_at, s.because) for s in found.shifts]
    return sorted(shifts + [Stretch("", g.starts_at, g.ends_at) for g in found.gaps], key=lambda s: s.starts_at)


def _moved(change: Any) -> Moved:
    return Moved(
        change.user.name,
        long(change.gained_seconds) if change.gained_seconds else "",
        long(change.lost_seconds) if change.lost_seconds else "",
        change.gained[:PARTS],
        change.lost[:PARTS],
        len(change.gained[PARTS:]) + len(change.lost[PARTS:]),
    )


async def save(
    reader: Reader, key: str | None, made: ScheduleDocument, version: int | None, effective_from: datetime | None
) -> api.SavedSchedule:
    """By the API's own functions: same permissions, same commands. `key`: None makes a new one. What is refused leaves
    nothing behind, although the request goes on to show the form."""
    async with reader.tx.conn.begin_nested():
        if key is None:
            return await api.create_schedule(made, Response(), reader.tx, reader.caller)
        edit = ScheduleEdit.model_validate(made.model_dump(exclude={"key"}))
        return await api.edit_schedule(key, edit, Response(), reader.tx, version, reader.caller, effective_from)

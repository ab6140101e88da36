"""What a preview of shifts shows: four weeks as bars, who gains and loses what, what is doubtful. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from app import hours

WIDE: Final = 700
"""Units of a week's bar; a day of 23 or 25 hours has its share of them."""
HIGH: Final = 22
COLOURS: Final = 6
WEEKS: Final = 4


@dataclass(frozen=True, slots=True)
class Bar:
    """One shift within a week. `colour`: 0 to 5 by person, or `gap`; `lane`: from 0, below each other."""

    x: float
    width: float
    lane: int
    colour: str
    label: str


@dataclass(frozen=True, slots=True)
class Day:
    x: float
    label: str


@dataclass(slots=True)
class WeekBars:
    """Seven days from local midnight on. `high`: in the units of the drawing."""

    days: list[Day]
    bars: list[Bar] = field(default_factory=list)
    high: int = HIGH


@dataclass(frozen=True, slots=True)
class Stretch:
    """`who`: the person's name; empty: nobody, a gap."""

    who: str
    starts_at: datetime
    ends_at: datetime
    because: str = ""


def weeks(stretches: Sequence[Stretch], start: datetime, zone: ZoneInfo) -> list[WeekBars]:
    """Four weeks from the local day of `start` on."""
    colours = {name: str(n % COLOURS) for n, name in enumerate(dict.fromkeys(s.who for s in stretches if s.who))}
    first = hours.local(start, zone).date()
    found = []
    for week in range(WEEKS):
        dates = [first + timedelta(days=7 * week + n) for n in range(8)]
        marks = [hours.day_start(date, zone) for date in dates]
        t0, t1 = marks[0], marks[-1]
        scale = WIDE / (t1 - t0).total_seconds()
        row = WeekBars(
            [Day(_x(at, t0, scale), f"{date:%a %d}") for at, date in zip(marks, dates[:7], strict=False)],
        )
        ends: list[datetime] = []
        for stretch in _within(stretches, t0, t1):
            begin, end = max(stretch.starts_at, t0), min(stretch.ends_at, t1)
            lane = next((n for n, until in enumerate(ends) if until <= begin), len(ends))
            ends[lane : lane + 1] = [end]
            x = _x(begin, t0, scale)
            width = round(_x(end, t0, scale) - x, 2)
            row.bars.append(Bar(x, width, lane, colours.get(stretch.who, "gap"), stretch.who or "nobody"))
        row.high = HIGH * max(len(ends), 1)
        found.append(row)
    return found


def _within(stretches: Sequence[Stretch], t0: datetime, t1: datetime) -> Iterator[Stretch]:
    yield from sorted((s for s in stretches if s.starts_at < t1 and s.ends_at > t0), key=lambda s: s.starts_at)


def _x(at: datetime, start: datetime, scale: float) -> float:
    return round((at - start).total_seconds() * scale, 2)


def long(seconds: int) -> str:
    """`3 d 4 h`, `30 min`: exact to the minute."""
    minutes = seconds // 60
    days, rest = divmod(minutes, 1440)
    parts = [f"{days} d"] * (days > 0) + [f"{rest // 60} h"] * (rest >= 60) + [f"{rest % 60} min"] * (rest % 60 > 0)
    return " ".join(parts) or "0 min"

"""Turns counted in seconds of wall clock, as other products have them, as layers of ours.

Ours hand off at the same local time when turns are days or weeks, and are elapsed time when they are hours. So turns
that are a part of a day become one layer for each part: of 12 hours, one for the days and one for the nights, each a
daily rotation of every second member.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from math import gcd
from typing import Final
from zoneinfo import ZoneInfo

from app import hours
from app.hours import Span
from app.moving.moved import Json

DAY: Final = 86_400
WEEK_MINUTES: Final = 10_080
MOST_PARTS: Final = 16
MOST_TURNS: Final = 200
LONGEST_TURN: Final = 1000

Members = Sequence[Sequence[str]]


class NoEqual(ValueError):
    """The text says why."""


def layers(
    name: str, seconds: int, anchor: datetime, members: Members, spans: Sequence[Span], zone: ZoneInfo
) -> list[Json]:
    """Layers in which `members` take turns of `seconds` of the wall clock from the naive local `anchor` on.

    Those of one rotation never cover the same time. Raises `NoEqual`."""
    if seconds <= 0 or not members:
        raise NoEqual("a rotation has turns that last and somebody in them")
    if len({tuple(turn) for turn in members}) == 1:
        return [layer(name, "day", 1, anchor, members[:1], spans)]
    if seconds % DAY == 0:
        days = seconds // DAY
        unit, length = ("week", days // 7) if days % 7 == 0 else ("day", days)
        return [layer(name, unit, length, anchor, members, spans)]
    if seconds % 3600 == 0 and _is_steady(zone, anchor):
        return [layer(name, "hour", seconds // 3600, anchor, members, spans)]
    parts = DAY // seconds if DAY % seconds == 0 and seconds % 60 == 0 else 0
    if not 0 < parts <= MOST_PARTS:
        raise NoEqual(f"turns of {seconds} s of wall clock are neither days nor one of a few parts of a day")
    return _parts(name, parts, anchor, members, spans)


def elapsed(name: str, seconds: int, anchor: datetime, members: Members, spans: Sequence[Span]) -> Json:
    """The layer whose turns are elapsed time, for what `layers` has no equal for. Raises `NoEqual`."""
    if not members:
        raise NoEqual("nobody is in it")
    if seconds <= 0 or seconds % 3600:
        raise NoEqual(f"turns last whole hours, not {seconds} s")
    return layer(name, "hour", seconds // 3600, anchor, members, spans)


def layer(name: str, unit: str, length: int, anchor: datetime, members: Members, spans: Sequence[Span]) -> Json:
    """An entry of `layers` in the document. Raises `NoEqual` for what one cannot hold."""
    if len(members) > MOST_TURNS or length > LONGEST_TURN:
        raise NoEqual(f"a layer has {MOST_TURNS} turns of {LONGEST_TURN} units at most")
    made: Json = {
        "name": name,
        "unit": unit,
        "length": length,
        "anchor": anchor.strftime("%Y-%m-%dT%H:%M"),
        "members": [list(turn) for turn in members],
    }
    if spans and not _is_whole_week(spans):
        made["restrictions"] = hours.spans_json(tuple(sorted(set(spans))))
    return made


def span(start_minute: int, length_minutes: int) -> Span:
    """From a minute of the week on; a week at most."""
    start = start_minute % WEEK_MINUTES
    return Span(start, start + min(length_minutes, WEEK_MINUTES))


def every_day(start_minute: int, length_minutes: int, days: Sequence[int] = range(7)) -> list[Span]:
    """The same part of each of these days; 0 is Monday."""
    return [span(day * 1440 + start_minute, length_minutes) for day in days]


def common(a: Sequence[Span], b: Sequence[Span]) -> list[Span]:
    """The time that both cover; none in `a` or `b`: all of it."""
    if not a or not b:
        return list(a or b)
    found = []
    for one in a:
        for two in b:
            for shift in (-WEEK_MINUTES, 0, WEEK_MINUTES):
                start = max(one.from_minute, two.from_minute + shift)
                end = min(one.to_minute, two.to_minute + shift)
                if start < end:
                    found.append(span(start, end - start))
    return sorted(set(found))


def _parts(name: str, parts: int, anchor: datetime, members: Members, spans: Sequence[Span]) -> list[Json]:
    length = DAY // parts
    found = []
    for part in range(parts):
        start = anchor + timedelta(seconds=part * length)
        slot = every_day(start.hour * 60 + start.minute, length // 60)
        covered = common(spans, slot)
        if not covered:
            continue
        count = len(members) // gcd(len(members), parts)
        own = [members[(part + parts * day) % len(members)] for day in range(count)]
        found.append(layer(f"{name}, {start:%H:%M}", "day", 1, start, own, covered))
    if not found:
        raise NoEqual("its restrictions leave no time")
    return found


def _is_whole_week(spans: Sequence[Span]) -> bool:
    """Whether together they cover every minute."""
    ranges = [(s.from_minute - shift, s.to_minute - shift) for s in spans for shift in (0, WEEK_MINUTES)]
    reached = 0
    for start, end in sorted(ranges):
        if start > reached:
            return False
        reached = max(reached, end)
    return reached >= WEEK_MINUTES


def _is_steady(zone: ZoneInfo, anchor: datetime) -> bool:
    """Whether the clocks of a zone are never changed, as far as is known, from the anchor on."""
    return not any(hours.clock_changes(zone, year) for year in range(anchor.year, max(anchor.year, 2037) + 1))

"""Grafana OnCall's shifts as layers.

A shift is an event that recurs as RFC 5545 says, on the clocks of its zone: `duration` seconds from `start` on, every
`interval` of `frequency`, on `by_day`. `rolling_users`: each group has one recurrence in turn, so a turn is `interval`
units, of which the shift covers the beginning; nobody is on call in the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from app import hours
from app.hours import Span
from app.moving import layering
from app.moving.exports import listed, zulu
from app.moving.layering import DAY, Members, NoEqual, layer
from app.moving.moved import Json

_WEEK: Final = 7 * DAY
_DAYS: Final = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
Changed = list[tuple[str, str]]
"""Why there is no equal, and what was done instead."""


def groups(shift: Json) -> list[list[Any]]:
    """Ids of who is on call together, in the order of their turns."""
    if shift.get("rolling_users"):
        rolling = [listed(group) for group in shift["rolling_users"]]
        first = int(shift.get("start_rotation_from_user_index") or 0) % len(rolling)
        return rolling[first:] + rolling[:first]
    return [listed(shift.get("users"))]


def layers(name: str, shift: Json, members: Members, zone: ZoneInfo) -> tuple[list[Json], Changed]:
    """`members`: keys by turn, as `groups`. Raises `NoEqual`."""
    if not any(members):
        raise NoEqual("nobody of it is in the export")
    start, duration = _local(shift["start"]), int(shift["duration"])
    if start.second or duration % 60 or duration <= 0:
        raise NoEqual("ours are whole minutes")
    changed: Changed = []
    if shift["type"] == "single_event":
        made = [layer(name, "day", 1, start, members, [])]
        return [made[0] | _instants(*bounds(shift, zone))], changed
    if listed(shift.get("by_month")) or listed(shift.get("by_monthday")):
        raise NoEqual("it recurs on some days of the month or in some months, which no rotation does")
    how = {"weekly": _weekly, "daily": _daily, "hourly": _hourly, "monthly": _monthly}.get(str(shift.get("frequency")))
    if how is None:
        raise NoEqual(f"there is no frequency {shift.get('frequency')}")
    made = how(name, shift, start, duration, members, changed)
    begins = max(start, _local(shift.get("rotation_start") or shift["start"]))
    ends_at = _last_end(shift, start, duration, zone)
    if ends_at is not None and ends_at <= hours.instant(begins, zone):
        raise NoEqual("it ended before it began")
    return [entry | _instants(hours.instant(begins, zone), ends_at) for entry in made], changed


def bounds(shift: Json, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """Of an event that happens once, in UTC."""
    start = _local(shift["start"])
    return hours.instant(start, zone), hours.instant(start + timedelta(seconds=int(shift["duration"])), zone)


def _weekly(name: str, shift: Json, start: datetime, duration: int, members: Members, changed: Changed) -> list[Json]:
    interval, days = _interval(shift), _by_day(shift) or [start.weekday()]
    minute = start.hour * 60 + start.minute
    if days == [start.weekday()]:
        return _units(name, "week", _WEEK, interval, start, duration, members, start.weekday() * 1440 + minute)
    if duration > _WEEK:
        raise NoEqual("it lasts longer than until its next day")
    first_day = _DAYS.index(str(shift.get("week_start") or "SU"))
    days.sort(key=lambda day: (day - first_day) % 7)
    week = start - timedelta(days=(start.weekday() - first_day) % 7)
    anchor = week + timedelta(days=(days[0] - first_day) % 7)
    offsets = [(day - days[0]) % 7 * DAY for day in days]
    if offsets[-1] + duration > _WEEK and interval * len(members) > 1:
        changed.append(("its last day reaches into the next turn", "there it ends with its turn"))
    return [
        layer(
            name, "week", 1, anchor, _sparse(members, 0, 1, interval), layering.every_day(minute, duration // 60, days)
        )
    ]


def _daily(name: str, shift: Json, start: datetime, duration: int, members: Members, changed: Changed) -> list[Json]:
    interval, days = _interval(shift), _by_day(shift)
    minute = start.hour * 60 + start.minute
    if not days:
        return _units(name, "day", DAY, interval, start, duration, members, minute)
    if interval > 1 or duration > DAY:
        raise NoEqual("it recurs every few days and on some days of the week only")
    if len(members) > 1:
        changed.append(
            ("turns are days, also those on which it does not recur", "turns of days that are left out pass")
        )
    return [layer(name, "day", 1, start, members, layering.every_day(minute, duration // 60, days))]


def _hourly(name: str, shift: Json, start: datetime, duration: int, members: Members, changed: Changed) -> list[Json]:
    interval = _interval(shift)
    spans = layering.every_day(0, 1440, _by_day(shift)) if _by_day(shift) else []
    if duration % 3600:
        raise NoEqual("turns last whole hours")
    whole = min(duration // 3600, interval)
    if duration // 3600 > interval:
        raise NoEqual("it lasts longer than until it recurs")
    return [_whole(name, "hour", interval, start, members, whole, spans)]


def _monthly(name: str, shift: Json, start: datetime, duration: int, members: Members, changed: Changed) -> list[Json]:
    interval = _interval(shift)
    if duration < 28 * DAY * interval or _by_day(shift):
        raise NoEqual("it covers a part of each month, and a rotation of months covers all of them")
    changed.append((f"it lasts {duration // DAY} days of each turn", "until the next turn begins"))
    return [layer(name, "month", interval, start, members, [])]


def _units(
    name: str, unit: str, unit_s: int, interval: int, start: datetime, duration: int, members: Members, minute: int
) -> list[Json]:
    """A shift that covers the first of the `interval` units of its turn: whole ones, and a part of the next.
    `minute`: of the week, or for days of the day, at which it starts."""
    whole, rest = divmod(duration, unit_s)
    if whole > interval or (whole == interval and rest):
        raise NoEqual("it lasts longer than until it recurs")
    made = [_whole(name, unit, interval, start, members, whole, [])] if whole else []
    if rest:
        part = layering.every_day(minute, rest // 60) if unit == "day" else [layering.span(minute, rest // 60)]
        named = f"{name}, the rest" if whole else name
        made.append(layer(named, unit, 1, start, _sparse(members, whole, 1, interval), part))
    return made


def _whole(
    name: str, unit: str, interval: int, start: datetime, members: Members, whole: int, spans: Sequence[Span]
) -> Json:
    if whole == interval:
        return layer(name, unit, interval, start, members, spans)
    return layer(name, unit, 1, start, _sparse(members, 0, whole, interval), spans)


def _sparse(members: Members, before: int, own: int, interval: int) -> list[list[str]]:
    """Turns of one unit: of the `interval` of each group the `own` after the first `before`, then nobody."""
    nobody: list[list[str]] = [[]]
    return [
        turn for group in members for turn in nobody * before + [list(group)] * own + nobody * (interval - before - own)
    ]


def _last_end(shift: Json, start: datetime, duration: int, zone: ZoneInfo) -> datetime | None:
    """When the last event ends of those that begin at `until` or before; None without one."""
    if not shift.get("until"):
        return None
    until, interval = _local(shift["until"]), _interval(shift)
    length = timedelta(seconds=duration)
    if until < start:
        return hours.instant(start, zone)
    if shift["frequency"] == "hourly":
        every = timedelta(hours=interval)
        return hours.instant(start + (until - start) // every * every + length, zone)
    if shift["frequency"] == "monthly":
        return hours.instant(until, zone)
    days = _by_day(shift) or ([start.weekday()] if shift["frequency"] == "weekly" else list(range(7)))
    first_day = _DAYS.index(str(shift.get("week_start") or "SU"))
    week = start - timedelta(days=(start.weekday() - first_day) % 7)
    at = start + (until - start) // timedelta(days=1) * timedelta(days=1)
    while at > start:
        turn = (at - week).days // 7 if shift["frequency"] == "weekly" else (at - start).days
        if at.weekday() in days and turn % interval == 0:
            break
        at -= timedelta(days=1)
    return hours.instant(at + length, zone)


def _instants(starts_at: datetime, ends_at: datetime | None) -> Json:
    return {"starts_at": zulu(starts_at)} | ({"ends_at": zulu(ends_at)} if ends_at else {})


def _interval(shift: Json) -> int:
    interval = max(int(shift.get("interval") or 1), 1)
    if interval > layering.MOST_TURNS:
        raise NoEqual(f"a layer has {layering.MOST_TURNS} turns at most")
    return interval


def _by_day(shift: Json) -> list[int]:
    unknown = [day for day in listed(shift.get("by_day")) if day not in _DAYS]
    if unknown:
        raise NoEqual(f"it recurs on {', '.join(map(str, unknown))}")
    return sorted({_DAYS.index(day) for day in listed(shift.get("by_day"))})


def _local(text: object) -> datetime:
    try:
        return datetime.fromisoformat(str(text)).replace(tzinfo=None, microsecond=0)
    except ValueError:
        raise NoEqual(f"{text!r} is no date and time") from None

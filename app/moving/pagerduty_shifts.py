"""PagerDuty's shift-based schedules (v3): rotations of events, each with a recurrence rule and whose turn it is.

Shapes: `/v3/schedules` in reference/REST/openapiv3.json of PagerDuty/api-schema. An event happens from `start_time` to
`end_time` for the first time, recurs by one RRULE (RFC 5545, 3.3.10) on the clocks of its zone, and counts between
`effective_since` and `effective_until`. With `rotating_member_assignment_strategy` each member has `shifts_per_member`
occurrences in turn. How rotations that overlap go before one another is not in the shapes: here they are on call
together, so that nobody is lost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from math import gcd
from typing import Any, Final
from zoneinfo import ZoneInfo

from app import hours
from app.moving import grafana_shifts
from app.moving.exports import instant, listed, zulu
from app.moving.grafana_shifts import Changed
from app.moving.layering import DAY, NoEqual
from app.moving.moved import Json

_DAYS: Final = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_FREQUENCIES: Final = {"HOURLY": "hourly", "DAILY": "daily", "WEEKLY": "weekly", "MONTHLY": "monthly"}
_KNOWN: Final = frozenset({"FREQ", "INTERVAL", "BYDAY", "UNTIL", "COUNT", "WKST"})
_UNIT: Final = {"hourly": timedelta(hours=1), "daily": timedelta(days=1), "weekly": timedelta(weeks=1)}
ROTATING: Final = "rotating_member_assignment_strategy"
EVERYBODY: Final = "every_member_assignment_strategy"

FindUser = Callable[[str], str | None]


def events(value: Json) -> Iterator[tuple[str, Json]]:
    """Name and event, of all rotations of a schedule."""
    for number, rotation in enumerate(listed(value.get("rotations")), start=1):
        own = listed(rotation.get("events"))
        for n, event in enumerate(own, start=1):
            called = event.get("name") or rotation.get("name") or f"Rotation {number}"
            yield str(called) + (f" {n}" if len(own) > 1 and not event.get("name") else ""), event


def layers(name: str, event: Json, user: FindUser, zone: ZoneInfo, where: str) -> tuple[list[Json], Changed]:
    """Layers that add, one or one for each weekday that the event recurs on. `user`: the key of somebody by id.
    Raises `NoEqual`."""
    own = _zone(event, zone)
    first = instant(_at(event, "start_time"), where)
    start = hours.local(first, own).replace(tzinfo=None, second=0, microsecond=0)
    lasts = _lasts(first, instant(_at(event, "end_time"), where), own)
    rule = _local_end(_rule(event), own)
    turns = _turns(event, user)
    since, until = event.get("effective_since"), event.get("effective_until")
    begins = max(first, instant(since, where)) if since else first
    shift: Json = {"type": "rolling_users", "start": start.isoformat(), "duration": lasts,
                   "rotation_start": hours.local(begins, own).replace(tzinfo=None).isoformat()}  # fmt: skip
    made: list[Json] = []
    changed: Changed = []
    for called, one, members in _split(name, shift | rule, start, turns):
        found, more = grafana_shifts.layers(called, one | {"rolling_users": members}, members, own)
        made += found
        changed += [what for what in more if what not in changed]
    zoned: Json = {"time_zone": own.key} if own.key != zone.key else {}
    ended = [_until(entry, instant(until, where) if until else None) | zoned | {"mode": "add"} for entry in made]
    kept = [entry for entry in ended if entry.get("ends_at", "9") > entry["starts_at"]]
    if not kept:
        raise NoEqual("it ended before it began")
    return kept, changed


def _lasts(first: datetime, end: datetime, zone: ZoneInfo) -> int:
    """Seconds, whole minutes. By the clocks of the zone, which a first occurrence may change during; unless it is whole
    days of elapsed time: then a turn of a week that begins before such a change is still a week."""
    elapsed = int((end - first).total_seconds())
    if elapsed % DAY == 0:
        return elapsed
    begins, ends = (hours.local(at, zone).replace(tzinfo=None, second=0, microsecond=0) for at in (first, end))
    return int((ends - begins).total_seconds())


def _at(event: Json, member: str) -> object:
    return (event.get(member) or {})["date_time"]


def _zone(event: Json, zone: ZoneInfo) -> ZoneInfo:
    named = (event.get("start_time") or {}).get("time_zone")
    return hours.zone(str(named)) if named else zone


def _rule(event: Json) -> Json:
    """The recurrence as `grafana_shifts` has it; an event without one happens once."""
    rules = listed(event.get("recurrence"))
    if not rules:
        return {"type": "single_event"}
    if len(rules) > 1 or not str(rules[0]).upper().startswith("RRULE:"):
        raise NoEqual("it recurs by more than one rule")
    parts = dict(part.partition("=")[::2] for part in str(rules[0]).upper().removeprefix("RRULE:").split(";") if part)
    if strange := sorted(parts.keys() - _KNOWN):
        raise NoEqual(f"it recurs by {', '.join(strange)}, which no rotation does")
    if (frequency := _FREQUENCIES.get(parts.get("FREQ", ""))) is None:
        raise NoEqual(f"there is no frequency {parts.get('FREQ')}")
    made: Json = {"frequency": frequency, "interval": int(parts.get("INTERVAL", 1))}
    if parts.get("BYDAY"):
        made["by_day"] = parts["BYDAY"].split(",")
    if parts.get("WKST"):
        made["week_start"] = parts["WKST"]
    return made | _ends(parts, made)


def _ends(parts: Mapping[str, str], rule: Json) -> Json:
    """`until` in UTC, or `count`."""
    if parts.get("COUNT"):
        if rule["frequency"] not in _UNIT or rule.get("by_day"):
            raise NoEqual("it recurs so many times, on some days")
        return {"count": int(parts["COUNT"])}
    if not parts.get("UNTIL"):
        return {}
    text = parts["UNTIL"]
    return {"until_utc": text if "T" in text else f"{text}T235959Z"}


def _local_end(rule: Json, zone: ZoneInfo) -> Json:
    """With `until` by the clocks of the zone, as its last start."""
    if "until_utc" not in rule:
        return rule
    try:
        until = datetime.fromisoformat(rule["until_utc"])
    except ValueError:
        raise NoEqual(f"it recurs until {rule['until_utc']}") from None
    local = hours.local(until, zone).replace(tzinfo=None) if until.tzinfo else until
    return {k: v for k, v in rule.items() if k != "until_utc"} | {"until": local.isoformat()}


def _turns(event: Json, user: FindUser) -> list[list[str]]:
    """Who has one occurrence after the other; nobody for whom the export does not have, who is told."""
    strategy = event.get("assignment_strategy") or {}
    members = [_member(m, user) for m in listed(strategy.get("members"))]
    if strategy.get("type") == EVERYBODY:
        return [[key for key in members if key]]
    if strategy.get("type") != ROTATING:
        raise NoEqual(f"there is no assignment strategy {strategy.get('type')}")
    each = max(int(strategy.get("shifts_per_member") or 1), 1)
    return [[key] if key else [] for key in members for _ in range(each)]


def _member(member: Json, user: FindUser) -> str | None:
    if member.get("type") not in (None, "user_member", "user_reference"):
        return None
    return user(str(member.get("user_id") or member.get("id") or (member.get("user") or {}).get("id")))


def _split(
    name: str, shift: Json, start: datetime, turns: Sequence[list[str]]
) -> Iterator[tuple[str, Json, list[list[str]]]]:
    """As it is, or for each weekday by itself, since turns are occurrences: of every five one is a Monday's."""
    shift = _bounded(shift, start)
    days = sorted({_day(day) for day in listed(shift.get("by_day"))}, key=lambda day: (day - start.weekday()) % 7)
    if shift["type"] == "single_event":
        yield name, shift | {"users": turns[0]}, [turns[0]]
        return
    if not days or (len(days) == 1 and shift["frequency"] == "weekly" and days[0] == start.weekday()):
        yield name, shift, list(turns)
        return
    if shift["frequency"] not in ("daily", "weekly") or int(shift.get("interval") or 1) > 1:
        raise NoEqual("it recurs every few weeks on several days, or by hours or months on some days")
    if shift["duration"] > DAY and len(days) > 1:
        raise NoEqual("it lasts longer than until its next day")
    count = len(turns) // gcd(len(days), len(turns))
    for place, day in enumerate(days):
        at = start + timedelta(days=(day - start.weekday()) % 7)
        members = [list(turns[(week * len(days) + place) % len(turns)]) for week in range(count)]
        one = shift | {"frequency": "weekly", "by_day": [_DAYS[day]], "start": at.isoformat()}
        one["rotation_start"] = max(shift["rotation_start"], at.isoformat())
        yield (f"{name}, {_DAYS[day].title()}" if len(days) > 1 else name), one, members


def _bounded(shift: Json, start: datetime) -> Json:
    """With `until`, the last start, in place of `count`."""
    if "count" not in shift:
        return shift
    steps = (shift["count"] - 1) * int(shift["interval"])
    last = (start + steps * _UNIT[shift["frequency"]]).isoformat()
    return {k: v for k, v in shift.items() if k != "count"} | {"until": last}


def _day(day: Any) -> int:
    if day not in _DAYS:
        raise NoEqual(f"it recurs on {day}")
    return _DAYS.index(day)


def _until(entry: Json, until: datetime | None) -> Json:
    if until is None:
        return entry
    return entry | {"ends_at": min(entry.get("ends_at", "9"), zulu(until))}

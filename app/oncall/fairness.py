"""How evenly a schedule loads its people: hours, nights, weekends, holidays and pages of each, and one number for all
of it. Pure.

The evenness of one kind of load is 1 less the Hoover index, scaled to the number of people: 1 when everybody has the
same, 0 when one person has all of it (Hoover, E. M.: The Measurement of Industrial Localization, 1936). It says which
part of the load would have to move to be even. The score weighs hours, nights, weekends and holidays; kinds that
nobody has do not count.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from app import hours
from app.oncall.intervals import Interval, joined, seconds, without
from app.oncall.shifts import Schedule, by_user, final

DAY = timedelta(days=1)
NIGHTS = hours.week(hours.parse_spans([{"days": list(hours.DAYS), "from": "22:00", "to": "06:00"}]))
WEEKENDS = hours.week(hours.parse_spans([{"from": "sat 00:00", "to": "sun 24:00"}]))
WEIGHTS = {"hours": 0.4, "nights": 0.2, "weekends": 0.2, "holidays": 0.2}


@dataclass(frozen=True, slots=True)
class Load:
    """What one user has of a period, in seconds; nights (22 to 06), weekends and holidays in the user's own zone."""

    user_id: int
    on_call_seconds: int
    night_seconds: int
    weekend_seconds: int
    holiday_seconds: int = 0
    pages: int = 0
    night_pages: int = 0
    """How often this user was paged while on call here, and how often of it at night."""


@dataclass(frozen=True, slots=True)
class Fairness:
    """The load of everybody who is named in a layer or has a shift, by user id. `parts`: the evenness of each kind of
    load, 0 to 1; None where nobody has any. `score`: their weighted mean, without pages, which no schedule decides;
    None without any load."""

    loads: tuple[Load, ...]
    parts: Mapping[str, float | None]
    score: float | None


def fairness(
    schedule: Schedule,
    t0: datetime,
    t1: datetime,
    zones: Mapping[int, ZoneInfo],
    days_off: Mapping[int, Collection[date]] | None = None,
    pages: Collection[tuple[int, datetime]] = (),
) -> Fairness:
    """Of `[t0, t1)`, overrides included. `zones`: of users; who has none is in the schedule's. `days_off`: the holidays
    that each observes. `pages`: who was paged when because of it; those outside the user's shifts are not its load."""
    own = by_user(final(schedule, t0, t1))
    users = sorted(own.keys() | members(schedule, t0, t1))
    off = days_off or {}
    paged: dict[int, list[datetime]] = {}
    for user, at in pages:
        paged.setdefault(user, []).append(at)
    loads = tuple(
        _load(user, own.get(user, []), zones.get(user, schedule.where), off.get(user, ()), paged.get(user, ()))
        for user in users
    )
    parts = {
        "hours": evenness([load.on_call_seconds for load in loads]),
        "nights": evenness([load.night_seconds for load in loads]),
        "weekends": evenness([load.weekend_seconds for load in loads]),
        "holidays": evenness([load.holiday_seconds for load in loads]),
        "pages": evenness([load.pages for load in loads]),
    }
    known = {name: part for name, part in parts.items() if part is not None and name in WEIGHTS}
    weight = sum(WEIGHTS[name] for name in known)
    score = sum(WEIGHTS[name] * part for name, part in known.items()) / weight if known else None
    return Fairness(loads, parts, score)


def members(schedule: Schedule, t0: datetime, t1: datetime) -> set[int]:
    """Whom a layer names that counts at some time of `[t0, t1)`; shadows are not responsible."""
    layers = [
        layer
        for layer in schedule.stack
        if (layer.starts_at is None or layer.starts_at < t1) and (layer.ends_at is None or layer.ends_at > t0)
    ]
    return {entry.user_id for layer in layers for turn in layer.turns for entry in turn}


def evenness(loads: Sequence[int]) -> float | None:
    """1 when all are the same, 0 when one has everything; None when there is nothing to share."""
    total, people = sum(loads), len(loads)
    if not total:
        return None
    if people == 1:
        return 1.0
    mean = total / people
    hoover = sum(abs(load - mean) for load in loads) / (2 * total)
    return 1 - hoover / (1 - 1 / people)


def _load(
    user: int, own: list[Interval], zone: ZoneInfo, days_off: Collection[date], paged: Collection[datetime]
) -> Load:
    night = sum(hours.open_seconds(NIGHTS, zone, a, b) for a, b in own)
    weekend = sum(hours.open_seconds(WEEKENDS, zone, a, b) for a, b in own)
    off = joined((hours.day_start(day, zone), hours.day_start(day + DAY, zone)) for day in days_off)
    holiday = seconds(own) - seconds(without(own, off))
    mine = [at for at in paged if any(a <= at < b for a, b in own)]
    at_night = sum(NIGHTS.is_open(hours.reached(hours.utc_second(at), zone)) for at in mine)
    return Load(user, seconds(own), night, weekend, holiday, len(mine), at_night)

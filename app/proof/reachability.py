"""How well people, schedules and teams can be reached: facts loaded, judged by `levels.py`."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from app.errors import NotFound
from app.oncall import store as oncall
from app.oncall.intervals import Interval
from app.oncall.shifts import Schedule, by_user, final, gaps
from app.proof import reach_store
from app.proof.levels import ORDER, Level, Method, Reachability, assess, counts, worst
from app.proof.reach_store import Known

AHEAD: Final = 14
"""Days of duty that count, unless asked otherwise."""


@dataclass(frozen=True, slots=True)
class Person:
    """A user with how well they can be reached and all their contact methods."""

    id: int
    key: str
    name: str
    reach: Reachability
    methods: tuple[Method, ...]

    @property
    def proven_at(self) -> datetime | None:
        """When any contact method that counts was proven last."""
        return max((m.proven_at for m in self.methods if m.counts and m.proven_at is not None), default=None)


@dataclass(frozen=True, slots=True)
class OnDuty:
    """Who is on duty in a time, the worst reached first. `level`: the worst of them, and not reachable where nobody is
    on duty; `gaps`: when nobody is, in each schedule by its name."""

    level: Level
    counts: Mapping[Level, int]
    people: tuple[Person, ...]
    gaps: Mapping[str, Sequence[Interval]]


async def people(
    conn: AsyncConnection,
    now: datetime,
    channels: Collection[str],
    *,
    team: str | None = None,
    levels: Collection[Level] = (),
    after: str = "",
    limit: int = 50,
) -> list[Person]:
    """Active users in the order of their keys. `team`: its members; `levels`: those at one of these, all if empty."""
    found: list[Person] = []
    while True:
        known = await reach_store.people(conn, now, channels, team=team, after=after, limit=max(limit, 200))
        found += [p for p in _judged(known, now) if not levels or p.reach.level in levels]
        if len(found) >= limit or len(known) < max(limit, 200):
            return found[:limit]
        after = known[-1].key


async def person(conn: AsyncConnection, now: datetime, channels: Collection[str], user_id: int) -> Person:
    """Raises `NotFound`."""
    if not (found := await of(conn, now, channels, [user_id])):
        raise NotFound("there is no such user")
    return found[0]


async def of(
    conn: AsyncConnection, now: datetime, channels: Collection[str], user_ids: Collection[int]
) -> list[Person]:
    """These users, the worst first."""
    known = await reach_store.people(conn, now, channels, user_ids) if user_ids else []
    return _worst_first(_judged(known, now))


def _judged(known: Iterable[Known], now: datetime) -> list[Person]:
    return [Person(k.id, k.key, k.name, assess(k.active, k.methods, now), k.methods) for k in known]


def _worst_first(found: Iterable[Person]) -> list[Person]:
    return sorted(found, key=lambda p: (ORDER.index(p.reach.level), p.key))


async def of_schedules(
    conn: AsyncConnection, now: datetime, channels: Collection[str], schedule_ids: Sequence[int], days: int = AHEAD
) -> dict[int, OnDuty]:
    """Of each schedule: whoever is on duty in the next days."""
    window = (now, now + timedelta(days=days))
    loaded = await oncall.schedules(conn, schedule_ids, window=window) if schedule_ids else {}
    duty = await asyncio.to_thread(_duty, list(loaded.values()), window)
    users = {user for named, _ in duty.values() for user in named}
    known = {p.id: p for p in await of(conn, now, channels, users)}
    return {
        i: on_duty([known[user] for user in named if user in known], {loaded[i].name: empty} if empty else {})
        for i, (named, empty) in duty.items()
    }


def _duty(schedules: Sequence[Schedule], window: Interval) -> dict[int, tuple[set[int], list[Interval]]]:
    return {s.id: (set(by_user(final(s, *window))), gaps(s, *window)) for s in schedules}


async def of_team(
    conn: AsyncConnection, now: datetime, channels: Collection[str], team: str, days: int = AHEAD
) -> OnDuty:
    """Whoever is on duty in the schedules of a team; of one without schedules: its members."""
    schedules = await reach_store.schedules_of_team(conn, team)
    if not schedules:
        return on_duty(_judged(await reach_store.people(conn, now, channels, team=team), now), {})
    each = await of_schedules(conn, now, channels, schedules, days)
    people = {p.id: p for found in each.values() for p in found.people}
    empty = {name: times for found in each.values() for name, times in found.gaps.items()}
    return on_duty(list(people.values()), empty)


def on_duty(people: Sequence[Person], empty: Mapping[str, Sequence[Interval]]) -> OnDuty:
    """The worst of people, and how many there are of each level."""
    levels = [p.reach.level for p in people]
    return OnDuty(worst(levels), counts(levels), tuple(_worst_first(people)), empty)

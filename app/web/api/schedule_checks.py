"""`/schedules/{schedule}/lint` and `/fairness`: what is doubtful about a schedule, and how evenly it loads people."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Annotated, Final

from fastapi import APIRouter, Query

from app import hours
from app.calendars import store as calendars
from app.notifications import woken_store
from app.oncall import commands, store
from app.oncall.fairness import Fairness, fairness
from app.oncall.intervals import seconds
from app.oncall.lint import Finding
from app.oncall.schedule_document import Like
from app.oncall.shifts import Schedule
from app.oncall.store import Member
from app.proof import linting
from app.web.api.on_call_answers import IntervalAnswer, Person, WindowWanted, person, this_era
from app.web.auth import permission
from app.web.dependencies import Transaction, Tx
from app.web.idempotency import Route
from app.web.models import Answer, Instant, Key

router = APIRouter(prefix="/schedules/{schedule}", tags=["schedules"], route_class=Route)

YEAR: Final = timedelta(days=365)
SHOWN: Final = 10


class ScheduleFinding(Answer):
    """One doubtful thing: a `warning`, or a `note` about what may well be meant, and what to do about it. It occurs
    `count` times, `seconds` in all; `intervals` are the first ten."""

    code: str
    level: str
    message: str
    advice: str
    users: list[Person]
    count: int
    seconds: int
    intervals: list[IntervalAnswer]


class LintAnswer(Answer):
    """What is doubtful about `[starts_at, ends_at)` of a schedule; warnings before notes."""

    schedule: str
    starts_at: datetime
    ends_at: datetime
    findings: list[ScheduleFinding]


class Load(Answer):
    """What one user has: nights are 22 to 06, weekends Saturday and Sunday, holidays those that the user observes, all
    in `time_zone`, the user's own. `pages`: how often this user was woken while on call here, once a step of an
    incident; drills do not count."""

    user: Person
    time_zone: str
    on_call_seconds: int
    night_seconds: int
    weekend_seconds: int
    holiday_seconds: int
    pages: int
    night_pages: int


class Evenness(Answer):
    """Of each kind of load from 0 (one person has all) to 1 (all have the same); null where nobody has any."""

    hours: float | None
    nights: float | None
    weekends: float | None
    holidays: float | None
    pages: float | None


class FairnessAnswer(Answer):
    """How evenly a schedule loads its people in `[starts_at, ends_at)`. `score` is the mean of `parts`, hours counting
    twice as much as each of nights, weekends and holidays, and pages not at all, since no schedule decides them; null
    when there is no load."""

    schedule: str
    starts_at: datetime
    ends_at: datetime
    score: float | None
    parts: Evenness
    people: list[Load]


@router.get("/lint", dependencies=[permission("schedules.read")])
async def lint_schedule(
    schedule: Key,
    tx: Tx,
    start: Annotated[Instant | None, Query(alias="from", description="Start; now if left out.")] = None,
    days: Annotated[int, Query(ge=1, le=400, description="How far to look.")] = YEAR.days,
) -> LintAnswer:
    """Looks at a year of a schedule: gaps, people who left or cannot be reached, more than 7 days in a row, less than
    11 hours of rest, handoffs at local times that do not exist or come twice."""
    t0 = this_era(start or tx.now, "from")
    window = (t0, t0 + timedelta(days=days))
    stored = await commands.read(tx.conn, schedule)
    loaded = (await store.schedules(tx.conn, [stored.id], window=window))[stored.id]
    findings = await findings_of(tx, loaded, window, stored.document.like, stored.document.team)
    return LintAnswer(schedule=schedule, starts_at=window[0], ends_at=window[1], findings=findings)


@router.get("/fairness", dependencies=[permission("schedules.read")])
async def measure_fairness(schedule: Key, tx: Tx, window: WindowWanted) -> FairnessAnswer:
    """Hours, nights, weekends, holidays and pages of everybody in a schedule (28 days from now if left out), and how
    even they are."""
    stored = await commands.read(tx.conn, schedule)
    loaded = (await store.schedules(tx.conn, [stored.id], window=(window.t0, window.t1)))[stored.id]
    members = await store.members(tx.conn, linting.named(loaded))
    zones = {member.id: member.time_zone or loaded.zone for member in members.values()}
    where = {user: hours.zone(name) for user, name in zones.items()}
    day = timedelta(days=1)
    off = await calendars.days_off(tx.conn, zones, (window.t0 - day).date(), (window.t1 + day).date())
    paged = await woken_store.pages(tx.conn, stored.id, members, window.t0, window.t1)
    found = await asyncio.to_thread(fairness, loaded, window.t0, window.t1, where, off, paged)
    return FairnessAnswer(
        schedule=schedule,
        starts_at=window.t0,
        ends_at=window.t1,
        score=_rounded(found.score),
        parts=Evenness(**{name: _rounded(part) for name, part in found.parts.items()}),
        people=_loads(found, members, zones, loaded.zone),
    )


def _loads(found: Fairness, members: dict[int, Member], zones: dict[int, str], zone: str) -> list[Load]:
    names = {member.id: (member.key, member.name) for member in members.values()}
    return [
        Load(
            user=person(load.user_id, names),
            time_zone=zones.get(load.user_id, zone),
            on_call_seconds=load.on_call_seconds,
            night_seconds=load.night_seconds,
            weekend_seconds=load.weekend_seconds,
            holiday_seconds=load.holiday_seconds,
            pages=load.pages,
            night_pages=load.night_pages,
        )
        for load in found.loads
    ]


def _rounded(part: float | None) -> float | None:
    return None if part is None else round(part, 3)


async def findings_of(
    tx: Transaction, schedule: Schedule, window: tuple[datetime, datetime], like: Like | None, team: str | None
) -> list[ScheduleFinding]:
    """Warnings before notes; `schedule` is complete for the window, and is `like` another one. `team`: the
    key of its owner."""
    team_id = await store.find_team(tx.conn, team) if team else None
    found, members = await linting.findings(tx.conn, tx.now, schedule, window, tx.channels, team_id=team_id, like=like)
    keys = {member.id: (member.key, member.name) for member in members.values()}
    return [_finding(finding, keys) for finding in found]


def _finding(finding: Finding, names: dict[int, tuple[str, str]]) -> ScheduleFinding:
    return ScheduleFinding(
        code=finding.code,
        level=finding.level,
        message=finding.message,
        advice=finding.advice,
        users=[person(user, names) for user in finding.user_ids],
        count=max(len(finding.intervals), 1),
        seconds=seconds(finding.intervals),
        intervals=[IntervalAnswer.of(interval) for interval in finding.intervals[:SHOWN]],
    )

"""`/reachability`: how well people can be reached, and whoever is on duty in a schedule or for a team."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query

from app.directory import people as directory
from app.directory import teams
from app.oncall import commands as oncall
from app.proof import reachability
from app.proof.levels import Level, Method
from app.proof.reachability import OnDuty
from app.web.api import on_call_answers
from app.web.api.on_call_answers import IntervalAnswer
from app.web.auth import permission
from app.web.dependencies import Transaction, Tx
from app.web.idempotency import Route
from app.web.models import Answer, Key
from app.web.pages import Listed, Page

router = APIRouter(tags=["reachability"], route_class=Route)

READS = permission("reachability.read")
Days = Annotated[int, Query(ge=1, le=90, description="Whose duty of the next days counts.")]
GAPS = 10


class MethodReach(Answer):
    """A contact method without its address. `counts`: verified, not broken, on a configured channel. `proven_at`: when
    it was verified, a message delivered or answered last; `failed_at`: of a message that did not arrive, in the last 90
    days. `doubtful`: it failed, and nothing has proven it since."""

    id: int
    channel: str
    label: str
    counts: bool
    doubtful: bool
    proven_at: datetime | None
    failed_at: datetime | None


class PersonReach(Answer):
    """`ready`: two independent contact methods that work, one of which wakes (SMS, call, push) and one can be
    answered; `partly`: at least one; `not_reachable`: none. `reasons` and `todo`: why it is no better, and what to
    do."""

    user: on_call_answers.Person
    level: Level
    reasons: list[str]
    todo: list[str]
    proven_at: datetime | None
    methods: list[MethodReach]


class LevelCounts(Answer):
    ready: int
    partly: int
    not_reachable: int


class EmptyTimes(Answer):
    """When nobody is on duty: the first ten times."""

    schedule: str
    gaps: list[IntervalAnswer]


class DutyReach(Answer):
    """Whoever is on duty in the next `days`, the worst reached first. `level` is the worst of theirs."""

    days: int
    level: Level
    counts: LevelCounts
    people: list[PersonReach]
    empty: list[EmptyTimes]


def _method(method: Method, now: datetime) -> MethodReach:
    return MethodReach(
        id=method.id,
        channel=method.channel,
        label=method.label,
        counts=method.counts,
        doubtful=method.counts and method.doubtful(now),
        proven_at=method.proven_at,
        failed_at=method.failed_at,
    )


def _person(person: reachability.Person, now: datetime) -> PersonReach:
    return PersonReach(
        user=on_call_answers.Person(key=person.key, name=person.name),
        level=person.reach.level,
        reasons=list(person.reach.reasons),
        todo=list(person.reach.todo),
        proven_at=person.proven_at,
        methods=[_method(m, now) for m in person.methods],
    )


def _duty(found: OnDuty, tx: Transaction, days: int) -> DutyReach:
    return DutyReach(
        days=days,
        level=found.level,
        counts=LevelCounts.model_validate(found.counts),
        people=[_person(p, tx.now) for p in found.people],
        empty=[
            EmptyTimes(schedule=name, gaps=[IntervalAnswer.of(gap) for gap in gaps[:GAPS]])
            for name, gaps in found.gaps.items()
        ],
    )


@router.get("/reachability", dependencies=[READS])
async def list_reachability(
    tx: Tx,
    page: Page,
    team: Annotated[Key | None, Query(description="Members of this team only.")] = None,
    level: Annotated[list[Level] | None, Query(description="At one of these levels.")] = None,
) -> Listed[PersonReach]:
    """Active users in the order of their keys, and how well each can be reached."""
    if team is not None:
        await teams.read_team(tx.conn, team)
    found = await reachability.people(
        tx.conn, tx.now, tx.channels, team=team, levels=level or (), after=page.after_text, limit=page.fetch
    )
    return page.of([_person(p, tx.now) for p in found], lambda person: person.user.key)


@router.get("/users/{user}/reachability", dependencies=[READS])
async def read_reachability(user: Key, tx: Tx) -> PersonReach:
    """One person."""
    found = await directory.read_user(tx.conn, user)
    return _person(await reachability.person(tx.conn, tx.now, tx.channels, found.id), tx.now)


@router.get("/schedules/{schedule}/reachability", dependencies=[READS])
async def read_schedule_reachability(schedule: Key, tx: Tx, days: Days = reachability.AHEAD) -> DutyReach:
    """Whoever is on duty in a schedule."""
    stored = await oncall.read(tx.conn, schedule)
    found = await reachability.of_schedules(tx.conn, tx.now, tx.channels, [stored.id], days)
    return _duty(found[stored.id], tx, days)


@router.get("/teams/{team}/reachability", dependencies=[READS])
async def read_team_reachability(team: Key, tx: Tx, days: Days = reachability.AHEAD) -> DutyReach:
    """Whoever is on duty in the schedules of a team; all members of a team without schedules."""
    await teams.read_team(tx.conn, team)
    return _duty(await reachability.of_team(tx.conn, tx.now, tx.channels, team, days), tx, days)

"""Who is on call: shifts of a schedule, the answer at an instant, everybody now, my own shifts."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Query

from app.errors import NotFound
from app.oncall import commands, handoff_store, handoffs, resting, shifts, store, version_store
from app.oncall.given import unknown
from app.oncall.handoffs import Handoff
from app.oncall.layers import OnCall
from app.oncall.resting import Rested
from app.oncall.shifts import Schedule
from app.oncall.store import StoredSchedule
from app.web.api.handshakes import HandshakeAnswer, handshake_answers
from app.web.api.on_call_answers import (
    IntervalAnswer,
    Names,
    Person,
    ShiftAnswer,
    WindowWanted,
    person,
    shift_answers,
    this_era,
)
from app.web.auth import Caller, needs, permission
from app.web.dependencies import Tx
from app.web.models import Answer, Instant, Key
from app.web.pages import Listed, Page

router = APIRouter(tags=["on call"])


class UnknownAnswer(IntervalAnswer):
    """`said` means nobody."""

    layer: str
    said: str


class Shifts(Answer):
    """The shifts of `[starts_at, ends_at)`, cut to it, and the gaps in which nobody is on call. `unknown`: when the
    calendar of a layer names somebody whom nobody knows, so that lower layers show through."""

    schedule: str
    starts_at: datetime
    ends_at: datetime
    shifts: list[ShiftAnswer]
    gaps: list[IntervalAnswer]
    unknown: list[UnknownAnswer]


class OnCallPerson(Person):
    """Somebody on call, and why: the layer, override or swap."""

    because: str


class OnCallAnswer(Answer):
    """Who is on call at `at` and why (nobody: a gap), by which version of the schedule, until when (null: no handoff
    within 128 days), and who is next. `shadows` look on and are not paged. `handshakes`: handoffs that nobody has
    confirmed yet; null for another instant than now. `turn_order` explains whose turn it is, where turns go to
    whoever is longest rested: `Cho: last on call 21 days ago; Ben 14, Ana 7`, as it was when the turn began."""

    schedule: str
    name: str
    at: datetime
    version: int
    users: list[OnCallPerson]
    shadows: list[Person]
    until: datetime | None
    next: list[Person]
    turn_order: str | None = None
    handshakes: list[HandshakeAnswer] | None = None


@router.get("/schedules/{key}/shifts", dependencies=[permission("on_call.read")])
async def list_shifts(key: Key, tx: Tx, window: WindowWanted) -> Shifts:
    """The final shifts of a schedule, overrides included, over at most 400 days."""
    stored = await commands.read(tx.conn, key)
    schedule = (await store.schedules(tx.conn, [stored.id], window=(window.t0, window.t1)))[stored.id]
    coming = await asyncio.to_thread(shifts.final, schedule, window.t0, window.t1)
    gaps = await asyncio.to_thread(shifts.gaps, schedule, window.t0, window.t1)
    names = await store.names(tx.conn, {shift.user_id for shift in coming})
    return Shifts(
        schedule=key,
        starts_at=window.t0,
        ends_at=window.t1,
        shifts=shift_answers(coming, names, key),
        gaps=[IntervalAnswer.of(gap) for gap in gaps],
        unknown=[UnknownAnswer.model_validate(one) for one in unknown(schedule.layers, window.t0, window.t1)],
    )


@router.get("/schedules/{key}/on-call", dependencies=[permission("on_call.read")])
async def who_is_on_call(
    key: Key, tx: Tx, at: Annotated[Instant | None, Query(description="Now if left out.")] = None
) -> OnCallAnswer:
    """Who is on call in a schedule at an instant."""
    stored = await commands.read(tx.conn, key)
    [answer] = await _on_call(tx, [stored], this_era(at or tx.now, "at"))
    return answer


@router.get("/on-call", dependencies=[permission("on_call.read")])
async def everybody_on_call(tx: Tx, page: Page) -> Listed[OnCallAnswer]:
    """Who is on call now in every schedule, in the order of their keys."""
    found = await store.documents(tx.conn, after=page.after_text, limit=page.fetch)
    return page.of(await _on_call(tx, found, tx.now), lambda answer: answer.schedule)


@router.get("/users/me/shifts")
async def my_shifts(
    tx: Tx,
    caller: Annotated[Caller, needs("me.read")],
    days: Annotated[int, Query(ge=1, le=400, description="How far to look ahead.")] = 60,
) -> list[ShiftAnswer]:
    """The next shifts of whoever asks, in all schedules, by their start."""
    if caller.user_id is None:
        raise NotFound("this API key acts for no person", code="no_person")
    t0, t1 = tx.now, tx.now + timedelta(days=days)
    ids = await store.schedules_of_user(tx.conn, caller.user_id, window=(t0, t1))
    loaded = await store.schedules(tx.conn, list(ids), window=(t0, t1))
    names = await store.names(tx.conn, [caller.user_id])
    found: list[ShiftAnswer] = []
    for schedule in loaded.values():
        coming = await asyncio.to_thread(shifts.final, schedule, t0, t1)
        mine = [shift for shift in coming if shift.user_id == caller.user_id]
        found += shift_answers(mine, names, ids[schedule.id])
    return sorted(found, key=lambda shift: (shift.starts_at, shift.schedule))


async def _on_call(tx: Tx, found: list[StoredSchedule], at: datetime) -> list[OnCallAnswer]:
    window = (at, at + handoffs.LOOK_AHEAD)
    loaded = await store.schedules(tx.conn, [s.id for s in found], window=window)
    answers = await asyncio.to_thread(_compute, loaded, at)
    names = await store.names(tx.conn, {user for answer in answers.values() for user in answer.user_ids})
    numbers = await version_store.numbers(tx.conn, list(answers), at)
    answered = [_answer(stored, at, answers[stored.id], names, numbers[stored.id]) for stored in found]
    return await _with_handshakes(tx, answered, list(answers)) if at == tx.now else answered


async def _with_handshakes(tx: Tx, answered: list[OnCallAnswer], schedule_ids: list[int]) -> list[OnCallAnswer]:
    unconfirmed = await handshake_answers(tx, await handoff_store.open_ones(tx.conn, schedule_ids))
    own: dict[str, list[HandshakeAnswer]] = {}
    for handshake in unconfirmed:
        own.setdefault(handshake.schedule, []).append(handshake)
    return [answer.model_copy(update={"handshakes": own.get(answer.schedule, [])}) for answer in answered]


@dataclass(frozen=True, slots=True)
class _Computed:
    entries: tuple[OnCall, ...]
    shadows: tuple[int, ...]
    handoff: Handoff | None
    rested: tuple[datetime, list[Rested]] | None

    @property
    def user_ids(self) -> set[int]:
        resting = {user for one in self.rested[1] for user in one.user_ids} if self.rested else set()
        following = self.handoff.user_ids if self.handoff else ()
        return {e.user_id for e in self.entries} | resting | {*self.shadows, *following}


def _compute(loaded: dict[int, Schedule], at: datetime) -> dict[int, _Computed]:
    return {schedule_id: _of_schedule(schedule, at) for schedule_id, schedule in loaded.items()}


def _of_schedule(schedule: Schedule, at: datetime) -> _Computed:
    entries = shifts.who(schedule, at)
    responsible = {entry.user_id for entry in entries}
    shadows = (entry.user_id for entry in shifts.who(shifts.shadowed(schedule), at))
    looking_on = tuple(user for user in shadows if user not in responsible)
    deciding = [layer for layer in schedule.stack if layer.id in {entry.layer_id for entry in entries}]
    rested = [why for layer in deciding if (why := resting.explained(layer, schedule.where, at)) is not None]
    return _Computed(entries, looking_on, handoffs.next_handoff(schedule, at), rested[0] if rested else None)


def _answer(stored: StoredSchedule, at: datetime, found: _Computed, names: Names, number: int) -> OnCallAnswer:
    return OnCallAnswer(
        schedule=stored.document.key,
        name=stored.document.name,
        at=at,
        version=number,
        users=[
            OnCallPerson(**person(entry.user_id, names).model_dump(), because=entry.because) for entry in found.entries
        ],
        shadows=[person(user_id, names) for user_id in found.shadows],
        until=found.handoff.at if found.handoff else None,
        next=[person(user_id, names) for user_id in found.handoff.user_ids] if found.handoff else [],
        turn_order=resting.said(*found.rested, {user: name for user, (_, name) in names.items()})
        if found.rested
        else None,
    )

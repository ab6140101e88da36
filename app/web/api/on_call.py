"""Who is on call: shifts of a schedule, the answer at an instant, everybody now, my own shifts."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Query

from app.errors import NotFound
from app.oncall import commands, handoffs, shifts, store
from app.oncall.handoffs import Handoff
from app.oncall.layers import OnCall
from app.oncall.shifts import Schedule
from app.oncall.store import StoredSchedule
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


class Shifts(Answer):
    """The shifts of `[starts_at, ends_at)`, cut to it, and the gaps in which nobody is on call."""

    schedule: str
    starts_at: datetime
    ends_at: datetime
    shifts: list[ShiftAnswer]
    gaps: list[IntervalAnswer]


class OnCallAnswer(Answer):
    """Who is on call at `at` (nobody: a gap), until when (null: no handoff within 128 days), and who is next."""

    schedule: str
    name: str
    at: datetime
    users: list[Person]
    until: datetime | None
    next: list[Person]


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
    concerned = {entry.user_id for entries, _ in answers.values() for entry in entries}
    concerned |= {user for _, handoff in answers.values() if handoff for user in handoff.user_ids}
    names = await store.names(tx.conn, concerned)
    return [_answer(stored, at, *answers[stored.id], names) for stored in found]


def _compute(loaded: dict[int, Schedule], at: datetime) -> dict[int, tuple[tuple[OnCall, ...], Handoff | None]]:
    return {i: (shifts.who(schedule, at), handoffs.next_handoff(schedule, at)) for i, schedule in loaded.items()}


def _answer(
    stored: StoredSchedule, at: datetime, entries: tuple[OnCall, ...], handoff: Handoff | None, names: Names
) -> OnCallAnswer:
    return OnCallAnswer(
        schedule=stored.document.key,
        name=stored.document.name,
        at=at,
        users=[person(entry.user_id, names) for entry in entries],
        until=handoff.at if handoff else None,
        next=[person(user_id, names) for user_id in handoff.user_ids] if handoff else [],
    )

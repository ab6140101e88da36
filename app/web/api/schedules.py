"""`/schedules`: create, edit, preview a draft."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Query, Response

from app.escalation import policies
from app.oncall import commands, shifts, store
from app.oncall.intervals import Interval
from app.oncall.schedule_document import ScheduleDocument, ScheduleEdit
from app.oncall.shifts import Change, Schedule, Shift
from app.oncall.store import StoredSchedule
from app.web.api.on_call_answers import (
    HoursChanged,
    IntervalAnswer,
    ShiftAnswer,
    change_answers,
    shift_answers,
)
from app.web.api.schedule_checks import YEAR, ScheduleFinding, findings_of
from app.web.auth import Caller, needs, permission
from app.web.dependencies import Transaction, Tx
from app.web.idempotency import Route, idempotent
from app.web.models import Answer, Instant, Key
from app.web.pages import Listed, Page
from app.web.versions import IfMatch, set_etag

router = APIRouter(prefix="/schedules", tags=["schedules"], route_class=Route)

EffectiveFrom = Annotated[
    Instant | None, Query(description="When it takes effect, at most 400 days from now; now if left out.")
]


class ScheduleAnswer(ScheduleDocument):
    """A schedule as it was last written; `version` is its ETag. Its newest version, `number`, is in force from
    `effective_from` on (null: since ever): a planned one has it in the future."""

    number: int
    effective_from: datetime | None
    version: int
    created_at: datetime
    updated_at: datetime


class SavedSchedule(ScheduleAnswer):
    """A schedule that was saved, and what is doubtful about the year from when it takes effect."""

    findings: list[ScheduleFinding]


class Preview(Answer):
    """What saving a draft would change in `[from, to)`: who gains and loses which hours, the shifts of the draft, and
    its gaps. `findings`: what is doubtful about the year from when it takes effect."""

    starts_at: datetime
    ends_at: datetime
    changes: list[HoursChanged]
    shifts: list[ShiftAnswer]
    gaps: list[IntervalAnswer]
    findings: list[ScheduleFinding]


def schedule_answer(stored: StoredSchedule) -> ScheduleAnswer:
    return ScheduleAnswer(
        **stored.document.model_dump(),
        number=stored.number,
        effective_from=stored.effective_from,
        version=stored.version,
        created_at=stored.created_at,
        updated_at=stored.updated_at,
    )


async def require_team(tx: Transaction, caller: Caller, *keys: str | None) -> None:
    caller.require_team(*[await store.find_team(tx.conn, key) if key else None for key in keys])


@router.get("", dependencies=[permission("schedules.read")])
async def list_schedules(tx: Tx, page: Page) -> Listed[ScheduleAnswer]:
    """Schedules in the order of their keys."""
    found = await store.documents(tx.conn, after=page.after_text, limit=page.fetch)
    return page.of([schedule_answer(stored) for stored in found], lambda schedule: schedule.key)


@router.post("", status_code=201, dependencies=[idempotent])
async def create_schedule(
    body: ScheduleDocument, response: Response, tx: Tx, caller: Annotated[Caller, needs("schedules.edit")]
) -> SavedSchedule:
    """Makes a schedule with all its layers. Later layers win over earlier ones wherever they have somebody."""
    await require_team(tx, caller, body.team)
    stored = await commands.create(tx.conn, tx.now, body, actor=caller.actor)
    response.headers["Location"] = f"/api/v1/schedules/{body.key}"
    set_etag(response, stored.version)
    return await _saved(tx, stored)


async def _saved(tx: Transaction, stored: StoredSchedule) -> SavedSchedule:
    at = max(stored.effective_from or tx.now, tx.now)
    window = (at, at + YEAR)
    schedule = (await store.schedules(tx.conn, [stored.id], window=window))[stored.id]
    findings = await findings_of(tx, schedule, window, stored.document.like, stored.document.team)
    return SavedSchedule(**schedule_answer(stored).model_dump(), findings=findings)


@router.post("/preview", dependencies=[permission("schedules.read")])
async def preview_schedule(
    body: ScheduleDocument,
    tx: Tx,
    days: Annotated[int, Query(ge=1, le=400)] = 28,
    effective_from: EffectiveFrom = None,
) -> Preview:
    """Compares a draft with the stored schedule of its key (or with none) over the next days. Stores nothing."""
    _, users = await commands.resolve(tx.conn, body, key=body.key)
    t0, t1 = tx.now, tx.now + timedelta(days=days)
    at = commands.effective(tx.now, effective_from)
    loaded = (t0, max(t1, at + YEAR))
    before, after = await store.compared(tx.conn, body, users, window=loaded, effective_from=at)
    changes, coming, gaps = await asyncio.to_thread(_compare, before, after, t0, t1)
    concerned = {change.user_id for change in changes} | {shift.user_id for shift in coming}
    names = await store.names(tx.conn, concerned)
    return Preview(
        starts_at=t0,
        ends_at=t1,
        changes=change_answers(changes, names),
        shifts=shift_answers(coming, names, body.key),
        gaps=[IntervalAnswer.of(gap) for gap in gaps],
        findings=await findings_of(tx, after, (at, at + YEAR), body.like, body.team),
    )


def _compare(
    before: Schedule, after: Schedule, t0: datetime, t1: datetime
) -> tuple[list[Change], list[Shift], list[Interval]]:
    return shifts.difference(before, after, t0, t1), shifts.final(after, t0, t1), shifts.gaps(after, t0, t1)


@router.get("/{key}", dependencies=[permission("schedules.read")])
async def read_schedule(key: Key, response: Response, tx: Tx) -> ScheduleAnswer:
    """One schedule with its layers."""
    stored = await commands.read(tx.conn, key)
    set_etag(response, stored.version)
    return schedule_answer(stored)


@router.put("/{key}")
async def edit_schedule(
    key: Key,
    body: ScheduleEdit,
    response: Response,
    tx: Tx,
    expected: IfMatch,
    caller: Annotated[Caller, needs("schedules.edit")],
    effective_from: EffectiveFrom = None,
) -> SavedSchedule:
    """Puts a whole schedule in place, from an instant on; its overrides stay, and so does what was so before. Ask
    `POST /schedules/preview` what that changes. 409 `planned` when a version is planned for later."""
    before = await commands.read(tx.conn, key)
    await require_team(tx, caller, before.document.team, body.team)
    stored = await commands.edit(
        tx.conn, tx.now, key, body, actor=caller.actor, version=expected, effective_from=effective_from
    )
    set_etag(response, stored.version)
    return await _saved(tx, stored)


@router.delete("/{key}", status_code=204)
async def delete_schedule(
    key: Key, tx: Tx, expected: IfMatch, caller: Annotated[Caller, needs("schedules.edit")]
) -> None:
    """Removes a schedule, its overrides, swaps and history; 409 `in_use` lists in `used_by` the policies that name it
    and the schedules that are like it."""
    before = await commands.read(tx.conn, key)
    await require_team(tx, caller, before.document.team)
    await policies.refuse_if_target(tx.conn, "schedule", key)
    await commands.delete(tx.conn, tx.now, key, actor=caller.actor, version=expected)

"""All schedules: who is on call now, until when, who is next, and the gaps ahead."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Annotated, Final

from fastapi import APIRouter, Response

from app.oncall import shifts, store
from app.oncall.intervals import Interval
from app.oncall.shifts import Schedule
from app.web.api.on_call import everybody_on_call
from app.web.pages import Page
from app.web.screens.reader import Reader, reads

router = APIRouter(prefix="/schedules", include_in_schema=False)

AHEAD: Final = timedelta(days=28)


@router.get("")
async def show_schedules(reader: Annotated[Reader, reads("on_call.read")], page: Page) -> Response:
    """In the order of their keys."""
    tx = reader.tx
    listed = await everybody_on_call(tx, page)
    ids = {s.document.key: s.id for s in await store.documents(tx.conn, [s.schedule for s in listed.items])}
    loaded = await store.schedules(tx.conn, list(ids.values()), window=(tx.now, tx.now + AHEAD))
    gaps = await asyncio.to_thread(_gaps, loaded, tx.now)
    return reader.shows(
        "schedules",
        schedules=[(answer, gaps[ids[answer.schedule]]) for answer in listed.items],
        following=listed.next,
        days=AHEAD.days,
        may_create=reader.caller.may("schedules.edit"),
    )


def _gaps(loaded: dict[int, Schedule], now: datetime) -> dict[int, list[Interval]]:
    return {schedule_id: shifts.gaps(schedule, now, now + AHEAD) for schedule_id, schedule in loaded.items()}

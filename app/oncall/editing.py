"""Whoever edits a schedule changes the hours of others: here it is noted who must be told, and what they knew before.

Several edits within minutes are told at once, by what has come of them; one that was taken back meanwhile is told to
nobody. Whoever edits knows their own hours.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from app.oncall import edit_store, store, voiding
from app.oncall.edits import AHEAD
from app.oncall.intervals import Interval, joined, without
from app.oncall.shifts import Schedule, by_user, final

Hours = dict[int, list[Interval]]


@asynccontextmanager
async def noted(conn: AsyncConnection, now: datetime, schedule_id: int, actor: str) -> AsyncIterator[None]:
    """Around what edits a schedule, which is locked."""
    concerned = await edit_store.concerned(conn, now, schedule_id)
    before = await hours_of(conn, now, concerned)
    yield
    after = await hours_of(conn, now, concerned)
    editor, name = await edit_store.editor(conn, actor)
    for each in concerned:
        for user in sorted(before[each].keys() | after[each].keys()):
            if before[each].get(user) == after[each].get(user):
                continue
            if user == editor:
                await edit_store.forget(conn, each, user)
            else:
                await edit_store.note(conn, now, each, user, before[each].get(user, ()), name)
    await voiding.void_lost(conn, now, concerned, actor)


@asynccontextmanager
async def agreed(conn: AsyncConnection, now: datetime, schedule_id: int) -> AsyncIterator[None]:
    """Around what people agreed on themselves: a swap. They know those hours, so who has not been told of an earlier
    edit yet is told of that alone. The schedule is locked."""
    unsettled = await edit_store.unsettled(conn, await edit_store.concerned(conn, now, schedule_id))
    schedules = sorted({u.schedule_id for u in unsettled})
    until = max((u.until for u in unsettled), default=now)
    before = await hours_of(conn, now, schedules, until) if schedules else {}
    yield
    after = await hours_of(conn, now, schedules, until) if schedules else {}
    for each in unsettled:
        old, new = (found[each.schedule_id].get(each.user_id, []) for found in (before, after))
        if old != new:
            known = without(joined([*each.before, *without(new, old)]), without(old, new))
            await edit_store.knows(conn, each, known)


async def hours_of(
    conn: AsyncConnection, now: datetime, schedule_ids: list[int], until: datetime | None = None
) -> dict[int, Hours]:
    """By schedule and user the time on call from now on, without those who stay for a handshake: nobody edited that."""
    t1 = until or now + AHEAD
    loaded = await store.schedules(conn, schedule_ids, window=(now, t1))
    return await asyncio.to_thread(_hours, loaded, now, t1)


def _hours(loaded: dict[int, Schedule], t0: datetime, t1: datetime) -> dict[int, Hours]:
    found = {}
    for schedule_id, schedule in loaded.items():
        meant = tuple(o for o in schedule.overrides if o.handshake_id is None)
        found[schedule_id] = by_user(final(replace(schedule, overrides=meant), t0, t1))
    return found

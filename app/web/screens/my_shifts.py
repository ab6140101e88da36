"""My shifts: what comes in all schedules, whom I relieve and who relieves me, and the swaps that concern me."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Final

from fastapi import APIRouter, Query, Response

from app import hours
from app.oncall import override_store, store
from app.oncall.intervals import joined, seconds
from app.oncall.override_store import StoredOverride
from app.oncall.rows import REACH, OwnShift, own_shifts
from app.oncall.shifts import Schedule, Shift
from app.oncall.swap_store import StoredSwap
from app.web.api.on_call_answers import Names, person
from app.web.screens.account import me
from app.web.screens.reader import Reader, reads
from app.web.screens.rendering import hours_of
from app.web.screens.schedule_drawing import Line, colour, override_words
from app.web.screens.swaps import OfferedSwap, concerning_me
from app.web.screens.taking import TOLD, choices, just_made, near

router = APIRouter(prefix="/shifts", include_in_schema=False)

FAR: Final = (30, 90)


@dataclass(frozen=True, slots=True)
class MyShift:
    """A line, of which schedule, and who comes before and after. `followed`: by
    somebody."""

    key: str
    title: str
    line: Line
    day: str
    length: str
    relieves: list[str]
    relieved_by: list[str]
    followed: bool


@dataclass(frozen=True, slots=True)
class Handoff:
    """When a shift of mine begins or ends."""

    at: datetime
    shift: MyShift
    begins: bool


@router.get("")
async def show_my_shifts(
    reader: Annotated[Reader, reads("me.read")],
    days: Annotated[int, Query(ge=1, le=400)] = FAR[0],
    told: Annotated[str, Query(max_length=30)] = "",
    override: Annotated[int, Query(ge=0, lt=2**63)] = 0,
    schedule: Annotated[str, Query(max_length=64)] = "",
) -> Response:
    """`told`, `override`, `schedule`: what was just done."""
    me(reader)
    swaps = await concerning_me(reader)
    mine = await _mine(reader, timedelta(days=days), swaps)
    known = await choices(reader)
    wanted = {m.key for m in mine} | {s.swap.schedule for s in swaps} | {schedule}
    stored = {s.document.key: s.document for s in await store.documents(reader.tx.conn, list(wanted))}
    return reader.shows(
        "my_shifts",
        shifts=mine,
        handoff=_next_handoff(mine, reader.tx.now),
        total=_seconds(mine, reader.tx.now, reader.tx.now + timedelta(days=days)),
        swaps=swaps,
        titles={key: document.name for key, document in stored.items()},
        days=days,
        far=FAR,
        names=known.names,
        people={key: near(document, (), known) for key, document in stored.items()},
        may=reader.caller.may("overrides.edit"),
        told=TOLD.get(told, ""),
        made=await just_made(reader, schedule, override) if told == "overridden" else None,
    )


def _next_handoff(mine: list[MyShift], now: datetime) -> Handoff | None:
    found = [Handoff(m.line.starts_at, m, True) for m in mine if m.line.starts_at and m.line.starts_at > now]
    found += [Handoff(m.line.ends_at, m, False) for m in mine if m.line.ends_at and m.line.state == "running"]
    return min(found, key=lambda handoff: handoff.at, default=None)


def _seconds(mine: list[MyShift], t0: datetime, t1: datetime) -> int:
    """On call in any schedule, once."""
    spans = ((max(m.line.starts_at or t0, t0), min(m.line.ends_at or t1, t1)) for m in mine)
    return seconds(joined(spans))


async def _mine(reader: Reader, ahead: timedelta, swaps: list[OfferedSwap]) -> list[MyShift]:
    user_id, _ = me(reader)
    tx, t1 = reader.tx, reader.tx.now + ahead
    window = (tx.now - REACH, t1 + REACH)
    keys = await store.schedules_of_user(tx.conn, user_id, window=window)
    loaded = await store.schedules(tx.conn, list(keys), window=window)
    found = await asyncio.to_thread(_own, loaded, user_id, tx.now, t1)
    replaced = {o.replaces_user_id for schedule in loaded.values() for o in schedule.overrides if o.replaces_user_id}
    others = {u for own in found for u in (*own.relieves, *own.relieved_by)}
    names = await store.names(tx.conn, {user_id} | replaced | others)
    overrides: dict[int, StoredOverride] = {}
    for schedule_id in {own.schedule_id for own in found if own.shift.override_id}:
        overrides |= {o.id: o for o in await override_store.overrides(tx.conn, keys[schedule_id], window)}
    titles = {schedule_id: (keys[schedule_id], schedule.name) for schedule_id, schedule in loaded.items()}
    shown = [_shift(reader, own, titles[own.schedule_id], names, overrides, swaps) for own in found]
    return sorted(shown, key=lambda m: (m.line.starts_at or tx.now, m.key))


def _own(loaded: dict[int, Schedule], user_id: int, t0: datetime, t1: datetime) -> list[OwnShift]:
    return [own for schedule in loaded.values() for own in own_shifts(schedule, user_id, t0, t1)]


def _shift(
    reader: Reader,
    own: OwnShift,
    schedule: tuple[str, str],
    names: Names,
    overrides: Mapping[int, StoredOverride],
    swaps: Sequence[OfferedSwap],
) -> MyShift:
    """`schedule`: key and name."""
    key, shift, now = schedule[0], own.shift, reader.tx.now
    override = overrides.get(shift.override_id or 0)
    keys = dict(names.values())
    line = Line(
        f"shift-{shift.starts_at.isoformat()}",
        person(shift.user_id, names),
        colour(shift.user_id),
        own.starts_at,
        own.ends_at,
        shift.because if override is None else override_words(override, keys),
        "running" if shift.starts_at <= now else "coming",
        True,
        _asked(key, shift, reader.caller.user_key, swaps),
        override,
    )
    return MyShift(
        *schedule,
        line,
        f"{hours.local(max(shift.starts_at, now), reader.zone):%Y-%m-%d}",
        hours_of((own.ends_at - own.starts_at).total_seconds()) if own.starts_at and own.ends_at else "",
        [person(user, names).name for user in own.relieves],
        [person(user, names).name for user in own.relieved_by],
        own.followed,
    )


def _asked(key: str, shift: Shift, user_key: str | None, swaps: Sequence[OfferedSwap]) -> StoredSwap | None:
    """The open swap in which this shift, or a part of it, is offered."""
    mine = (s.swap for s in swaps if s.swap.schedule == key and s.swap.user == user_key)
    return next((w for w in mine if w.starts_at < shift.ends_at and w.ends_at > shift.starts_at), None)

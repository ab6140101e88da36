"""A schedule over a day, a week or a month: every row drawn and in words, what one may do with a shift, and a look at
any other instant."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Response

from app import hours
from app.oncall import commands, override_store, store, swap_store
from app.oncall.rows import REACH, Rows, rows
from app.oncall.shifts import Shift
from app.oncall.store import StoredSchedule
from app.web.models import Key
from app.web.screens.reader import Reader, reads
from app.web.screens.rendering import local_field
from app.web.screens.schedule_drawing import Seen, bands
from app.web.screens.swaps import offered
from app.web.screens.taking import TOLD, Zone, choices, just_made, may_undo, near
from app.web.screens.time_axis import VIEWS, Axis, View, axis, percent

router = APIRouter(prefix="/schedules/{key}", include_in_schema=False)

Reading = Annotated[Reader, reads("on_call.read")]
Told = Annotated[str, Query(max_length=30)]
MadeId = Annotated[int, Query(ge=0, lt=2**63)]

OVERRIDES: Final = 500
SWAPS: Final = 50


@dataclass(frozen=True, slots=True)
class Looked:
    """What is looked at, as the address says it."""

    key: str
    view: View
    on: date
    zone: Zone

    def url(self, **changes: object) -> str:
        given = {"view": self.view, "on": self.on, "zone": self.zone} | changes
        return f"/schedules/{self.key}?{urlencode(given)}"


@router.get("")
async def show_schedule(
    key: Key,
    reader: Reading,
    view: View = "week",
    on: date | None = None,
    zone: Zone = "mine",
    told: Told = "",
    override: MadeId = 0,
) -> Response:
    """`on`: a day of the period. `zone`: whose clocks. `told`, `override`: what was just done."""
    stored = await commands.read(reader.tx.conn, key)
    where = hours.zone(stored.document.time_zone) if zone == "schedule" else reader.zone
    now = reader.tx.now
    looked = Looked(key, view, on or hours.local(now, where).date(), zone)
    shown = axis(view, looked.on, where)
    found = await _rows(reader, stored, shown)
    return reader.shows(
        "schedule",
        schedule=stored.document,
        looked=looked,
        views=VIEWS,
        axis=shown,
        where=where,
        today=hours.local(now, where).date(),
        now_at=percent(shown.share(now)) if shown.t0 <= now < shown.t1 else "",
        told=TOLD.get(told, ""),
        made=await just_made(reader, key, override) if told == "overridden" else None,
        may_undo=may_undo,
        may_edit=await manages(reader, stored),
        at=local_field(now, where),
        **await _drawn(reader, stored, shown, found),
    )


async def manages(reader: Reader, stored: StoredSchedule) -> bool:
    """Whether the reader may edit it, by the rule of the API."""
    if not reader.caller.may("schedules.edit"):
        return False
    team = stored.document.team
    return reader.caller.manages(await store.find_team(reader.tx.conn, team) if team else None)


async def _rows(reader: Reader, stored: StoredSchedule, shown: Axis) -> Rows:
    window = (shown.t0 - REACH, shown.t1 + REACH)
    schedule = (await store.schedules(reader.tx.conn, [stored.id], window=window))[stored.id]
    return await asyncio.to_thread(rows, schedule, shown.t0, shown.t1)


async def _drawn(reader: Reader, stored: StoredSchedule, shown: Axis, found: Rows) -> dict[str, object]:
    conn, key = reader.tx.conn, stored.document.key
    overrides = await override_store.overrides(conn, key, (shown.t0, shown.t1), limit=OVERRIDES)
    asked = await swap_store.swaps(conn, key, state="open", limit=SWAPS)
    known = await choices(reader)
    everybody = {shift.user_id for part in _parts(found) for shift in part}
    names = await store.names(conn, everybody)
    may = reader.caller.may("overrides.edit") and reader.caller.user_key is not None
    keys = dict(known.names) | dict(names.values())
    seen = Seen(reader.tx.now, shown, names, keys, reader.caller.user_key, may)
    drawn = await asyncio.to_thread(bands, found, overrides, asked, seen)
    people = near(stored.document, (key for key, _ in names.values()), known)
    return {"bands": drawn, "swaps": offered(reader, asked), "people": people, "names": keys, "may": may}


def _parts(found: Rows) -> list[tuple[Shift, ...]]:
    return [found.final, found.shadows, *(row.shifts for row in found.layers)]

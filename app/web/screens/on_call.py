"""Who is on call now, in every schedule: until when, and who is next; taking over, and the swaps that concern me."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response

from app.oncall import store
from app.web.api.on_call import everybody_on_call
from app.web.pages import Page
from app.web.screens.reader import Reader, reads
from app.web.screens.swaps import concerning_me
from app.web.screens.taking import TOLD, choices, just_made, presets

router = APIRouter(include_in_schema=False)


@router.get("/on-call")
async def show_on_call(
    reader: Annotated[Reader, reads("on_call.read")],
    page: Page,
    told: Annotated[str, Query(max_length=30)] = "",
    override: Annotated[int, Query(ge=0, lt=2**63)] = 0,
    schedule: Annotated[str, Query(max_length=64)] = "",
) -> Response:
    """The same answer as the API's, in the reader's zone. `told`, `override`, `schedule`: what was just done."""
    listed = await everybody_on_call(reader.tx, page)
    mine = [s.name for s in listed.items if reader.caller.user_key in {user.key for user in s.users}]
    swaps = await concerning_me(reader)
    known = await choices(reader)
    stored = await store.documents(reader.tx.conn, list({s.swap.schedule for s in swaps} | {schedule}))
    now, zone = reader.tx.now, reader.zone
    return reader.shows(
        "on_call",
        schedules=[(answer, presets(now, now, answer.until, zone)) for answer in listed.items],
        following=listed.next,
        mine=mine,
        swaps=swaps,
        titles={s.document.key: s.document.name for s in stored},
        names=known.names,
        people=known.people,
        may=reader.caller.may("overrides.edit") and reader.caller.user_key is not None,
        told=TOLD.get(told, ""),
        made=await just_made(reader, schedule, override) if told == "overridden" else None,
    )

"""Who is on call now, in every schedule: until when, and who is next; taking over, and the swaps that concern me."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse

from app.oncall import handshakes, store
from app.web.api.handshakes import HandshakeId
from app.web.api.on_call import everybody_on_call
from app.web.models import Key
from app.web.pages import Page
from app.web.screens.reader import Reader, reads
from app.web.screens.rendering import HEADERS
from app.web.screens.swaps import concerning_me
from app.web.screens.taking import TOLD, choices, just_made, near, presets

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
    wanted = {s.schedule for s in listed.items} | {s.swap.schedule for s in swaps} | {schedule}
    stored = {s.document.key: s.document for s in await store.documents(reader.tx.conn, list(wanted))}
    now, zone = reader.tx.now, reader.zone
    return reader.shows(
        "on_call",
        schedules=[
            (s, presets(now, now, s.until, zone), near(stored[s.schedule], (u.key for u in s.next), known))
            for s in listed.items
        ],
        following=listed.next,
        mine=mine,
        swaps=swaps,
        titles={key: document.name for key, document in stored.items()},
        names=known.names,
        me=reader.caller.user_key,
        may=reader.caller.may("overrides.edit") and reader.caller.user_key is not None,
        told=TOLD.get(told, ""),
        made=await just_made(reader, schedule, override) if told == "overridden" else None,
    )


@router.post("/on-call/{schedule}/handshakes/{handshake_id}/confirm")
async def confirm_handshake(
    schedule: Key, handshake_id: HandshakeId, request: Request, reader: Annotated[Reader, reads("overrides.edit")]
) -> Response:
    """Whoever comes on call has it."""
    tx = reader.tx
    await handshakes.confirm_as(tx.conn, tx.now, schedule, handshake_id, reader.caller)
    tx.after_commit(request.app.state.wake)
    return RedirectResponse("/on-call", 303, dict(HEADERS))

"""Who is on call now, in every schedule: until when, and who is next."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from app.oncall import handshakes
from app.web.api.handshakes import HandshakeId
from app.web.api.on_call import everybody_on_call
from app.web.models import Key
from app.web.pages import Page
from app.web.screens.reader import Reader, reads
from app.web.screens.rendering import HEADERS

router = APIRouter(include_in_schema=False)


@router.get("/on-call")
async def show_on_call(reader: Annotated[Reader, reads("on_call.read")], page: Page) -> Response:
    """The same answer as the API's, in the reader's zone."""
    listed = await everybody_on_call(reader.tx, page)
    mine = [s.name for s in listed.items if reader.caller.user_key in {user.key for user in s.users}]
    confirmable = reader.caller.may("overrides.edit")
    return reader.shows(
        "on_call", schedules=listed.items, following=listed.next, mine=mine, me=reader.caller.user_key,
        confirmable=confirmable,
    )  # fmt: skip


@router.post("/on-call/{schedule}/handshakes/{handshake_id}/confirm")
async def confirm_handshake(
    schedule: Key, handshake_id: HandshakeId, request: Request, reader: Annotated[Reader, reads("overrides.edit")]
) -> Response:
    """Whoever comes on call has it."""
    tx = reader.tx
    await handshakes.confirm_as(tx.conn, tx.now, schedule, handshake_id, reader.caller)
    tx.after_commit(request.app.state.wake)
    return RedirectResponse("/on-call", 303, dict(HEADERS))

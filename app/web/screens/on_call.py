"""Who is on call now, in every schedule: until when, and who is next."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Response

from app.web.api.on_call import everybody_on_call
from app.web.pages import Page
from app.web.screens.reader import Reader, reads

router = APIRouter(include_in_schema=False)


@router.get("/on-call")
async def show_on_call(reader: Annotated[Reader, reads("on_call.read")], page: Page) -> Response:
    """The same answer as the API's, in the reader's zone."""
    listed = await everybody_on_call(reader.tx, page)
    mine = [s.name for s in listed.items if reader.caller.user_key in {user.key for user in s.users}]
    return reader.shows("on_call", schedules=listed.items, following=listed.next, mine=mine)

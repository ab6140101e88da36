"""A storm's own screen: what came, what it has in common, what was withheld."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Response

from app.incidents import storm_store
from app.web.api.storms import StormKey, read_storm
from app.web.screens.reader import Reader, reads

router = APIRouter(include_in_schema=False)

SHOWN: Final = 100


@router.get("/storms/{key}")
async def show_storm(key: StormKey, reader: Annotated[Reader, reads("incidents.read")]) -> Response:
    """The same answer as the API's, in the reader's zone, and the incidents that are part of it."""
    about = await read_storm(key, reader.tx)
    return reader.shows(
        "storm", about=about, members=await storm_store.members(reader.tx.conn, about.id, SHOWN), shown=SHOWN
    )

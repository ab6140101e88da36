"""A storm's own screen: what came, what it has in common, what was withheld."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Response

from app.web.api.storms import StormKey, read_storm
from app.web.screens.reader import Reader, reads

router = APIRouter(include_in_schema=False)


@router.get("/storms/{key}")
async def show_storm(key: StormKey, reader: Annotated[Reader, reads("incidents.read")]) -> Response:
    """The same answer as the API's, in the reader's zone."""
    return reader.shows("storm", about=await read_storm(key, reader.tx))

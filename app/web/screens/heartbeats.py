"""Heartbeats: which are up, late or down, and when they were heard of last."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Response

from app.heartbeats import store
from app.web.api.heartbeats import heartbeat_answers
from app.web.pages import Page
from app.web.screens.reader import Reader, reads

router = APIRouter(include_in_schema=False)

WORDS: Final = {"new": "New", "up": "Up", "late": "Late", "down": "Down", "paused": "Paused"}


@router.get("/heartbeats")
async def show_heartbeats(reader: Annotated[Reader, reads("heartbeats.read")], page: Page) -> Response:
    """The same answer as the API's, in the reader's zone."""
    found = await store.heartbeats(reader.tx.conn, after=page.after_text, limit=page.fetch)
    listed = page.of(await heartbeat_answers(reader.tx, found), lambda heartbeat: heartbeat.key)
    down = [h.name for h in listed.items if h.state == "down"]
    lines = [(h, str(h.rhythm), WORDS[h.state]) for h in listed.items]
    return reader.shows("heartbeats", lines=lines, following=listed.next, down=down)

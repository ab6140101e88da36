"""The screen behind a link, for what is no browser window: our service worker, and the ntfy app.

Both post the form that their message carried, and are told how things are then (behaviour.md 6)."""

from __future__ import annotations

from typing import Final

from fastapi import Request, Response
from fastapi.responses import JSONResponse

from app.access.links import Link
from app.escalation.answering import Standing
from app.web.screens.rendering import LINK_HEADERS

JSON_HEADERS: Final = {**LINK_HEADERS, "Access-Control-Allow-Origin": "*", "Vary": "Accept"}
"""The web app of an ntfy server asks from its own origin; the link is all the credential there is."""


def as_json(request: Request) -> bool:
    """Whether it was asked for; browsers that open a link ask for HTML."""
    wanted = request.headers.get("accept", "")
    return "application/json" in wanted and "text/html" not in wanted


def how_it_stands(seen: Standing, link: Link, told: str, status: int) -> Response:
    """`told`: one sentence about what was pressed, empty where `state` and `holder` say it all."""
    mine = seen.acknowledged_by_id == link.user_id
    return JSONResponse(
        {
            "number": seen.number,
            "title": seen.title[:160],
            "state": seen.state,
            "open": seen.is_open,
            "holder": seen.holder if seen.acknowledged_by_id else None,
            "mine": mine,
            "since": seen.acknowledged_at.isoformat() if seen.acknowledged_at else None,
            "told": told,
        },
        status,
        dict(JSON_HEADERS),
    )

"""`/feeds/{token}.ics`: what calendar programs subscribe to. They have no session and cannot log in: the token in the
address is the credential, shown to one person once, and no log has it (app/logs.py).

Programs ask again and again: Google every 8 to 24 hours, Outlook about every 3, Apple's as its owner likes. An answer
that has not changed is a 304. Who guesses tokens is slowed down by address, who hammers a feed by feed.
"""

from __future__ import annotations

import re
from datetime import UTC, timedelta
from email.utils import format_datetime
from hashlib import sha256
from typing import Final

from fastapi import APIRouter, Request, Response

from app.access.throttle import Limit
from app.oncall import feeds
from app.web.auth import public
from app.web.dependencies import SettingsGiven, ThrottleGiven, Tx

WRONG: Final = Limit(30, timedelta(minutes=15))
READ: Final = Limit(60, timedelta(minutes=10))
MEDIA_TYPE: Final = "text/calendar; charset=utf-8"
_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{22}", re.ASCII)
_HEADERS: Final = {
    "Cache-Control": "private, no-cache",
    "Content-Disposition": 'inline; filename="on-call.ics"',
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex",
}

router = APIRouter(include_in_schema=False)


@router.api_route(
    "/feeds/{name}", methods=["GET", "HEAD"], dependencies=[public("the token in the address is the credential")]
)
async def read_feed(name: str, request: Request, tx: Tx, settings: SettingsGiven, throttle: ThrottleGiven) -> Response:
    """The calendar, or 304. 404 for every token that is none: revoked, rotated or guessed, nobody is told which."""
    token = name.removesuffix(".ics")
    address = f"feeds:{request.client.host if request.client else ''}"
    throttle.attempt(tx.now, {address: WRONG})
    found = await feeds.page(tx.conn, tx.now, token, settings.public_url) if _TOKEN.fullmatch(token) else None
    if found is None:
        return Response("there is no such calendar\n", 404, {"Cache-Control": "no-store"}, "text/plain")
    throttle.excuse(address)
    throttle.attempt(tx.now, {f"feed:{feeds.hashed(token).hex()}": READ})
    etag = f'"{sha256(found.content).hexdigest()[:32]}"'
    headers = {
        **_HEADERS,
        "ETag": etag,
        "Last-Modified": format_datetime(found.changed_at.astimezone(UTC), usegmt=True),
    }
    if _is_known(request, etag):
        return Response(status_code=304, headers=headers)
    return Response(found.content, headers=headers, media_type=MEDIA_TYPE)


def _is_known(request: Request, etag: str) -> bool:
    """By ETag alone: an entry that vanished leaves no newer date behind (RFC 9110, 13.1.2)."""
    tags = request.headers.get("if-none-match", "")
    return any(tag.strip().removeprefix("W/") in (etag, "*") for tag in tags.split(","))

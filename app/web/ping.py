"""① Pings of heartbeats, as the clients of healthchecks.io send them (templates/docs/http_api.md of healthchecks).

    GET, HEAD or POST /ping/{token}[/start | /fail | /log | /{exit status}]
    GET, HEAD or POST /ping/{ping key}/{key of the heartbeat}[/...]        ?rid={uuid} pairs a start with its end

Here a GET changes state, alone in the whole product: `curl https://.../ping/{token}` is what a million crontabs say,
and nothing but a machine that holds the token ever sees the address. What a ping can do is bounded by that: it says
that one heartbeat lives, or failed. Nothing acknowledges, resolves or configures anything by GET (docs/heartbeats.md).
"""

from __future__ import annotations

import asyncio
import re
from typing import Final
from uuid import UUID

from fastapi import APIRouter, Request, Response
from starlette.requests import ClientDisconnect

from app.db import engine as db
from app.heartbeats import signs
from app.heartbeats.signs import BODY_KEPT
from app.heartbeats.states import Kind, Ping
from app.web.auth import public

READ_WITHIN_S: Final = 30.0
READ_AT_MOST: Final = 16 * 1024 * 1024
"""Bytes of a body; what is beyond the first `BODY_KEPT` is only read so that its sender hears the answer."""

_HEADERS: Final = {
    "Access-Control-Allow-Origin": "*",
    "Cache-Control": "no-store",
    "Ping-Body-Limit": str(BODY_KEPT),
}
_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{22}", re.ASCII)
_PING_KEY: Final = re.compile(r"[A-Za-z0-9_-]{32}", re.ASCII)
_KEY: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}", re.ASCII)
_EXIT_STATUS: Final = re.compile(r"[0-9]{1,3}", re.ASCII)
_KINDS: Final[dict[str, Kind]] = {"": "success", "start": "start", "fail": "fail", "log": "log"}

router = APIRouter(include_in_schema=False)


@router.api_route(
    "/ping/{path:path}", methods=["GET", "HEAD", "POST"], dependencies=[public("the token is the credential")]
)
async def ping(path: str, request: Request) -> Response:
    """`OK`. 404 for a token, key or heartbeat that there is not, 400 for an address or run id that cannot be right."""
    parts = path.split("/")
    by_key = _PING_KEY.fullmatch(parts[0]) is not None and len(parts) > 1
    if not by_key and not _TOKEN.fullmatch(parts[0]):
        return _answer("not found", 404)
    rest = parts[2:] if by_key else parts[1:]
    sign = _sign(rest, request.query_params.get("rid", ""))
    if sign is None:
        return _answer("invalid url format", 400)
    if by_key and not _KEY.fullmatch(parts[1]):
        return _answer("not found", 404)
    try:
        body = await _body(request)
    except ClientDisconnect:
        return _answer("the body was cut off", 400)
    async with db.transaction(request.app.state.engine) as (conn, now):
        if by_key:
            known = await signs.ping_by_ping_key(conn, now, parts[0], parts[1], sign, body)
        else:
            known = await signs.ping_by_token(conn, now, parts[0], sign, body)
    if not known:
        return _answer("not found", 404)
    request.app.state.wake()
    return _answer("OK", 200)


def _sign(rest: list[str], run: str) -> Ping | None:
    """What the end of the address says; None when it says nothing that we know."""
    if len(rest) > 1 or (rest and not rest[0]):
        return None
    word = rest[0] if rest else ""
    try:
        run = str(UUID(run)) if run else ""
    except ValueError:
        return None
    if (kind := _KINDS.get(word)) is not None:
        return Ping(kind, run)
    if not _EXIT_STATUS.fullmatch(word) or int(word) > 255:
        return None
    return Ping("fail" if int(word) else "success", run, int(word))


async def _body(request: Request) -> bytes:
    """Its first bytes. What trickles or never ends is no reason to take a job that ran for one that did not."""
    kept, size = b"", 0
    try:
        async with asyncio.timeout(READ_WITHIN_S):
            async for part in request.stream():
                kept += part[: BODY_KEPT - len(kept)]
                size += len(part)
                if size > READ_AT_MOST:
                    break
    except TimeoutError:
        pass
    return kept


def _answer(text: str, status: int) -> Response:
    return Response(text, status, _HEADERS, "text/plain")

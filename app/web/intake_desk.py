"""What all doors of machines share: whose routing key it is, the body within limits, the answer after the commit.

Every request of somebody who is known has a receipt, also when it is refused before anybody parsed it.
"""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from datetime import datetime
from typing import Any

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app import metrics
from app.db.engine import dumps, transaction
from app.ingest import commands
from app.ingest.adapters import ADAPTERS
from app.ingest.entrances import Entrances
from app.ingest.group_commit import GroupCommit
from app.ingest.requests import Answer, Door, Request, Unavailable
from app.web.intake_body import MIB, Receive, Refused, read_within

Scope = MutableMapping[str, Any]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Aside = Callable[[AsyncConnection, datetime, Request], Awaitable[Sequence[Sequence[Any]]]]
"""Something that is no event, done in a transaction of its own: returns the outcomes for the receipt. It may raise
`Unparsable` before it writes anything."""

LIMITS = {"alertmanager": 8 * MIB, "prometheus": 8 * MIB}
LIMIT = 1 * MIB
RETRY_AFTER_S = 5
READ_WITHIN_S = 30.0

log = structlog.get_logger()


class Desk:
    """One per process, behind every door of machines."""

    def __init__(self, engine: AsyncEngine, entrances: Entrances, commits: GroupCommit) -> None:
        self.engine = engine
        self._entrances = entrances
        self._commits = commits

    async def door(self, key: str | None) -> Door:
        """Raises `Refused`: 401, or 503 when nobody can tell."""
        if not key:
            raise Refused(401, "unauthenticated", "a routing key is needed", WWW_Authenticate='Bearer realm="tocsin"')
        try:
            door = await self._entrances.find(key)
        except Unavailable as e:
            raise unavailable() from e
        if door is None:
            raise Refused(401, "unauthenticated", "this routing key is not known", WWW_Authenticate="Bearer")
        return door

    async def admit(self, door: Door, source: str, headers: Mapping[str, str]) -> None:
        """Raises `Refused`, with a receipt, for somebody who is known and may not enter here."""
        try:
            may_enter(door, source)
        except Refused as e:
            await self.refuse(door, headers, e)
            raise

    async def read(self, door: Door, source: str, headers: dict[str, str], receive: Receive, limit: int) -> bytes:
        """The body of somebody who is known and may enter here. Raises `Refused`, with a receipt, and `Gone`."""
        await self.admit(door, source, headers)
        try:
            return await read_within(READ_WITHIN_S, receive, headers, limit)
        except Refused as e:
            await self.refuse(door, headers, e)
            raise

    async def refuse(self, door: Door, headers: Mapping[str, str], refused: Refused) -> None:
        """Gives the refusal a receipt, and keeps of the body what is worth it."""
        answer = await self.put(Request(door, refused.kept, headers, (refused.status, refused.detail)))
        refused.receipt = str(answer.receipt_id)

    async def take(self, door: Door, source: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """The answer after the commit; its events are counted. Raises `Refused` with 503."""
        answer = await self.put(Request(door, body, headers))
        for outcome, count in commands.counted(answer.outcomes).items():
            metrics.events(source, outcome, count)
        return answer

    async def put(self, request: Request) -> Answer:
        try:
            return await self._commits.put(request)
        except Unavailable as e:
            log.warning("intake_unavailable", error=str(e))
            raise unavailable() from e

    async def aside(self, door: Door, body: bytes, headers: Mapping[str, str], work: Aside) -> Answer:
        """What is no event goes past the road, with a receipt all the same. Raises `Refused` with 503."""
        request = Request(door, body, headers)
        try:
            async with transaction(self.engine) as (conn, now):
                return await commands.keep_aside(conn, now, request, work)
        except (SQLAlchemyError, OSError) as e:
            log.warning("intake_unavailable", error=repr(e))
            raise unavailable() from e


def may_enter(door: Door, source: str) -> None:
    """Raises `Refused`: an unknown source, the key of another one, or a disabled integration."""
    if source not in ADAPTERS:
        raise Refused(404, "not_found", f"there is no source {source[:40]!r}; known are {', '.join(sorted(ADAPTERS))}")
    if door.entrance.source != source:
        raise Refused(403, "wrong_source", f"this routing key is for the source {door.entrance.source}")
    if not door.enabled:
        raise Refused(403, "disabled", f"the integration {door.key} is disabled")


def headers_of(scope: Scope) -> dict[str, str]:
    """Names in lower case, as ASGI and adapters have them."""
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}


def credential(authorization: str, *schemes: str) -> str | None:
    """The token of Bearer, or the password of basic auth (senders that only know the latter). `schemes`: other words
    than Bearer that a vendor has for it, in lower case."""
    scheme, _, value = authorization.partition(" ")
    if scheme.lower() in ("bearer", *schemes):
        return value.strip()
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(value.strip(), validate=True).decode().partition(":")[2]
        except ValueError:  # no base64, no ASCII, or no UTF-8 inside
            return None
    return None


def unavailable() -> Refused:
    return Refused(
        503, "unavailable", "the alerts cannot be stored now; send them again", Retry_After=str(RETRY_AFTER_S)
    )


async def problem(send: Send, e: Refused) -> None:
    """A refusal in our own words (RFC 9457)."""
    title = e.code.replace("_", " ").capitalize()
    body = {"type": f"/problems/{e.code}", "title": title, "status": e.status, "code": e.code, "detail": e.detail}
    headers = dict(e.headers)
    if e.receipt is not None:
        body["receipt"] = headers["Tocsin-Receipt"] = e.receipt
    await respond(send, e.status, dumps(body).encode(), headers, "application/problem+json")


async def respond(
    send: Send, status: int, body: bytes, headers: Mapping[str, str], media: str = "application/json"
) -> None:
    raw = [(b"content-length", b"%d" % len(body)), (b"cache-control", b"no-store")]
    if body:
        raw.append((b"content-type", media.encode()))
    raw += [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": raw})
    await send({"type": "http.response.body", "body": body})

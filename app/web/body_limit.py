"""A body is there, within its limits, before anything is done about it: 413 for one that is too large, 408 for one that
trickles, as problems. Otherwise whoever sends slowly would hold a transaction and its connection, of which there are
few, while an endpoint waits for the rest; they need no credential for that.
"""

from __future__ import annotations

import asyncio
from typing import Final

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.web.problems import problem

MAX_BODY: Final = 1024 * 1024
"""Bytes a person's or a program's request may have; alert intake has limits of its own (behaviour.md 1)."""

WITHIN_S: Final = 30.0
"""A phone in a cellar sends a form within that."""

_TOO_LARGE: Final = "the body has more than {} bytes"
_TOO_SLOW: Final = "the body did not arrive within {:g} seconds"


BOUNDS_ITSELF: Final = ("/ping/", "/v1/mail/")
"""The door that counts a ping however much a job sends along, and keeps the first bytes only; and that for mails, which
are larger."""


class BodyLimit:
    """ASGI middleware around an application that knows `problems`."""

    def __init__(self, app: ASGIApp, limit: int = MAX_BODY, within_s: float = WITHIN_S) -> None:
        self.app = app
        self.limit = limit
        self.within_s = within_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith(BOUNDS_ITSELF):
            await self.app(scope, receive, send)
            return
        request = Request(scope)
        told = request.headers.get("content-length", "")
        if told.isascii() and told.isdigit() and int(told[:20]) > self.limit:
            response = problem(request, 413, "body_too_large", _TOO_LARGE.format(self.limit))
            await response(scope, receive, send)
            return
        try:
            async with asyncio.timeout(self.within_s):
                body = await self._read(receive)
        except TimeoutError:
            response = problem(request, 408, "too_slow", _TOO_SLOW.format(self.within_s))
            await response(scope, receive, send)
            return
        if body is None:
            return  # whoever sent it has hung up
        if len(body) > self.limit:
            response = problem(request, 413, "body_too_large", _TOO_LARGE.format(self.limit))
            await response(scope, receive, send)
            return
        given = False

        async def again() -> Message:
            nonlocal given
            if given:
                return await receive()
            given = True
            return {"type": "http.request", "body": body, "more_body": False}

        await self.app(scope, again, send)

    async def _read(self, receive: Receive) -> bytes | None:
        """No more than a part beyond the limit; None when it never ended."""
        parts, size, more = [], 0, True
        while more and size <= self.limit:
            message = await receive()
            if message["type"] != "http.request":
                return None
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            more = message.get("more_body", False)
        return b"".join(parts)

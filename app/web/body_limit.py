"""No body is read beyond its limit: 413 as a problem, which FastAPI's own `max_body_size` answers as plain text."""

from __future__ import annotations

from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.web.problems import problem

MAX_BODY: Final = 1024 * 1024
"""Bytes a person's or a program's request may have; alert intake has limits of its own (behaviour.md 1)."""

_TOO_LARGE: Final = "the body has more than {} bytes"


BOUNDS_ITSELF: Final = ("/ping/", "/v1/mail/")
"""The door that counts a ping however much a job sends along, and keeps the first bytes only; and that for mails, which
are larger."""


class BodyLimit:
    """ASGI middleware around an application that knows `problems`."""

    def __init__(self, app: ASGIApp, limit: int = MAX_BODY) -> None:
        self.app = app
        self.limit = limit

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
        size = 0

        async def counted() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            if size > self.limit:
                raise HTTPException(413, _TOO_LARGE.format(self.limit))
            return message

        await self.app(scope, counted, send)

"""One log line and one observation for every request that is not intake. Stands where uvicorn's access log would.

The log has the path, redacted like everything in it; metrics have the template of the route. Queries are in neither.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

import structlog

from app import clock, metrics

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_PROBES: Final = frozenset({"/healthz", "/readyz", "/metrics"})

log = structlog.get_logger()


class Observed:
    """Wraps the FastAPI application. Intake stands in front of it and counts for itself."""

    def __init__(self, behind: App) -> None:
        self._behind = behind

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._behind(scope, receive, send)
            return
        started, answered = clock.elapsed(), _Answered()

        async def sending(message: Message) -> None:
            answered.see(message)
            await send(message)

        try:
            await self._behind(scope, receive, sending)
        finally:
            _tell(scope, answered, clock.elapsed() - started)


class _Answered:
    """What was answered. Without a word the request failed: 500."""

    def __init__(self) -> None:
        self.status = 500
        self.stream = False

    def see(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = message.get("headers", ())
            self.stream = any(n == b"content-type" and v.startswith(b"text/event-stream") for n, v in headers)


def _tell(scope: Scope, answered: _Answered, seconds: float) -> None:
    if not answered.stream:  # how long somebody watched says nothing about us
        metrics.http_request(scope["method"], template(scope), answered.status, seconds)
    client = scope.get("client")
    say = log.debug if scope["path"] in _PROBES else log.info
    say(
        "request",
        method=scope["method"],
        path=scope["path"],
        status=answered.status,
        took_ms=round(seconds * 1000, 1),
        client=client[0] if client else None,
    )


def template(scope: Scope) -> str:
    """The route's template, `/api/v1/incidents/{number}`, or empty where none matched.

    FastAPI leaves an included route's own path in `route`, and what the including routers made of it in its context.
    """
    context = (scope.get("fastapi") or {}).get("effective_route_context")
    path = getattr(context, "path", None) or getattr(scope.get("route"), "path", None)
    return path or ""

"""The API and the screens are built after the start, in a thread: they are half of what a start costs, and a machine
that sends an alert, a probe, or a person with a link in their hand needs none of them. A request for one of the rest
waits until all are there; none is refused."""

from __future__ import annotations

import asyncio
import sys
from time import perf_counter
from typing import Final, cast

import structlog
from fastapi import FastAPI
from fastapi.routing import APIRoute

from app.web import application
from app.web.observed import Receive, Scope, Send

_ROUTES: Final = (route for router in application.AT_ONCE for route in router.routes)
AT_ONCE: Final = tuple({cast(APIRoute, route).path.partition("{")[0] for route in _ROUTES})
"""What the paths begin with that need not wait: `/readyz`, `/l/`..."""

SWITCHES_S: Final = 0.0005

log = structlog.get_logger()


class Later:
    """Wraps what `application.build` made."""

    def __init__(self, app: FastAPI) -> None:
        self._app = app
        self._furnishing: asyncio.Task[None] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not (scope["type"] == "http" and scope["path"].startswith(AT_ONCE)):
            await self.furnished()
        await self._app(scope, receive, send)

    async def furnished(self, *, warm: bool = False) -> None:
        """Returns when everything is there; begins with it if nobody has. Raises what was wrong in it, every time."""
        if self._furnishing is None:
            self._furnishing = asyncio.create_task(asyncio.to_thread(_furnish, self._app, warm), name="furnish")
        await asyncio.shield(self._furnishing)


def _furnish(app: FastAPI, warm: bool) -> None:
    """A page waits for the interpreter some 30 times on its way, so it is given up more often than every 5 ms."""
    began, usual = perf_counter(), sys.getswitchinterval()
    sys.setswitchinterval(SWITCHES_S)
    try:
        application.furnish(app, warm=warm)
    finally:
        sys.setswitchinterval(usual)
    log.info("furnished", took_ms=round((perf_counter() - began) * 1000))

"""Screens that follow along: which incidents changed, as server-sent events.

What changes an incident writes to its timeline, so one look at the newest entries, twice a second and only while
somebody watches, serves every open screen of this process. A screen that hears of a change loads itself anew.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import structlog
from fastapi import APIRouter, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from app import clock
from app.db import ids
from app.db.engine import transaction
from app.escalation import answering
from app.web.auth import permission

router = APIRouter(include_in_schema=False)
log = structlog.get_logger()

EVERY_S: Final = 0.5
LOOK_BACK: Final = timedelta(seconds=10)
LOOKS: Final = 20
"""So far back every look goes: a transaction may commit seconds after the instant its entries are dated with."""
MOST: Final = 1000
STREAM_LASTS_S: Final = 600.0
"""Then the browser asks again, and whether it still may is looked up again."""

Changes = asyncio.Queue[frozenset[int] | None]


class Live:
    """Tells its listeners the numbers of incidents that changed."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._listeners: set[Changes] = set()
        self._task: asyncio.Task[None] | None = None
        self._looks: deque[datetime] = deque(maxlen=LOOKS)
        self._known: dict[UUID, int] = {}

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[Changes]:
        """A queue of what changed; begins with what changed in the last seconds, which a screen may just have missed.
        None on it: this process ends."""
        changes: Changes = asyncio.Queue()
        if self._known:
            changes.put_nowait(frozenset(self._known.values()))
        self._listeners.add(changes)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name="live")
        try:
            yield changes
        finally:
            self._listeners.discard(changes)

    def close(self) -> None:
        """Ends all streams, which a server that stops would wait for."""
        for changes in self._listeners:
            changes.put_nowait(None)
        if self._task is not None:
            self._task.cancel()

    async def _run(self) -> None:
        while self._listeners:
            try:
                await self._look()
            except (DBAPIError, OSError, TimeoutError) as e:
                log.info("live_look_failed", error=repr(e))
            await clock.pause(EVERY_S)
        self._looks.clear()
        self._known = {}

    async def _look(self) -> None:
        async with transaction(self._engine) as (conn, now):
            since = self._looks[0] if self._looks else now - LOOK_BACK
            found = dict(await answering.changed(conn, ids.first_of(since), MOST))
        self._looks.append(now)
        fresh = frozenset(number for entry, number in found.items() if entry not in self._known)
        self._known = found
        for changes in self._listeners if fresh else ():
            changes.put_nowait(fresh)


@router.get("/live", response_class=EventSourceResponse, dependencies=[permission("incidents.read")])
async def follow(request: Request) -> AsyncIterator[ServerSentEvent]:
    """`changed` events with the numbers of incidents. Ends after ten minutes; the browser comes back by itself."""
    live: Live = request.app.state.live
    ends = clock.elapsed() + STREAM_LASTS_S
    async with live.listening() as changes:
        yield ServerSentEvent(event="ready", data=0, retry=2000)
        while (numbers := await _next(changes, ends)) is not None:
            yield ServerSentEvent(event="changed", data=sorted(numbers))


async def _next(changes: Changes, ends: float) -> frozenset[int] | None:
    try:
        async with asyncio.timeout(max(0.0, ends - clock.elapsed())):
            return await changes.get()
    except TimeoutError:
        return None

"""Two group commits at once, so that Python works on one batch while PostgreSQL works on the other."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from sqlalchemy.ext.asyncio import AsyncEngine

from app.ingest.group_commit import GroupCommit, Quarantine, Receive
from app.ingest.requests import Answer, Request

LANES = 2


class Lanes:
    """One per web process. What comes through one integration always takes the same lane: batches of different lanes
    seldom want the same rows, and what one sender sends is decided in the order in which it came."""

    def __init__(self, engine: AsyncEngine, receive: Receive, quarantine: Quarantine, wake: Callable[[], None]) -> None:
        self._lanes = [GroupCommit(engine, receive, quarantine, wake) for _ in range(LANES)]

    def start(self) -> None:
        for lane in self._lanes:
            lane.start()

    async def stop(self) -> None:
        """As `GroupCommit.stop`, all of them at once."""
        await asyncio.gather(*(lane.stop() for lane in self._lanes))

    async def put(self, request: Request) -> Answer:
        """As `GroupCommit.put`."""
        return await self._lanes[request.door.entrance.integration_id % LANES].put(request)

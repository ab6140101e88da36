"""Who watches the watchman: the outgoing heartbeat, the peer, canaries and the paper, each in a loop of its own, apart
from the road and from one another. What is not configured does not run."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import asyncpg
import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from app import clock
from app.channels.channel import Channel
from app.notifications.second_path import SecondPath
from app.settings import Settings
from app.vigil import standing
from app.vigil.beacon import LOOK_EVERY_S, Beacon
from app.vigil.canary import Canaries
from app.vigil.paper import Paper
from app.vigil.patience import ASK_EVERY
from app.vigil.peering import Peering
from app.vigil.standing import Process

WITHIN_S = 120.0
"""A part that takes longer hangs, and is begun again."""
CANARY_EVERY_S = 15.0
PAPER_EVERY_S = 60.0

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Part:
    """One loop. `work` returns whether somebody is to be told, or sent something."""

    name: str
    every_s: float
    work: Callable[[], Awaitable[bool | None]]
    close: Callable[[], Awaitable[None]]


class Vigil:
    """One per process. `ticked_at`: when its worker's last tick ended, on the monotonic clock; None: it has none."""

    def __init__(
        self,
        settings: Settings,
        engine: AsyncEngine,
        channels: Mapping[str, Channel],
        second_path: SecondPath,
        wake: Callable[[], None],
        ticked_at: Callable[[], float | None] | None,
        version: str,
    ) -> None:
        self._second_path = second_path
        self._wake = wake
        self._ticked_at = ticked_at
        self._version = version
        self._began_at = clock.elapsed()
        self.beacon = Beacon(settings, self.process) if settings.heartbeat_url else None
        works = "worker" in settings.roles
        self.peering = Peering(settings, engine) if settings.peer_url and works else None
        self.canaries = Canaries(settings, engine, channels) if settings.canary_user and works else None
        self.paper = Paper(settings, engine) if (settings.paper_dir or settings.paper_to) and works else None

    def process(self) -> Process:
        """How this process stands now."""
        at, ticked_at = clock.elapsed(), None if self._ticked_at is None else self._ticked_at()
        ago = None if ticked_at is None else at - ticked_at
        return Process(self._second_path.seen, at, at - self._began_at, self._ticked_at is not None, ago)

    def report(self) -> Mapping[str, Any]:
        """What the peer is told."""
        return standing.document(self.process(), self._version)

    @property
    def parts(self) -> list[Part]:
        found = []
        if self.beacon is not None:
            found.append(Part("heartbeat", LOOK_EVERY_S, self._beat, self.beacon.close))
        if self.peering is not None:
            found.append(Part("peer", ASK_EVERY.total_seconds(), self.peering.ask, self.peering.close))
        if self.canaries is not None:
            found.append(Part("canary", CANARY_EVERY_S, self.canaries.look, self.canaries.close))
        if self.paper is not None:
            found.append(Part("paper", PAPER_EVERY_S, self._write, self.paper.close))
        return found

    async def _beat(self) -> bool:
        assert self.beacon is not None
        await self.beacon.beat()
        return False

    async def _write(self) -> bool:
        assert self.paper is not None
        await self.paper.look()
        return False

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop` is set; what is being done then is broken off."""
        loops = [asyncio.create_task(self._keep(part), name=f"vigil {part.name}") for part in self.parts]
        await stop.wait()
        for loop in loops:
            loop.cancel()
        if loops:
            await asyncio.wait(loops)

    async def _keep(self, part: Part) -> None:
        while True:
            try:
                async with asyncio.timeout(WITHIN_S):
                    news = await part.work()
                if news:
                    self._wake()
            except (SQLAlchemyError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as e:
                log.warning("vigil_failed", part=part.name, error=type(e).__name__)
            except Exception as e:  # the next round must come, whatever this one died of
                log.error("vigil_failed", part=part.name, error=repr(e), exc_info=e)
            await clock.pause(part.every_s)

    async def close(self) -> None:
        for part in self.parts:
            await part.close()

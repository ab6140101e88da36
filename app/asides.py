"""Work beside the metronome's tick: nobody's page waits for a partition, a calendar or a provider that hangs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog
from sqlalchemy.exc import DBAPIError

from app import clock

log = structlog.get_logger()


class Aside:
    """Does `work` once at a time, however often it is begun, and not again within `rest_s` seconds of its last end:
    whoever begins it also does so every second. Whatever it dies of is logged, and is no reason not to do it again."""

    def __init__(self, name: str, work: Callable[[], Awaitable[object]], *, rest_s: float = 0.0) -> None:
        self._name = name
        self._work = work
        self._rest_s = rest_s
        self._ended_at: float | None = None
        self._task: asyncio.Task[None] | None = None

    def begin(self) -> None:
        if self._task is not None and not self._task.done():
            return
        if self._ended_at is None or clock.elapsed() - self._ended_at >= self._rest_s:
            self._task = asyncio.create_task(self._do(), name=self._name)

    async def begun(self) -> None:
        """For the scheduler, which would log a job that is cut off as an error: this one only starts a task."""
        self.begin()

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    async def _do(self) -> None:
        try:
            await self._work()
        except (DBAPIError, OSError, TimeoutError) as e:
            log.warning("aside_failed", aside=self._name, error=repr(e))
        except Exception as e:  # the next time must come, whatever this one died of
            log.error("aside_failed", aside=self._name, error=repr(e), exc_info=e)
        self._ended_at = clock.elapsed()

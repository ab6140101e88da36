"""Waking workers across processes. A notification carries nothing: what is due stands in the rows."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import asyncpg
import structlog
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from app import clock
from app.db import liveness
from app.db.engine import normalise

CHANNEL = "tocsin_due"
NOTIFY = text(f"NOTIFY {CHANNEL}")
COALESCE_S = 0.005
RECONNECT_S = 1.0
ALIVE_EVERY_S = 15.0
_CUT = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, TimeoutError)

log = structlog.get_logger()


class Notifier:
    """Tells every listener that something fell due; what comes within 5 ms is told once, outside any transaction."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._wanted = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="notifier")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    def notify(self) -> None:
        self._wanted.set()

    async def _run(self) -> None:
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            try:
                async with self._engine.begin() as conn:
                    await conn.execute(NOTIFY)
            except (DBAPIError, OSError, TimeoutError) as e:
                log.info("notify_failed", error=repr(e))  # the workers look every second anyway
            await clock.pause(COALESCE_S)


class Listener:
    """Calls `heard` for every notification, and once after each (re)connection: something may have been missed."""

    def __init__(self, url: str, heard: Callable[[], None]) -> None:
        self._dsn = normalise(url).set(drivername="postgresql").render_as_string(hide_password=False)
        self._heard = heard
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="listener")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        while True:
            try:
                await self._listen()
            except _CUT as e:
                log.info("listener_reconnects", error=repr(e))
            await clock.pause(RECONNECT_S)

    async def _listen(self) -> None:
        conn = await asyncpg.connect(self._dsn, timeout=10, server_settings={"application_name": "tocsin listen"})
        try:
            await liveness.watch(conn)
            await conn.add_listener(CHANNEL, self._told)
            self._heard()
            while True:
                await clock.pause(ALIVE_EVERY_S)
                await conn.execute("SELECT 1", timeout=10)
        finally:
            with suppress(*_CUT):
                await conn.close(timeout=1)

    def _told(self, *_: Any) -> None:
        self._heard()

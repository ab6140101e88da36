"""Where rehearsals run: in a thread and on a connection of their own, one at a time, taken back at the end."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final, TypeVar

from sqlalchemy import URL
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db import engine as db
from app.errors import Conflict, Invalid

T = TypeVar("T")

GIVEN_S: Final = 30.0
"""Real seconds for a run."""
_TIMED_OUT: Final = "57014"
_running = threading.Lock()


async def alone(run: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """In a thread with a loop of its own, so that whoever else is served need not wait. Raises `Conflict` (`busy`)
    while this process rehearses something already."""
    if not _running.acquire(blocking=False):
        raise Conflict("this process is simulating something already; try again in a minute", code="busy")
    try:
        return await asyncio.to_thread(lambda: asyncio.run(run()))
    finally:
        _running.release()


async def taken_back(
    url: URL, behind_pooler: bool, work: Callable[[AsyncConnection], Awaitable[T]], too_slow: Callable[[], Invalid]
) -> T:
    """`work` in a transaction that is rolled back. The engine is thrown away: its connection's plans are for shadows.
    Raises what `too_slow` makes when the database took too long."""
    engine = db.create(url.render_as_string(hide_password=False), size=1, behind_pooler=behind_pooler)
    try:
        async with engine.connect() as conn:
            try:
                return await work(conn)
            except DBAPIError as failed:
                if getattr(failed.orig, "sqlstate", None) == _TIMED_OUT:
                    raise too_slow() from failed
                raise
            finally:
                await conn.rollback()
    finally:
        await engine.dispose()

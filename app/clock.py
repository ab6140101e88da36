"""What time it is. Rooms never ask: `now` is read once per transaction and handed down (behaviour.md 9)."""

from __future__ import annotations

import asyncio
from datetime import datetime
from time import monotonic

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

_READ = text("SELECT tocsin_now()")


async def read(conn: AsyncConnection) -> datetime:
    """The instant of this transaction, aware, in UTC; from PostgreSQL, shifted and scaled in tests and the demo."""
    now: datetime = (await conn.execute(_READ)).scalar_one()
    return now


async def pause(seconds: float) -> None:
    """Waits in real time. Timers only wake; nothing is decided by how long they took."""
    await asyncio.sleep(seconds)


def elapsed() -> float:
    """Seconds on the monotonic clock, for durations in metrics only."""
    return monotonic()

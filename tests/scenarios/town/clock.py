"""The town's clock: the one row that shifts `tocsin_now()`. It stands still until it is moved."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

MONDAY = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
"""When stories begin unless they say otherwise: 11:00 in Berlin, an hour at which everybody works."""

SET = text("""
    INSERT INTO clock_control (id, anchor_real, anchor_virtual, speed) VALUES (1, statement_timestamp(), :at, :speed)
    ON CONFLICT (id) DO UPDATE SET anchor_real = excluded.anchor_real, anchor_virtual = excluded.anchor_virtual,
                                   speed = excluded.speed
""")


class VirtualClock:
    def __init__(self, engine: AsyncEngine, now: datetime) -> None:
        self._engine = engine
        self.now = now

    async def stop_at(self, now: datetime) -> None:
        """It is `now`, and stays so."""
        async with self._engine.begin() as conn:
            await conn.execute(SET, {"at": now, "speed": 0})
        self.now = now

    async def run(self, speed: float) -> None:
        """From here on time passes by itself; `now` is only the instant at which it was let go."""
        async with self._engine.begin() as conn:
            await conn.execute(SET, {"at": self.now, "speed": speed})

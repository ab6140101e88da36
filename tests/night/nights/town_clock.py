"""What time it is in a night of real processes, for those in it that are not Tocsin: providers date what they take, and
are asked for it by that date."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.db import clock_control

SINCE = text("SELECT anchor_real FROM clock_control")


class TownClock:
    """Runs as clocks do until `run`; then `speed` times as fast, as the database's does from the same instant on."""

    def __init__(self, speed: float) -> None:
        self._speed = speed
        self._since: datetime | None = None

    async def run(self, engine: AsyncEngine) -> None:
        async with engine.begin() as conn:
            await clock_control.run_at(conn, self._speed)
            self._since = (await conn.execute(SINCE)).scalar_one()

    def __call__(self) -> datetime:
        return self.at(datetime.now(UTC))

    def at(self, real: datetime) -> datetime:
        """What it showed at an instant of other clocks."""
        return real if self._since is None else self._since + (real - self._since) * self._speed

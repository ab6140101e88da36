"""The one row that shifts and scales `tocsin_now()`. Tests and the demo write it; `serve` looks for it."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

_THERE = text("SELECT to_regclass('clock_control') IS NOT NULL")
_REAL = text("SELECT statement_timestamp()")
_SPEED = text("SELECT speed FROM clock_control")
# Time goes on from where it is, at another speed.
_RUN = text("""
    INSERT INTO clock_control (id, anchor_real, anchor_virtual, speed)
    VALUES (1, statement_timestamp(), tocsin_now(), :speed)
    ON CONFLICT (id) DO UPDATE SET anchor_real = excluded.anchor_real, anchor_virtual = excluded.anchor_virtual,
        speed = excluded.speed
""")


async def speed(conn: AsyncConnection) -> float | None:
    """How fast this database's clock runs; None where it is nobody's toy, or before the first migration."""
    if not (await conn.execute(_THERE)).scalar_one():
        return None
    found: float | None = (await conn.execute(_SPEED)).scalar_one_or_none()
    return found


async def real(conn: AsyncConnection) -> datetime:
    """What the clock of the database's machine says, whatever the row does to ours. Only `tocsin doctor` asks."""
    found: datetime = (await conn.execute(_REAL)).scalar_one()
    return found


async def run_at(conn: AsyncConnection, speed: float) -> None:
    """From now on a second takes 1 / `speed` seconds."""
    await conn.execute(_RUN, {"speed": speed})

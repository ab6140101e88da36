"""SQL of rounds."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db.engine import dumps

_TAKE: Final = text("""
    INSERT INTO vigil_rounds AS r (key, taken_at) VALUES (:key, :now)
    ON CONFLICT (key) DO UPDATE SET taken_at = excluded.taken_at WHERE r.taken_at <= :before OR r.taken_at > :now
    RETURNING state
""")
"""What was taken in the future was taken before the clock was set back."""

_KEEP: Final = text("UPDATE vigil_rounds SET state = CAST(:state AS jsonb) WHERE key = :key")
_READ: Final = text("SELECT r.key, r.state FROM vigil_rounds r WHERE starts_with(r.key, :prefix) ORDER BY r.key")
_LOCK: Final = text("SELECT r.state FROM vigil_rounds r WHERE r.key = :key FOR UPDATE")
_FORGET: Final = text("DELETE FROM vigil_rounds WHERE key = ANY (CAST(:keys AS text[]))")


async def take(conn: AsyncConnection, now: datetime, key: str, every: timedelta) -> dict[str, Any] | None:
    """The state of a round whose turn it is, for this process alone; None: somebody took it less than `every` ago."""
    row = (await conn.execute(_TAKE, {"key": key, "now": now, "before": now - every})).first()
    return None if row is None else dict(row.state)


async def keep(conn: AsyncConnection, key: str, state: Mapping[str, Any]) -> None:
    await conn.execute(_KEEP, {"key": key, "state": dumps(state)})


async def states(conn: AsyncConnection, prefix: str) -> dict[str, dict[str, Any]]:
    """By key."""
    return {row.key: dict(row.state) for row in await conn.execute(_READ, {"prefix": prefix})}


async def lock(conn: AsyncConnection, key: str) -> dict[str, Any] | None:
    """What it remembers, until this transaction ends for nobody else; None: there is none."""
    row = (await conn.execute(_LOCK, {"key": key})).first()
    return None if row is None else dict(row.state)


async def forget(conn: AsyncConnection, keys: Collection[str]) -> None:
    if keys:
        await conn.execute(_FORGET, {"keys": list(keys)})

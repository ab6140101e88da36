"""Signs of life that come through a vendor's door, for a heartbeat of the same service (or the integration's own)."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy.ext.asyncio import AsyncEngine

from app.db.engine import transaction
from app.heartbeats import signs


class Heartbeats:
    """`wake` is called after a ping: what was overdue may be back."""

    def __init__(self, engine: AsyncEngine, wake: Callable[[], None]) -> None:
        self._engine = engine
        self._wake = wake

    async def ping(self, name: str, integration_id: int) -> bool:
        """Committed when this returns True; False when there is no heartbeat of this key there. Raises SQLAlchemyError
        and OSError when the database is away."""
        async with transaction(self._engine) as (conn, now):
            there = await signs.ping_by_key(conn, now, name, integration_id)
        if there:
            self._wake()
        return there

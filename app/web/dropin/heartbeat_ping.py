"""What the vendors' doors need to know of heartbeats."""

from __future__ import annotations

from typing import Final, Protocol


class Heartbeats(Protocol):
    """Whoever keeps heartbeats."""

    async def ping(self, name: str) -> bool:
        """A sign of life, committed when this returns True; False when there is no heartbeat of this name. May raise
        SQLAlchemyError and OSError when the database is away."""
        ...


class _None:
    async def ping(self, name: str) -> bool:
        return False


NONE: Final[Heartbeats] = _None()
"""There are no heartbeats."""

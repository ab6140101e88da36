"""SQL of canaries: whose contact methods carry them, and what became of one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

_METHODS: Final = text("""
    SELECT m.id, m.channel, m.address, m.user_id, m.broken_because, m.broken_at IS NOT NULL AS broken
    FROM contact_methods m JOIN users u ON u.id = m.user_id
    WHERE u.key = :user AND u.active AND m.verified_at IS NOT NULL
    ORDER BY m.id LIMIT :limit
""")
_FLIGHT: Final = text("""
    SELECT n.channel, n.state, n.because, n.created_at, n.finished_at, a.provider, a.finished_at AS accepted_at
    FROM notifications n
    LEFT JOIN LATERAL (SELECT a.provider, a.finished_at FROM attempts a
                       WHERE a.notification_id = n.id AND a.provider_id IS NOT NULL
                       ORDER BY a.number DESC LIMIT 1) a ON true
    WHERE n.key = :key
""")
MOST: Final = 20
"""Contact methods that carry canaries: each costs a message an hour."""


async def methods(conn: AsyncConnection, user: str) -> Sequence[Any]:
    """The verified contact methods of a user by key: `id`, `channel`, `address`, `user_id`, `broken` and why."""
    return (await conn.execute(_METHODS, {"user": user, "limit": MOST})).all()


async def flight(conn: AsyncConnection, key: str) -> Any:
    """The notification of this key with the provider that took it; None: there is none any more."""
    return (await conn.execute(_FLIGHT, {"key": key})).first()

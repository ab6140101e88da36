"""What was kept in quarantine long enough."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

# A body that keeps coming is one row that counts: its last arrival decides. A batch an hour.
_DELETE = text("""
    DELETE FROM quarantine WHERE id IN (SELECT id FROM quarantine WHERE last_at < :before LIMIT 10000)
""")


async def forget_quarantined(conn: AsyncConnection, now: datetime, keep: timedelta) -> None:
    """Removes what nobody has replayed, and what was replayed, once it is older than `keep`."""
    await conn.execute(_DELETE, {"before": now - keep})

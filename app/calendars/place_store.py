"""SQL of where calendars are named: in versions of schedules that count now or will, and in support hours."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

_PLACES = text("""
    SELECT DISTINCT 'schedule' AS type, s.key FROM schedule_versions v JOIN schedules s ON s.id = v.schedule_id
    WHERE (v.effective_until IS NULL OR v.effective_until > :now)
      AND jsonb_path_exists(v.layers, '$[*] ? (@.calendar == $id || @.holidays.calendar == $id)',
                            jsonb_build_object('id', CAST(:id AS bigint)))
    UNION ALL
    SELECT 'service', key FROM services WHERE support_hours ->> 'holidays' = :key
    ORDER BY 1, 2 LIMIT 50
""")


async def places(conn: AsyncConnection, now: datetime, calendar_id: int, key: str) -> list[dict[str, Any]]:
    """`[{"type": "schedule", "key": "primary"}]`."""
    rows = await conn.execute(_PLACES, {"now": now, "id": calendar_id, "key": key})
    return [{"type": r.type, "key": r.key} for r in rows]

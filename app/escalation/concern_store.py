"""SQL of what concerns a schedule: the incidents whose ladders page it."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

MOST = 50

_OPEN = text("""
    SELECT i.number, i.priority, i.title, i.state, s.name AS service
    FROM incidents i JOIN ladders l ON l.incident_id = i.id AND l.purpose = 'page'
    JOIN services s ON s.id = i.service_id
    WHERE i.state IN ('triggered', 'acknowledged', 'mitigated')
      AND jsonb_path_exists(l.policy, '$.**.targets[*] ? (@.type == "schedule" && @.id == $id)',
                            jsonb_build_object('id', CAST(:schedule_id AS bigint)))
    ORDER BY i.priority, i.number LIMIT :limit
""")


@dataclass(frozen=True, slots=True)
class OpenIncident:
    number: int
    priority: int
    title: str
    state: str
    service: str


async def open_incidents(conn: AsyncConnection, schedule_id: int) -> list[OpenIncident]:
    """Open incidents that page this schedule at some step, the most important first; `MOST` of them."""
    rows = await conn.execute(_OPEN, {"schedule_id": schedule_id, "limit": MOST})
    return [OpenIncident(*r) for r in rows]

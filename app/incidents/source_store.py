"""SQL of what sources say about incidents beside their alerts."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.incidents.states import IS_OPEN

OPEN_INCIDENT_OF = text(f"""
    SELECT a.id, i.id FROM alerts a LEFT JOIN occurrences o ON o.id = a.occurrence_id
    LEFT JOIN incidents i ON i.id = o.incident_id AND i.{IS_OPEN}
    WHERE a.integration_id = :integration_id AND a.dedup_key = :dedup_key
""")
"""An alert and the open incident of its current occurrence, if there is one."""


async def open_incident_of(
    conn: AsyncConnection, integration_id: int, dedup_key: str
) -> tuple[UUID, UUID | None] | None:
    """(alert id, incident id); None when there is no such alert."""
    row = (await conn.execute(OPEN_INCIDENT_OF, {"integration_id": integration_id, "dedup_key": dedup_key})).first()
    return None if row is None else (row[0], row[1])

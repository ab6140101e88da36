"""Notifications as people see them: who was told what by which channel, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

OF_INCIDENT = text("""
    SELECT n.id, n.purpose, n.loudness, n.state, n.because, u.key AS user, u.name AS user_name, n.channel, n.epoch,
           n.round, n.step, n.content ->> 'why' AS why, n.created_at, n.due_at, n.finished_at, n.tries, n.repeated,
           n.carried_by_id AS carried_by,
           a.provider, a.provider_id, a.status AS provider_status, a.code, a.error
    FROM notifications n JOIN users u ON u.id = n.user_id
    LEFT JOIN LATERAL (SELECT a.* FROM attempts a WHERE a.notification_id = coalesce(n.carried_by_id, n.id)
                     ORDER BY a.number DESC LIMIT 1) a
      ON true
    WHERE n.incident_id = :incident_id AND (CAST(:after AS uuid) IS NULL OR n.id > CAST(:after AS uuid))
    ORDER BY n.id LIMIT :limit
""")
"""The notifications of an incident with the newest attempt of each, or of the message that carried it."""


async def of_incident(
    conn: AsyncConnection, incident_id: UUID, *, after: UUID | None = None, limit: int = 100
) -> Sequence[Mapping[str, Any]]:
    """Oldest first. Addresses are not among the columns: whoever may read an incident need not know numbers."""
    rows = await conn.execute(OF_INCIDENT, {"incident_id": incident_id, "after": after, "limit": limit})
    return [dict(r) for r in rows.mappings()]

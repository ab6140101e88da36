"""Notifications as people see them: who was told what by which channel, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

OF_INCIDENT = text("""
    SELECT n.id, n.purpose, n.loudness, n.state, n.because, u.key AS user,
           coalesce(u.name, w.name, 'webhook') AS user_name, w.key AS webhook, n.channel, n.epoch,
           n.round, n.step, n.content ->> 'why' AS why, n.created_at, n.due_at, n.finished_at, n.tries, n.repeated,
           n.carried_by_id AS carried_by,
           a.provider, a.provider_id, a.status AS provider_status, a.code, a.error,
           CASE WHEN n.carried_by_id IS NULL THEN a.price END AS price, a.currency
    FROM notifications n LEFT JOIN users u ON u.id = n.user_id LEFT JOIN webhooks w ON w.id = n.webhook_id
    LEFT JOIN LATERAL (SELECT a.* FROM attempts a WHERE a.notification_id = coalesce(n.carried_by_id, n.id)
                     ORDER BY a.number DESC LIMIT 1) a
      ON true
    WHERE n.incident_id = :incident_id AND (CAST(:after AS uuid) IS NULL OR n.id > CAST(:after AS uuid))
    ORDER BY n.id LIMIT :limit
""")
"""The notifications of an incident with the newest attempt of each, or of the message that carried it, which is paid
for once."""


CARRIED = text("""
    SELECT n.id AS notification_id, i.id AS incident_id, i.number, i.title, i.priority, i.state, i.epoch, i.firing,
           i.acknowledged_by_id, h.name AS holder, i.opened_at, s.name AS service,
           coalesce(u.time_zone, o.time_zone) AS time_zone, n.content ->> 'digest' IS NOT NULL AS of_a_night
    FROM notifications n JOIN incidents i ON i.id = n.incident_id JOIN services s ON s.id = i.service_id
    JOIN users u ON u.id = n.user_id CROSS JOIN organisation o LEFT JOIN users h ON h.id = i.acknowledged_by_id
    WHERE n.id = :id OR n.carried_by_id = :id
    ORDER BY (i.state = 'triggered') DESC, i.priority, i.number LIMIT 500
""")
"""The incidents that a message is about."""


async def carried(conn: AsyncConnection, notification_id: UUID) -> Sequence[Any]:
    """One row for each incident of a message, those first that nobody has."""
    return (await conn.execute(CARRIED, {"id": notification_id})).all()


async def of_incident(
    conn: AsyncConnection, incident_id: UUID, *, after: UUID | None = None, limit: int = 100
) -> Sequence[Mapping[str, Any]]:
    """Oldest first. Addresses are not among the columns: whoever may read an incident need not know numbers."""
    rows = await conn.execute(OF_INCIDENT, {"incident_id": incident_id, "after": after, "limit": limit})
    return [dict(r) for r in rows.mappings()]

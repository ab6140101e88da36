"""SQL of explanations: reads only, each bounded."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

_RECEIPT = text("""
    SELECT r.id, r.at, r.status, r.size, r.error, r.outcomes, i.key AS integration, i.source
    FROM receipts r JOIN integrations i ON i.id = r.integration_id WHERE r.id = :id
""")
# Events of some alerts: those of a request, or those of some occurrences; oldest first.
_EVENTS = text("""
    SELECT e.id, e.at, e.kind, e.outcome, e.severity, e.receipt_id, e.alert_id, e.occurrence_id, a.title,
           n.key AS integration
    FROM events e JOIN alerts a ON a.id = e.alert_id JOIN integrations n ON n.id = a.integration_id
    WHERE e.alert_id = ANY (CAST(:alerts AS uuid[]))
      AND (CAST(:receipt AS uuid) IS NULL OR e.receipt_id = CAST(:receipt AS uuid))
      AND (CAST(:occurrences AS uuid[]) IS NULL OR e.occurrence_id = ANY (CAST(:occurrences AS uuid[])))
    ORDER BY e.id LIMIT :limit
""")
_OCCURRENCES = """
    SELECT o.id, o.alert_id, o.incident_id, i.number, o.starts_at, o.ended_at, o.severity, o.priority, o.suppressed,
           o.routed, s.key AS service, a.title, a.first_seen_at
    FROM occurrences o JOIN alerts a ON a.id = o.alert_id JOIN services s ON s.id = o.service_id
    LEFT JOIN incidents i ON i.id = o.incident_id
"""
_BY_ID = text(f"{_OCCURRENCES} WHERE o.id = ANY (CAST(:ids AS uuid[])) ORDER BY o.id LIMIT :limit")
_OF_INCIDENT = text(f"{_OCCURRENCES} WHERE o.incident_id = :id ORDER BY o.id LIMIT :limit")
# The newest occurrences of an alert.
_OF_ALERT = text(f"{_OCCURRENCES} WHERE o.alert_id = :id ORDER BY o.id DESC LIMIT :limit")
_ALERT = text("SELECT id, title FROM alerts WHERE id = :id")
_TITLES = text("SELECT id, title FROM alerts WHERE id = ANY (CAST(:ids AS uuid[]))")
_TIMELINE = text("""
    SELECT e.id, e.incident_id, e.at, e.kind, e.data FROM timeline_entries e
    WHERE e.incident_id = ANY (CAST(:ids AS uuid[])) AND NOT (e.kind = ANY (CAST(:without AS text[])))
    ORDER BY e.id LIMIT :limit
""")
_NOTIFICATIONS = text("""
    SELECT n.incident_id, n.created_at, n.due_at, n.state, n.because, n.purpose, n.channel, n.loudness, n.round, n.step,
           n.content ->> 'why' AS why, coalesce(u.name, w.name, 'webhook') AS user_name
    FROM notifications n LEFT JOIN users u ON u.id = n.user_id LEFT JOIN webhooks w ON w.id = n.webhook_id
    WHERE n.incident_id = ANY (CAST(:ids AS uuid[])) ORDER BY n.id LIMIT :limit
""")
_POLICIES = text("""
    SELECT incident_id, started_at, policy ->> 'name' AS name, policy ->> 'key' AS key, purpose
    FROM ladders WHERE incident_id = ANY (CAST(:ids AS uuid[])) ORDER BY id
""")


async def receipt(conn: AsyncConnection, receipt_id: UUID) -> Any:
    """The row, or None."""
    return (await conn.execute(_RECEIPT, {"id": receipt_id})).first()


async def alert(conn: AsyncConnection, alert_id: UUID) -> Any:
    """`id` and `title`, or None."""
    return (await conn.execute(_ALERT, {"id": alert_id})).first()


async def titles(conn: AsyncConnection, alerts: Collection[UUID]) -> dict[UUID, str]:
    return {r.id: r.title for r in await conn.execute(_TITLES, {"ids": list(alerts)})}


async def events(
    conn: AsyncConnection,
    alerts: Collection[UUID],
    *,
    receipt: UUID | None = None,
    occurrences: Collection[UUID] | None = None,
    limit: int,
) -> Sequence[Any]:
    named = {"receipt": receipt, "occurrences": None if occurrences is None else list(occurrences), "limit": limit}
    return (await conn.execute(_EVENTS, named | {"alerts": list(alerts)})).all()


async def occurrences(
    conn: AsyncConnection,
    *,
    ids: Collection[UUID] = (),
    incident: UUID | None = None,
    alert: UUID | None = None,
    limit: int,
) -> Sequence[Any]:
    """Of one incident, the newest of one alert, or these."""
    if incident is not None:
        return (await conn.execute(_OF_INCIDENT, {"id": incident, "limit": limit})).all()
    if alert is not None:
        return (await conn.execute(_OF_ALERT, {"id": alert, "limit": limit})).all()
    return (await conn.execute(_BY_ID, {"ids": list(ids), "limit": limit})).all()


async def timeline(
    conn: AsyncConnection, incidents: Collection[UUID], without: Collection[str], limit: int
) -> Sequence[Any]:
    named = {"ids": list(incidents), "without": list(without), "limit": limit}
    return (await conn.execute(_TIMELINE, named)).all()


async def policies(conn: AsyncConnection, incidents: Collection[UUID]) -> Sequence[Any]:
    """The ladders of these incidents with the policy that each copied."""
    return (await conn.execute(_POLICIES, {"ids": list(incidents)})).all()


async def notifications(conn: AsyncConnection, incidents: Collection[UUID], limit: int) -> Sequence[Any]:
    return (await conn.execute(_NOTIFICATIONS, {"ids": list(incidents), "limit": limit})).all()

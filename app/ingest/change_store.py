"""SQL of changes."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db import ids
from app.db.engine import dumps
from app.ingest.change import Change
from app.ingest.requests import Request

BEFORE = timedelta(hours=24)
"""How long before an incident opened a change may be what caused it."""

INSERT = text("""
    INSERT INTO changes (id, receipt_id, integration_id, service_id, at, summary, source, links, details)
    VALUES (:id, :receipt_id, :integration_id, :service_id, :at, :summary, :source, CAST(:links AS jsonb),
            CAST(:details AS jsonb))
""")

_LINE = """
    SELECT c.id, c.at, c.summary, c.source, c.links, c.details, c.receipt_id, s.key AS service, s.name AS service_name,
           i.key AS integration
    FROM changes c LEFT JOIN services s ON s.id = c.service_id LEFT JOIN integrations i ON i.id = c.integration_id
"""

SLICE = text(f"""{_LINE}
    WHERE (CAST(:before AS uuid) IS NULL OR c.id < CAST(:before AS uuid))
      AND (CAST(:service AS text) IS NULL OR c.service_id = (SELECT n.id FROM services n WHERE n.key = :service))
    ORDER BY c.id DESC LIMIT :limit
""")
"""Newest first, in the order in which they were received."""

AROUND_INCIDENT = text(f"""
    SELECT line.*, line.at > :opened_at AS since_opened FROM ({_LINE}
        WHERE c.service_id = :service_id AND c.at > :start AND c.at <= :end
          AND (CAST(:before AS uuid) IS NULL OR c.id < CAST(:before AS uuid))
        ORDER BY c.id DESC LIMIT :limit) AS line
    ORDER BY line.id DESC
""")
"""What was changed about a service in a span of time; newest first, as it was received."""


async def keep(conn: AsyncConnection, now: datetime, request: Request, change: Change) -> UUID:
    """Writes a change that came with a request; it is about the service of its integration."""
    change_id = ids.new(now)
    named = {
        "id": change_id,
        "receipt_id": request.receipt_id,
        "integration_id": request.door.entrance.integration_id,
        "service_id": request.door.entrance.service_id,
        "at": change.at,
        "summary": change.summary,
        "source": change.source,
        "links": dumps(change.links),
        "details": dumps(change.details),
    }
    await conn.execute(INSERT, named)
    return change_id


async def slice_(
    conn: AsyncConnection, *, service: str | None = None, before: UUID | None = None, limit: int = 50
) -> list[dict[str, Any]]:
    """Newest first. `service`: the key of one; `before`: the id of the last one of the slice before."""
    rows = await conn.execute(SLICE, {"service": service, "before": before, "limit": limit})
    return [dict(row) for row in rows.mappings()]


async def around_incident(
    conn: AsyncConnection,
    service_id: int,
    opened_at: datetime,
    ended_at: datetime,
    *,
    before: UUID | None = None,
    limit: int = 50,
) -> list[dict[str, Any]]:
    """Changes of a service from `BEFORE` the instant at which an incident of it opened until it ended, or now; newest
    first. `since_opened`: it came while the incident was open."""
    named = {
        "service_id": service_id,
        "start": opened_at - BEFORE,
        "opened_at": opened_at,
        "end": ended_at,
        "before": before,
        "limit": limit,
    }
    return [dict(row) for row in (await conn.execute(AROUND_INCIDENT, named)).mappings()]

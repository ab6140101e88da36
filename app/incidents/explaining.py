"""What people say about an incident that is over: what it was and what fixed it. `commands.resolve` takes the same."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from app.directory.changes import check_version
from app.errors import Conflict, NotFound
from app.incidents import store
from app.incidents.commands import Responder
from app.incidents.recurrence import checked
from app.incidents.timeline import Entry


async def explain(
    conn: AsyncConnection,
    now: datetime,
    incident_id: UUID,
    who: Responder,
    *,
    cause: str,
    fix: str,
    version: int | None = None,
) -> None:
    """Says, or corrects, what an incident that is over was and what fixed it; empty: nobody knows. Raises `Invalid` for
    either that is too long or not one line, `Conflict` (`not_resolved`, `outdated`)."""
    cause, fix = checked("cause", cause), checked("fix", fix)
    incident = (await store.lock(conn, [incident_id])).get(incident_id)
    if incident is None:
        raise NotFound("there is no such incident")
    check_version("incident", incident.number, incident.version, version)
    if incident.is_open:
        raise Conflict(f"incident {incident.number} is {incident.state}; resolve it first", code="not_resolved")
    row = {"id": incident.id, "cause": cause or None, "fix": fix or None}
    if (await conn.execute(store.CORRECT, row)).rowcount:
        await store.write_timeline(
            conn, [Entry(incident.id, "explained", who.actor, {"name": who.name, "cause": cause, "fix": fix})], now
        )

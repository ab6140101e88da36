"""A note that a source adds to one of its alerts goes onto the timeline of the incident that people look at."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from app.incidents import source_store, store
from app.incidents.timeline import Entry
from app.ingest.requests import Door


async def note(conn: AsyncConnection, now: datetime, door: Door, dedup_key: str, text: str) -> tuple[str, UUID | None]:
    """(outcome, alert id): `noted`, `no_open_incident`, or `unknown_alert` without an id. Being late is no error."""
    found = await source_store.open_incident_of(conn, door.entrance.integration_id, dedup_key)
    if found is None:
        return "unknown_alert", None
    alert_id, incident_id = found
    if incident_id is None:
        return "no_open_incident", alert_id
    await store.write_timeline(conn, [Entry(incident_id, "note", f"source:{door.key}", {"text": text})], now)
    return "noted", alert_id

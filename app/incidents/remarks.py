"""What a responder says about an incident beside taking it: until when, and whether the page was worth it."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from msgspec.structs import replace
from sqlalchemy.ext.asyncio import AsyncConnection

from app.errors import Conflict, Invalid, NotFound
from app.incidents import store
from app.incidents.commands import Responder, must_be_open
from app.incidents.states import REMINDED_AHEAD, Incident
from app.incidents.timeline import Entry

PROMISE_AT_MOST = timedelta(hours=24)


async def promise(conn: AsyncConnection, now: datetime, incident_id: UUID, who: Responder, until: datetime) -> Incident:
    """Whoever has it keeps it until then and is held to that (behaviour.md 5): the acknowledgement expires, whatever
    the priority. Raises `Invalid` for an end that is past or more than 24 h away, `Conflict` unless this person has it.
    """
    if not now < until <= now + PROMISE_AT_MOST:
        raise Invalid("a promise ends within 24 hours", errors=[{"field": "until", "message": "out of range"}])
    incident = await _locked(conn, incident_id)
    if incident.state != "acknowledged" or incident.acknowledged_by_id != who.person():
        raise Conflict(f"{who.name} does not have incident {incident.number}", code="not_acknowledged")
    after = replace(incident, wakes_at=until, wakes_because="expires")
    await store.update(conn, [after])
    if until <= now + REMINDED_AHEAD:
        await conn.execute(store.NOT_REMINDED, {"id": incident.id})
    said = {"name": who.name, "via": who.via, "until": until.isoformat(timespec="minutes")}
    await store.write_timeline(conn, [Entry(incident.id, "promised", who.actor, said)], now)
    return replace(after, version=after.version + 1)


async def not_actionable(conn: AsyncConnection, now: datetime, incident_id: UUID, who: Responder) -> None:
    """There was nothing to do about it, so nobody should have been paged: for whoever tunes the rules. Raises
    `Conflict` for one that is over."""
    incident = await _locked(conn, incident_id)
    must_be_open(incident)
    said = {"name": who.name, "via": who.via}
    await store.write_timeline(conn, [Entry(incident.id, "not_actionable", who.actor, said)], now)


async def _locked(conn: AsyncConnection, incident_id: UUID) -> Incident:
    found = (await store.lock(conn, [incident_id])).get(incident_id)
    if found is None:
        raise NotFound("there is no such incident")
    return found

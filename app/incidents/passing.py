"""⓪ What time does to incidents: acknowledgements expire, snoozes end, recovery delays pass, support hours begin."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from msgspec.structs import replace
from sqlalchemy.ext.asyncio import AsyncConnection

from app.alerts.suppression import Suppressions
from app.incidents import quieting, states, store
from app.incidents.states import Incident
from app.incidents.timeline import Entry

_ENDED: dict[str | None, str] = {"snoozed": "snooze_ended", states.SILENCED: "silence_ended"}


async def pass_time(conn: AsyncConnection, suppressions: Suppressions, now: datetime) -> None:
    """Everything of this room that is due. Each kind is claimed with one statement; workers never meet."""
    await quieting.waking(conn, suppressions, now)
    await _wake(conn, now)
    await _recover(conn, now)
    await _become_loud(conn, now)


async def claim_triggered(conn: AsyncConnection, now: datetime, limit: int = 1000) -> list[UUID]:
    """Incidents that became triggered since the last tick, once: their ladders are to start again."""
    rows = await conn.execute(store.CLAIM_TRIGGERED, {"now": now, "limit": limit})
    return [r.id for r in rows]


async def _wake(conn: AsyncConnection, now: datetime) -> None:
    due = await store.due(conn, "wakes", now)
    names = await store.names(conn, {i.acknowledged_by_id for i in due if i.acknowledged_by_id is not None})
    entries = [
        Entry(
            i.id,
            _ENDED.get(i.wakes_because, "acknowledgement_expired"),
            data={"name": names.get(i.acknowledged_by_id or 0, "nobody")},
        )
        for i in due
    ]
    await _write(conn, [states.trigger(i, now) for i in due], entries, now)


async def _recover(conn: AsyncConnection, now: datetime) -> None:
    """A recovery delay has passed without a new occurrence; or 15 minutes since a person resolved what still fired."""
    changed: list[Incident] = []
    entries: list[Entry] = []
    due = await store.due(conn, "recovery", now)
    held = await store.held_keys(conn, {i.correlation_key for i in due if not i.is_open})
    for incident in due:
        if not incident.is_open and incident.firing:
            # It takes new occurrences of its key again, unless another one does by now.
            key = None if incident.correlation_key in held else incident.correlation_key
            changed.append(states.reopen(incident, now, key))
            held.add(incident.correlation_key)
            because = f"{incident.firing} alerts still fire"
            entries.append(Entry(incident.id, "reopened", data={"priority": incident.priority, "because": because}))
        elif incident.is_open and not incident.firing and not incident.held_open:
            changed.append(states.resolve(incident, now, "source"))
            because = "all its alerts stayed resolved"
            entries.append(Entry(incident.id, "resolved", data={"priority": incident.priority, "because": because}))
        else:
            changed.append(replace(incident, recovery_due_at=None))
    await _write(conn, changed, entries, now)


async def _become_loud(conn: AsyncConnection, now: datetime) -> None:
    changed: list[Incident] = []
    entries: list[Entry] = []
    for incident in await store.due(conn, "loud", now):
        loud = states.with_loudness(incident, "loud", None)
        changed.append(states.trigger(loud, now) if incident.state == "triggered" else loud)
        if incident.is_open:
            entries.append(Entry(incident.id, "became_loud"))
    await _write(conn, changed, entries, now)


async def expire_alerts(
    conn: AsyncConnection, ended: Sequence[UUID], recovery_delays: dict[int, timedelta], now: datetime
) -> None:
    """Occurrences of these incidents ended because their source fell silent; one item an occurrence."""
    incidents = await store.lock(conn, set(ended))
    entries: list[Entry] = []
    for incident_id in ended:
        incident = incidents[incident_id]
        ended_one = replace(incident, firing=max(incident.firing - 1, 0))
        if incident.is_open:
            entries.append(Entry(incident.id, "alert_expired", data={"firing": ended_one.firing}))
        incidents[incident_id] = ended_one
    for incident in list(incidents.values()):
        if incident.firing or not incident.is_open or incident.held_open:
            continue
        delay = recovery_delays.get(incident.service_id, timedelta())
        if delay:
            incidents[incident.id] = replace(incident, recovery_due_at=now + delay)
        else:
            incidents[incident.id] = states.resolve(incident, now, "source")
            because = "no sign of its alerts from the source any more"
            entries.append(Entry(incident.id, "resolved", data={"priority": incident.priority, "because": because}))
    await _write(conn, list(incidents.values()), entries, now)


async def _write(conn: AsyncConnection, changed: list[Incident], entries: list[Entry], now: datetime) -> None:
    await store.update(conn, changed)
    await store.write_timeline(conn, entries, now)

"""Silences and incidents that are open already: while a silence holds for every alert of one that fires, it pages
nobody, as if snoozed by nobody; when that ends and they still fire, it goes on as new (behaviour.md 3 and 10).

An incident is looked at when a silence begins or ends for one of its alerts (`occurrences.recheck_at`), when its own
quiet is over, and when its ladder is about to start: so neither a batch that did not know of the silence yet nor
another worker is missed. An alert that joins and is not silenced ends the quiet at once (`correlation.py`).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec.structs import replace
from sqlalchemy.ext.asyncio import AsyncConnection

from app.alerts import suppression_store
from app.alerts.suppression import Silence, Suppressions
from app.incidents import states, store
from app.incidents.states import Incident
from app.incidents.timeline import Entry


async def look(
    conn: AsyncConnection,
    incident_ids: Collection[UUID],
    suppressions: Suppressions,
    now: datetime,
    *,
    only_free: bool = False,
) -> None:
    """Makes these incidents quiet, or pages for them again, as the silences of now say. `only_free`: for a caller who
    holds ladders: one that somebody is about to change is left to him."""
    if not incident_ids:
        return
    incidents = await store.lock(conn, incident_ids, only_free=only_free)
    silenced: dict[UUID, list[Silence | None]] = {}
    for row in await suppression_store.counting(conn, incident_ids=incident_ids):
        found = suppressions.silenced_by(row["seen"], row["service_id"], now)
        silenced.setdefault(row["incident_id"], []).append(found[0] if found else None)
    after = [change for i in incidents.values() if (change := judge(i, silenced.get(i.id, ()), now)) is not None]
    await store.update(conn, [incident for incident, _ in after])
    await store.write_timeline(conn, [entry for _, entry in after], now)


async def waking(conn: AsyncConnection, suppressions: Suppressions, now: datetime) -> None:
    """Incidents whose quiet is over: a silence may have been extended, or another one have begun."""
    if suppressions.silences:
        await look(conn, await store.silenced_until(conn, now), suppressions, now)


def judge(incident: Incident, firing: Sequence[Silence | None], now: datetime) -> tuple[Incident, Entry] | None:
    """`firing`: for each of its alerts that fires, the silence that holds for it longest. None: nothing changes."""
    holding = [silence for silence in firing if silence is not None]
    if holding and len(holding) == len(firing):
        first = min(holding, key=lambda s: (s.ends_at, s.id))
        entry = Entry(incident.id, "silenced", data=_said(first))
        if incident.state == "triggered":
            return states.acknowledge(incident, now, None, first.ends_at, states.SILENCED), entry
        if incident.silenced and incident.wakes_at != first.ends_at:
            return replace(incident, wakes_at=first.ends_at), entry
        return None
    return (states.trigger(incident, now), Entry(incident.id, "silence_ended")) if incident.silenced else None


def _said(silence: Silence) -> dict[str, Any]:
    until = silence.ends_at.isoformat(timespec="minutes")
    return {"silence": str(silence.id), "name": silence.created_by, "because": silence.comment, "until": until}

"""Why something happened: all that the road decided, from the request to the event, the incident and the page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from app.errors import NotFound
from app.incidents import reading
from app.rehearsal import explanation_store as store
from app.rehearsal import stages
from app.rehearsal.stages import NOT_DECISIONS, Stage

OCCURRENCES, EVENTS, ENTRIES, MESSAGES = 50, 200, 300, 200


@dataclass(frozen=True, slots=True)
class Explanation:
    """Stages in the order in which they happened. `complete` False: there was more than is told."""

    stages: list[Stage]
    complete: bool


async def of_receipt(conn: AsyncConnection, receipt_id: UUID) -> Explanation:
    """What became of a request. Raises `NotFound`."""
    row = await store.receipt(conn, receipt_id)
    if row is None:
        raise NotFound("there is no such receipt", id=str(receipt_id))
    alerts = {UUID(str(alert)) for _, _, alert in row.outcomes if alert is not None}
    events = await store.events(conn, alerts, receipt=receipt_id, limit=EVENTS)
    titles = await store.titles(conn, alerts)
    kept = Counter((event.alert_id, event.outcome) for event in events)
    found = list(stages.of_receipt(row))
    for index, code, alert in row.outcomes[:EVENTS]:
        alert_id = None if alert is None else UUID(str(alert))
        kept[alert_id, code] -= 1
        if kept[alert_id, code] < 0:  # only counted, or kept elsewhere
            found.append(stages.of_outcome(code, index, titles.get(alert_id) if alert_id else None, row.at, alert_id))
    occurrences = await store.occurrences(conn, ids={e.occurrence_id for e in events}, limit=OCCURRENCES)
    return await _explained(conn, found, occurrences, events, len(row.outcomes) <= EVENTS)


async def of_alert(conn: AsyncConnection, alert_id: UUID) -> Explanation:
    """The newest occurrences of an alert and their incidents. Raises `NotFound`."""
    if await store.alert(conn, alert_id) is None:
        raise NotFound("there is no such alert", id=str(alert_id))
    return await _of_occurrences(conn, await store.occurrences(conn, alert=alert_id, limit=OCCURRENCES))


async def of_incident(conn: AsyncConnection, number: int) -> Explanation:
    """An incident, and the events that made it. Raises `NotFound`."""
    incident_id = await reading.id_of(conn, number)
    if incident_id is None:
        raise NotFound(f"there is no incident {number}", number=number)
    return await _of_occurrences(conn, await store.occurrences(conn, incident=incident_id, limit=OCCURRENCES))


async def _of_occurrences(conn: AsyncConnection, occurrences: Sequence[Any]) -> Explanation:
    alerts, ids = {o.alert_id for o in occurrences}, {o.id for o in occurrences}
    events = await store.events(conn, alerts, occurrences=ids, limit=EVENTS)
    return await _explained(conn, [], occurrences, events, len(events) < EVENTS)


async def _explained(
    conn: AsyncConnection, found: list[Stage], occurrences: Sequence[Any], events: Sequence[Any], complete: bool
) -> Explanation:
    numbers = {o.id: o.number for o in occurrences}
    first_at = {event.occurrence_id: event.at for event in reversed(events)}
    found += [stages.of_event(event, numbers.get(event.occurrence_id)) for event in events]
    outcomes = {o.id: {e.outcome for e in events if e.occurrence_id == o.id} for o in occurrences}
    for occurrence in occurrences:
        at = first_at.get(occurrence.id, occurrence.starts_at)
        found += stages.of_occurrence(occurrence, at, fired=outcomes[occurrence.id] != {"unmatched_resolve"})
    incidents = {o.incident_id: o.number for o in occurrences if o.incident_id is not None}
    entries = await store.timeline(conn, incidents, NOT_DECISIONS, ENTRIES)
    for entry in entries:
        found += stages.of_entry(entry, incidents[entry.incident_id])
    found += [stages.of_policy(row, incidents[row.incident_id]) for row in await store.policies(conn, incidents)]
    messages = await store.notifications(conn, incidents, MESSAGES)
    found += [stages.of_notification(row, incidents[row.incident_id]) for row in messages]
    within = len(occurrences) < OCCURRENCES and len(entries) < ENTRIES and len(messages) < MESSAGES
    return Explanation(sorted(found, key=lambda stage: stage.order), complete and within)

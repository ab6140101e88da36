"""From what came in to what dedup decides on, and from its decisions to what ingest keeps."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import islice
from typing import Any
from uuid import UUID

from app.alerts.dedup import Arrival, Decision
from app.db import ids
from app.ingest.event import Noticed
from app.ingest.requests import NIL, Request
from app.ingest.store import EventRecord


def arrivals(request: Request) -> list[Arrival]:
    """The events of a request."""
    door, receipt_id = request.door, request.receipt_id
    e = door.entrance
    window_s, ignored = door.stale_window_s, e.ignored_labels
    return [
        Arrival(event, e.integration_id, door.key, e.source, e.service_id, window_s, receipt_id, index, ignored)
        for index, event in request.parsed.events
    ]


def noticed(found: Sequence[Noticed]) -> list[Arrival]:
    """Events that nobody sent: there is no receipt, and nothing of them is stale, since they are told in order."""
    return [
        Arrival(n.event, n.integration_id, n.integration_key, n.source, n.service_id, 0, NIL, index)
        for index, n in enumerate(found)
    ]


def outcomes(requests: Sequence[Request], decisions: Sequence[Decision]) -> dict[UUID, list[list[Any]]]:
    """What became of the events, by receipt. Decisions come in the order of their events."""
    left = iter(decisions)
    return {
        request.receipt_id: [[d.arrival.index, d.outcome.value, d.alert.id] for d in islice(left, len(events))]
        for request in requests
        if (events := request.parsed.events)
    }


def events(decisions: Sequence[Decision], now: datetime) -> list[EventRecord]:
    """The events that changed something, as they are kept."""
    return [
        EventRecord(ids.new(now), _receipt(d), d.alert.id, d.alert.occurrence_id, d.outcome, d.arrival.event)
        for d in decisions
        if d.outcome.changes
    ]


def _receipt(decision: Decision) -> UUID | None:
    return None if decision.arrival.receipt_id == NIL else decision.arrival.receipt_id

"""④ What a batch did to alerts, done to incidents: one locking read, one pure fold, one write."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from msgspec import convert
from msgspec.structs import replace
from sqlalchemy.ext.asyncio import AsyncConnection

from app.alerts import store as alerts_store
from app.alerts.commands import Routed
from app.alerts.dedup import Arrival, Decided, Outcome
from app.db.engine import Raced
from app.incidents import correlation, store
from app.incidents.correlation import correlation_key
from app.incidents.happenings import (
    DEFAULT_TERMS,
    NOTHING_DECIDED,
    WINDOW,
    Correlated,
    Happening,
    Rank,
    Terms,
)
from app.incidents.states import Incident
from app.incidents.topology import NOWHERE, Topology

_KINDS = {Outcome.RESOLVED: "resolved", Outcome.ACKNOWLEDGED: "acknowledged"}


KeyOf = Callable[[Arrival, int], tuple[str, Terms]]
"""The correlation key of an arrival at a service, and on what terms."""


SAME_HEARTBEAT = Terms(because="the same heartbeat")
SAME_ALERT = Terms(because="the same service and alert, which has no alertname")


def default_key(arrival: Arrival, service_id: int) -> tuple[str, Terms]:
    """Where no correlation rule has anything to say. Each heartbeat is a problem of its own."""
    if arrival.source == "heartbeat":
        return f"{service_id}::{arrival.event.dedup_key}", SAME_HEARTBEAT
    labels = arrival.event.labels
    terms = DEFAULT_TERMS if labels.get("alertname") else SAME_ALERT
    return correlation_key(service_id, labels, arrival.event.dedup_key), terms


async def correlate(
    conn: AsyncConnection,
    routed: Sequence[Routed],
    recovery_delays: Mapping[int, timedelta],
    key_of: KeyOf,
    rank: Rank,
    now: datetime,
    topology: Topology = NOWHERE,
) -> Correlated:
    """Opens, joins, reopens, raises and resolves incidents. Raises `Raced` when another process was faster."""
    happenings = [h for r in routed if (h := _happening(r, recovery_delays, key_of)) is not None]
    if not happenings:
        return Correlated()
    known = await _lock(conn, happenings, topology, now)
    patient = {h.correlation_key: h.terms.threshold[1] for h in happenings if h.terms.threshold is not None}
    waiting = await alerts_store.waiting(conn, patient, now - max(patient.values())) if patient else {}
    result = correlation.correlate(known.values(), happenings, rank, now, waiting, topology)
    await alerts_store.release(conn, result.released, now)
    await store.update(conn, list(result.changed.values()), known)
    numbers = await store.insert(conn, list(result.opened.values()))
    result.opened = {i: replace(incident, number=numbers[i]) for i, incident in result.opened.items()}
    await store.write_timeline(conn, result.entries, now)
    return result


async def _lock(
    conn: AsyncConnection, happenings: Sequence[Happening], topology: Topology, now: datetime
) -> dict[UUID, Incident]:
    """All that these may be about. Raises `Raced` when one of them was merged into another in the meantime."""
    opened = [h for h in happenings if h.kind == "opened"]
    keys = {h.correlation_key for h in opened} | {h.own_key for h in opened if h.decided.not_with}
    about = {h.incident_id for h in happenings if h.incident_id is not None}
    about |= {h.decided.belongs_with for h in opened if h.decided.belongs_with is not None}
    above = topology.above(h.service_id for h in opened) if topology.upstreams else set()
    known = await store.lock_for_batch(conn, keys, about, above, now - WINDOW)
    if any(i.merged_into_id is not None and i.merged_into_id not in known for i in known.values()):
        raise Raced("an incident was merged")
    return known


def _happening(r: Routed, recovery_delays: Mapping[int, timedelta], key_of: KeyOf) -> Happening | None:
    decision, before = r.decision, r.before
    kind = _kind(r)
    if kind is None:
        return None
    arrival, event = decision.arrival, decision.arrival.event
    # An open occurrence keeps its service when the integration is moved to another.
    service_id = arrival.service_id if before is None or kind == "opened" else before.service_id
    key, terms = key_of(arrival, service_id)
    return Happening(
        kind=kind,
        occurrence_id=decision.alert.occurrence_id,
        alert_id=decision.alert.id,
        service_id=service_id,
        correlation_key=key,
        title=event.title,
        severity=event.severity,
        actor=f"source:{arrival.integration_key}",
        incident_id=None if before is None else before.incident_id,
        recovery_delay=recovery_delays.get(service_id, timedelta()),
        facts=arrival,
        terms=terms,
        flapping=decision.alert.flapping,
        decided=_decided(decision.alert.decided),
    )


def _decided(stored: Mapping[str, Any] | None) -> Decided:
    return NOTHING_DECIDED if stored is None else convert(stored, Decided)


def _kind(r: Routed) -> str | None:
    outcome = r.decision.outcome
    if outcome in (Outcome.OPENED, Outcome.REVIVED):
        return None if r.suppressed else "opened"
    if outcome is Outcome.CHANGED:
        was_suppressed = r.before is not None and r.before.suppressed is not None
        if was_suppressed:
            return None if r.suppressed else "opened"
        # Silenced meanwhile: it stays where it is, and raises nothing.
        return None if r.suppressed else "changed"
    if outcome is Outcome.RESOLVED and r.before is not None and r.before.suppressed is not None:
        return None  # it does not count in the incident that it belonged to before
    return _KINDS.get(outcome)

"""What the road and the clock do to alerts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncConnection

from app.alerts import dedup, store
from app.alerts.dedup import Arrival, Decision, Folded, Outcome
from app.alerts.store import Belongs, OccurrenceRow
from app.alerts.suppression import Suppressed, suppress


async def deduplicate(conn: AsyncConnection, arrivals: Sequence[Arrival], now: datetime) -> Folded:
    """③ Decides and writes the alerts of a batch. Raises `Raced` when another process made one of them meanwhile."""
    heard = Counter(a.identity for a in arrivals)
    folded = dedup.fold(await store.hear(conn, heard, now), arrivals, now)
    if folded.created:
        decisions = sorted(folded.created.values(), key=lambda d: d.arrival.identity)
        await store.insert(conn, decisions, [heard[d.arrival.identity] for d in decisions], now)
    if folded.rewritten:
        await store.rewrite(conn, list(folded.rewritten.values()))
    if folded.moved:
        await store.move(conn, list(folded.moved.values()))
    return folded


class Routed(Struct, frozen=True, gc=False):
    """A decision that changed something, after the routing rules: what suppresses it now, and where its occurrence
    belonged before (None: it is new)."""

    decision: Decision
    suppressed: Suppressed | None
    before: Belongs | None


async def route(conn: AsyncConnection, decisions: Sequence[Decision]) -> list[Routed]:
    """③ Routing rules, once per occurrence and again when its severity or labels change; and where it belonged."""
    changing = [d for d in decisions if d.outcome.changes]
    known = [d.alert.occurrence_id for d in changing if d.outcome is not Outcome.OPENED]
    before = await store.belongings(conn, set(known))
    routed = []
    for decision in changing:
        event = decision.arrival.event
        suppressed = suppress(event) if event.kind == "firing" else None
        occurrence_id = decision.alert.occurrence_id
        routed.append(Routed(decision, suppressed, before.get(occurrence_id)))
        if event.kind == "firing":
            incident_id = before[occurrence_id].incident_id if occurrence_id in before else None
            why = None if suppressed is None else _as_json(suppressed)
            before[occurrence_id] = Belongs(incident_id, decision.arrival.service_id, why)
    return routed


def _as_json(suppressed: Suppressed) -> dict[str, str]:
    return {"by": suppressed.by, "name": suppressed.name, "because": suppressed.because}


async def keep_occurrences(
    conn: AsyncConnection, routed: Sequence[Routed], belongs: Mapping[UUID, UUID], priorities: Mapping[UUID, int]
) -> None:
    """The occurrences of a batch as it left them. `belongs`: to which incident each was correlated."""
    rows: dict[UUID, OccurrenceRow] = {}
    for r in routed:
        alert = r.decision.alert
        before = rows.get(alert.occurrence_id)
        was = before.suppressed if before is not None else r.before.suppressed if r.before is not None else None
        incident_id = belongs.get(alert.occurrence_id) or (r.before.incident_id if r.before is not None else None)
        suppressed = None if incident_id is not None else _as_json(r.suppressed) if r.suppressed is not None else was
        rows[alert.occurrence_id] = OccurrenceRow(
            alert.occurrence_id,
            alert.id,
            incident_id,
            r.decision.arrival.service_id if r.before is None else r.before.service_id,
            alert.starts_at,
            alert.ended_at,
            alert.end_kind,
            alert.severity,
            priorities.get(alert.occurrence_id),
            suppressed if r.decision.arrival.event.kind == "firing" or was is None else was,
        )
    await store.keep_occurrences(conn, list(rows.values()))


@dataclass(frozen=True, slots=True)
class Expired:
    """An occurrence that ended because nothing renewed its alert, its incident and its alert's integration."""

    occurrence_id: UUID
    incident_id: UUID | None
    integration_id: int


async def expire(conn: AsyncConnection, now: datetime, limit: int = 500) -> list[Expired]:
    """⓪ Alerts that came with an end and were not renewed are over (behaviour.md 2)."""
    rows = (await conn.execute(store.LOCK_EXPIRED, {"now": now, "limit": limit})).all()
    renewed = [r.id for r in rows if r.expires_at is not None and r.expires_at > now]
    silent = [r.id for r in rows if r.expires_at is None or r.expires_at <= now]
    if renewed:
        await conn.execute(store.REARM, {"ids": renewed})
    if not silent:
        return []
    ended = (await conn.execute(store.EXPIRE, {"ids": silent, "now": now})).all()
    occurrences = await conn.execute(
        store.EXPIRE_OCCURRENCES,
        {"ids": [r.occurrence_id for r in ended], "ended_at": [r.ended_at for r in ended]},
    )
    integrations = {r.occurrence_id: r.integration_id for r in ended}
    return [Expired(r.id, r.incident_id, integrations[r.id]) for r in occurrences]

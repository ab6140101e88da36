"""What the road and the clock do to alerts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncConnection

from app import metrics
from app.alerts import dedup, inhibiting, store, suppression_store
from app.alerts.dedup import Arrival, Decision, Folded, Outcome
from app.alerts.inhibiting import Fired
from app.alerts.store import Belongs, OccurrenceRow
from app.alerts.suppression import Suppressed, Suppressions, suppress
from app.db.engine import on_commit


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


async def route(
    conn: AsyncConnection, decisions: Sequence[Decision], suppressions: Suppressions, now: datetime
) -> list[Routed]:
    """③ Routing rules, once per occurrence and again when its severity or labels change; and where it belonged."""
    changing = [d for d in decisions if d.outcome.changes]
    known = [d.alert.occurrence_id for d in changing if d.outcome is not Outcome.OPENED]
    before = await store.belongings(conn, set(known))
    judging = await _judging(conn, changing, suppressions, now)
    routed = []
    for decision in changing:
        event = decision.arrival.event
        occurrence_id = decision.alert.occurrence_id
        was = before.get(occurrence_id)
        service_id = decision.arrival.service_id if was is None else was.service_id
        firing = event.kind == "firing"
        suppressed = (suppress(event) or judging.judge(event.labels, service_id, now)) if firing else None
        routed.append(Routed(decision, suppressed, was))
        if firing:
            counts = was is not None and was.counts and decision.outcome is Outcome.CHANGED
            why = None if suppressed is None or counts else _as_json(suppressed)
            before[occurrence_id] = Belongs(None if was is None else was.incident_id, service_id, why)
    return routed


async def _judging(
    conn: AsyncConnection, changing: Sequence[Decision], suppressions: Suppressions, now: datetime
) -> Suppressions:
    last = {d.alert.id: d for d in changing if d.arrival.event.kind != "acknowledged"}
    firing = [d for d in last.values() if d.alert.firing]
    fired = [Fired(d.alert.id, d.arrival.event.labels, d.arrival.event.title) for d in firing]
    return await inhibiting.prepare(conn, suppressions, fired, [i for i, d in last.items() if not d.alert.firing], now)


def _as_json(suppressed: Suppressed) -> dict[str, Any]:
    until = None if suppressed.until is None else suppressed.until.isoformat()
    return {"by": suppressed.by, "name": suppressed.name, "because": suppressed.because, "until": until}


def _suppressed(r: Routed, was: dict[str, Any] | None, *, belongs: bool) -> dict[str, Any] | None:
    """What is stored as suppressing the occurrence after this. One that counts in its incident goes on to count; what
    is over keeps the reason."""
    if belongs:
        return None
    if r.decision.arrival.event.kind != "firing":
        return was
    counts = r.decision.outcome is Outcome.CHANGED and r.before is not None and r.before.counts
    return None if counts or r.suppressed is None else _as_json(r.suppressed)


async def keep_occurrences(
    conn: AsyncConnection,
    routed: Sequence[Routed],
    belongs: Mapping[UUID, UUID],
    priorities: Mapping[UUID, int],
    now: datetime,
) -> None:
    """The occurrences of a batch as it left them. `belongs`: to which incident each was correlated."""
    rows: dict[UUID, OccurrenceRow] = {}
    counted: Counter[tuple[str, str]] = Counter()
    for r in routed:
        alert = r.decision.alert
        before = rows.get(alert.occurrence_id)
        was = before.suppressed if before is not None else r.before.suppressed if r.before is not None else None
        incident_id = belongs.get(alert.occurrence_id) or (r.before.incident_id if r.before is not None else None)
        suppressed = _suppressed(r, was, belongs=alert.occurrence_id in belongs)
        until = None if r.suppressed is None or suppressed is None or not alert.firing else r.suppressed.until
        if suppressed is not None and suppressed is not was:
            counted[suppressed["by"], suppressed["name"]] += 1
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
            suppressed,
            until,
        )
    await store.keep_occurrences(conn, list(rows.values()))
    if counted:
        await suppression_store.count(conn, now, counted)
        on_commit(conn, lambda: _tell(counted))


def _tell(counted: Mapping[tuple[str, str], int]) -> None:
    for (by, _), count in counted.items():
        metrics.suppressed(by, count)


@dataclass(frozen=True, slots=True)
class Expired:
    """An occurrence that ended because nothing renewed its alert, and its incident."""

    occurrence_id: UUID
    incident_id: UUID | None


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
    await inhibiting.end(conn, [r.id for r in ended], now)
    return [Expired(r.id, r.incident_id) for r in occurrences]

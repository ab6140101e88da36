"""What the road and the clock do to alerts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace
from sqlalchemy.ext.asyncio import AsyncConnection

from app.alerts import dedup, store
from app.alerts.dedup import Arrival, Decision, Folded, Outcome
from app.alerts.routing import Route, Router, built_in
from app.alerts.store import Belongs, OccurrenceRow
from app.alerts.suppression import Suppressed
from app.db import ids


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
    kept: Mapping[str, Any] | None = None
    """What routing rules made of it."""


Judge = Callable[[Arrival, datetime], Suppressed | None]
"""Whether silence, maintenance window, inhibition or mute time interval keep an arrival quiet at this instant."""


@dataclass(frozen=True, slots=True)
class Ways:
    """What the configuration makes of arrivals."""

    route: Router = built_in
    judge: Judge = lambda arrival, now: None


async def route(conn: AsyncConnection, decisions: Sequence[Decision], ways: Ways, now: datetime) -> list[Routed]:
    """③ Routing rules, once per occurrence and again when its severity or labels change; and where it belonged."""
    changing = [d for d in decisions if d.outcome.changes]
    known = [d.alert.occurrence_id for d in changing if d.outcome is not Outcome.OPENED]
    before = await store.belongings(conn, set(known))
    return _routed(changing, before, ways, now)


def _routed(decisions: Sequence[Decision], before: dict[UUID, Belongs], ways: Ways, now: datetime) -> list[Routed]:
    """`before` follows what the batch does, so that a second event of an occurrence sees what the first one did."""
    routed = []
    for decision in decisions:
        occurrence_id = decision.alert.occurrence_id
        belonged = before.get(occurrence_id)
        if decision.arrival.event.kind != "firing":
            routed.append(Routed(decision, None, belonged))
            continue
        way = ways.route(decision.arrival)
        suppressed = way.suppressed or ways.judge(way.arrival, now) or _held(way, occurrence_id, now)
        routed.append(Routed(replace(decision, arrival=way.arrival), suppressed, belonged, way.kept))
        incident_id = None if belonged is None else belonged.incident_id
        why = None if suppressed is None else _as_json(suppressed)
        before[occurrence_id] = Belongs(incident_id, way.arrival.service_id, why)
    return routed


def _held(way: Route, occurrence_id: UUID, now: datetime) -> Suppressed | None:
    """Until it has fired for as long as the rule wants, since we first heard of this occurrence."""
    if way.hold is None:
        return None
    length, name, because = way.hold
    until = ids.instant_of(occurrence_id) + length
    return Suppressed("hold", name, because, until) if until > now else None


def _as_json(suppressed: Suppressed) -> dict[str, str]:
    said = {"by": suppressed.by, "name": suppressed.name, "because": suppressed.because}
    return said if suppressed.until is None else said | {"until": suppressed.until.isoformat()}


async def keep_occurrences(
    conn: AsyncConnection,
    routed: Sequence[Routed],
    belongs: Mapping[UUID, UUID],
    priorities: Mapping[UUID, int],
    held: Mapping[UUID, tuple[str, Suppressed]],
    symptoms: Collection[UUID] = (),
) -> None:
    """The occurrences of a batch as it left them. `belongs`: to which incident each was correlated; `held`: which wait
    for others of their correlation key; `symptoms`: which joined the incident of a service that theirs depends on."""
    rows: dict[UUID, OccurrenceRow] = {}
    for r in routed:
        rows[r.decision.alert.occurrence_id] = _row(
            r, rows.get(r.decision.alert.occurrence_id), belongs, priorities, held
        )
    kept = [replace(row, symptom=True) if row.id in symptoms else row for row in rows.values()]
    await store.keep_occurrences(conn, kept)


def _row(
    r: Routed,
    earlier: OccurrenceRow | None,
    belongs: Mapping[UUID, UUID],
    priorities: Mapping[UUID, int],
    held: Mapping[UUID, tuple[str, Suppressed]],
) -> OccurrenceRow:
    """`earlier`: as an event before this one left it, in the same batch."""
    alert = r.decision.alert
    fires = r.decision.arrival.event.kind == "firing"
    was = earlier.suppressed if earlier is not None else r.before.suppressed if r.before is not None else None
    incident_id = belongs.get(alert.occurrence_id) or (r.before.incident_id if r.before is not None else None)
    held_key, waits = held.get(alert.occurrence_id, (None, None)) if alert.firing else (None, None)
    now_by = r.suppressed if fires else None
    suppressed = None if incident_id is not None else was
    if incident_id is None and fires:
        by = waits or now_by
        suppressed = None if by is None else _as_json(by)
    until = (waits or now_by or _NOT).until if incident_id is None and alert.firing else None
    return OccurrenceRow(
        alert.occurrence_id,
        alert.id,
        incident_id,
        r.decision.arrival.service_id if r.before is None or (fires and r.before.incident_id is None)
        else r.before.service_id,
        alert.starts_at,
        alert.ended_at,
        alert.end_kind,
        r.decision.arrival.event.severity if fires else alert.severity,
        priorities.get(alert.occurrence_id),
        suppressed,
        r.kept,
        until,
        held_key,
    )  # fmt: skip


_NOT = Suppressed("", "", "")


async def recheck(conn: AsyncConnection, ways: Ways, now: datetime, limit: int = 500) -> list[Routed]:
    """⓪ Firing occurrences whose suppression is to be looked at again. Those that nothing suppresses any more enter as
    new (behaviour.md 10): whoever calls correlates them and keeps them."""
    found = await store.to_recheck(conn, now, limit)
    before = {r.alert.occurrence_id: r.before for r in found}
    decisions = [Decision(r.arrival, Outcome.CHANGED, r.alert) for r in found]
    return _routed(decisions, before, ways, now)


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
    return [Expired(r.id, r.incident_id) for r in occurrences]

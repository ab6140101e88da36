"""What the road and the clock do to alerts."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace
from sqlalchemy.ext.asyncio import AsyncConnection

from app import metrics
from app.alerts import dedup, inhibiting, store, suppression_store
from app.alerts.dedup import Arrival, Decision, Folded, Outcome
from app.alerts.inhibiting import Fired
from app.alerts.routing import Route, Router, built_in
from app.alerts.store import Belongs, OccurrenceRow, Rechecked
from app.alerts.suppression import Suppressed, Suppressions
from app.alerts.words import completed
from app.db import ids
from app.db.engine import on_commit
from app.rules import matching

_STORED = tuple(Suppressed.__dataclass_fields__)
LOOK_AGAIN = timedelta(seconds=2)
"""Longer than most changes of the configuration take. While one goes on, what is looked at is looked at once more."""


async def deduplicate(conn: AsyncConnection, arrivals: Sequence[Arrival], now: datetime) -> Folded:
    """③ Decides and writes the alerts of a batch. Raises `Raced` when another process made one of them meanwhile."""
    heard = Counter([a.identity for a in arrivals])
    known = await store.hear(conn, heard, now)
    folded = dedup.fold(known, await completed(conn, arrivals), now)
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
    version: int = 0
    """Of the configuration that judged it."""


@dataclass(frozen=True, slots=True)
class Ways:
    """What the configuration makes of arrivals."""

    route: Router = built_in
    suppressions: Suppressions = field(default_factory=Suppressions)
    version: int = 0
    """Of the configuration."""

    def judge(self, arrival: Arrival, now: datetime) -> Suppressed | None:
        """Whether silence, maintenance window, inhibition or time interval keep an arrival quiet at this instant."""
        return self.suppressions.judge(_seen(arrival), arrival.service_id, now)

    def quiet(self, arrival: Arrival, now: datetime) -> Suppressed | None:
        """What would keep one quiet that fired now for the first time."""
        if arrival.event.kind != "firing":
            return None
        way = self.route(arrival)
        held = None if way.hold is None else dataclasses.replace(way.hold[1], until=now + way.hold[0])
        return way.suppressed or self.judge(way.arrival, now) or held


def _seen(arrival: Arrival) -> dict[str, str]:
    """What matchers see of it."""
    return matching.seen(arrival.event.labels, arrival.event.dedup_key, arrival.integration_key)


async def route(conn: AsyncConnection, decisions: Sequence[Decision], ways: Ways, now: datetime) -> list[Routed]:
    """③ Routing rules, once per occurrence and again when its severity or labels change; and where it belonged."""
    changing = [d for d in decisions if d.outcome.changes]
    known = [d.alert.occurrence_id for d in changing if d.outcome is not Outcome.OPENED]
    before = await store.belongings(conn, set(known))
    return _routed(changing, before, await _inhibiting(conn, changing, ways, now), now)


async def _inhibiting(conn: AsyncConnection, decisions: Sequence[Decision], ways: Ways, now: datetime) -> Ways:
    """With the alerts that inhibit others once these decisions hold."""
    if not ways.suppressions.inhibitions:
        return ways
    last = {d.alert.id: d for d in decisions if d.arrival.event.kind != "acknowledged"}
    firing = {i: ways.route(d.arrival).arrival for i, d in last.items() if d.alert.firing}
    fired = [Fired(alert_id, _seen(arrival), arrival.event.title) for alert_id, arrival in firing.items()]
    prepared = await inhibiting.prepare(conn, ways.suppressions, fired, last.keys() - firing.keys(), now)
    return Ways(ways.route, prepared, ways.version)


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
        routed.append(Routed(replace(decision, arrival=way.arrival), suppressed, belonged, way.kept, ways.version))
        incident_id = None if belonged is None else belonged.incident_id
        counts = belonged is not None and belonged.counts and decision.outcome is Outcome.CHANGED
        why = None if suppressed is None or counts else _as_json(suppressed)
        before[occurrence_id] = Belongs(incident_id, way.arrival.service_id, why)
    return routed


def _held(way: Route, occurrence_id: UUID, now: datetime) -> Suppressed | None:
    """Until it has fired for as long as the rule wants, since we first heard of this occurrence."""
    if way.hold is None:
        return None
    length, held = way.hold
    until = ids.instant_of(occurrence_id) + length
    return dataclasses.replace(held, until=until) if until > now else None


def _as_json(suppressed: Suppressed) -> dict[str, Any]:
    said = {name: value for name in _STORED if (value := getattr(suppressed, name)) is not None}
    return said if suppressed.until is None else said | {"until": suppressed.until.isoformat()}


async def keep_occurrences(
    conn: AsyncConnection,
    routed: Sequence[Routed],
    belongs: Mapping[UUID, UUID],
    priorities: Mapping[UUID, int],
    held: Mapping[UUID, tuple[str, Suppressed]],
    symptoms: Collection[UUID],
    now: datetime,
) -> None:
    """The occurrences of a batch as it left them. `belongs`: to which incident each was correlated; `held`: which wait
    for others of their correlation key; `symptoms`: which joined the incident of a service that theirs depends on."""
    rows: dict[UUID, OccurrenceRow] = {}
    counted: Counter[tuple[str, str]] = Counter()
    for r in routed:
        earlier = rows.get(r.decision.alert.occurrence_id)
        row = rows[r.decision.alert.occurrence_id] = _row(r, earlier, belongs, priorities, held)
        was = earlier.suppressed if earlier is not None else None if r.before is None else r.before.suppressed
        if row.suppressed is not None and _what(row.suppressed) != _what(was):
            counted[_what(row.suppressed)] += 1
    kept = [replace(row, symptom=True) if row.id in symptoms else row for row in rows.values()]
    judged = {r.version for r in routed if r.suppressed is not None and r.version}
    if judged and not await suppression_store.in_force(conn, judged):
        # A silence that is ended at this very moment does not see these rows: so they are looked at once more.
        again = now + LOOK_AGAIN
        kept = [replace(r, recheck_at=again) if r.suppressed is not None and r.ended_at is None else r for r in kept]
    await store.keep_occurrences(conn, kept)
    if counted:
        await suppression_store.count(conn, now, counted)
        on_commit(conn, lambda: _tell(counted))


def _what(suppressed: dict[str, Any] | None) -> tuple[str, str]:
    return ("", "") if suppressed is None else (suppressed["by"], suppressed["name"])


def _tell(counted: Mapping[tuple[str, str], int]) -> None:
    for (by, _), count in counted.items():
        metrics.suppressed(by, count)


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
    by = (waits or r.suppressed) if fires else None
    # One that counts in its incident goes on to count; one that comes back suppressed does not.
    counts = alert.occurrence_id in belongs or (
        r.before is not None and r.before.counts and r.decision.outcome is not Outcome.REVIVED
    )
    suppressed = None if counts else was if not fires else None if by is None else _as_json(by)
    until = by.until if by is not None and not counts and alert.firing else None
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


async def due(conn: AsyncConnection, now: datetime, limit: int = 500) -> list[Rechecked]:
    """⓪ Firing occurrences whose suppression is to be looked at again, locked. What judges them is to be read after
    this: a silence that was made or ended since the transaction began may be why, and nothing would look again."""
    return await store.to_recheck(conn, now, limit)


async def recheck(
    conn: AsyncConnection, due: Sequence[Rechecked], ways: Ways, now: datetime
) -> tuple[list[Routed], set[UUID]]:
    """⓪ Those that nothing suppresses any more enter as new (behaviour.md 10): whoever calls correlates them and keeps
    them. And the incidents in which others count."""
    counting = [r for r in due if r.before.counts]
    await store.looked_at(conn, [r.alert.occurrence_id for r in counting])
    before = {r.alert.occurrence_id: r.before for r in due if not r.before.counts}
    decisions = [Decision(r.arrival, Outcome.CHANGED, r.alert) for r in due if not r.before.counts]
    routed = _routed(decisions, before, await _inhibiting(conn, decisions, ways, now), now)
    return routed, {r.before.incident_id for r in counting if r.before.incident_id is not None}


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
    await inhibiting.end(conn, [r.id for r in ended], now)
    integrations = {r.occurrence_id: r.integration_id for r in ended}
    return [Expired(r.id, r.incident_id, integrations[r.id]) for r in occurrences]

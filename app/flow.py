"""THE ROAD: the life of an alert, step by step.

    sender -> receive(): ② parse ③ deduplicate, route ④ open or join an incident ⑤ priority ⑥ start its ladder
    worker -> climb():   ⓪ what time did ⑦ climb due ladders ⑧ who is on call ⑨ queue notifications
              deliver(): ⑩ claim, send, record
    person -> incidents.commands: ⑪ acknowledge ⑫ resolve, close. Ladders and pending notifications see it at their
              next claim: nobody calls ahead.

Each step is one set-based read, one pure decision, one set-based write. `receive` and `climb` run inside a transaction
that their caller commits; nothing outside the database happens in them.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from app.alerts import commands as alerts
from app.alerts.commands import Routed
from app.alerts.dedup import Arrival, Decision
from app.db import ids
from app.escalation import commands as escalation
from app.incidents import joining, passing, storming
from app.incidents.happenings import Correlated
from app.ingest import commands as ingest
from app.ingest.requests import Answer, Received, Request
from app.ingest.store import EventRecord
from app.notifications import commands as notifications
from app.notifications.delivery import Delivery
from app.notifications.due import next_due
from app.standing import Standing, Standings


async def receive(conn: AsyncConnection, requests: Sequence[Request], standings: Standings) -> Received:
    """A batch of requests, from bytes to ladders. Called by group commit, which commits and then answers."""
    now, standing = await standings.begin(conn)
    for request in requests:
        ingest.open_up(request, now)
    arrivals = [arrival for request in requests for arrival in _arrivals(request)]
    folded = await alerts.deduplicate(conn, arrivals, now)
    routed = await alerts.route(conn, folded.decisions, standing.ways(now), now)
    joined = await _respond(conn, routed, standing, now)
    answers = await ingest.keep(conn, requests, _outcomes(folded.decisions), _events(folded.decisions, now), now)
    return Received(answers, joined.pages, now)


async def _respond(conn: AsyncConnection, routed: Sequence[Routed], standing: Standing, now: datetime) -> Correlated:
    """④ to ⑥: from what changed about occurrences to ladders."""
    key_of, rank = standing.key_of(now), standing.rank(now)
    joined = await joining.correlate(conn, routed, standing.recovery_delays, key_of, rank, now)
    await alerts.keep_occurrences(conn, routed, joined.belongs, joined.priorities, joined.held)
    storm = await storming.watch(conn, joined.opened, standing.storm_threshold, standing.zone, now)
    await escalation.start(conn, [*joined.opened.values(), *storm], standing.policies, now)
    await escalation.go_on(conn, joined.continued, now)
    return joined


async def refuse(conn: AsyncConnection, request: Request, error: str, standings: Standings) -> Answer:
    """What was accepted and could not be processed goes to quarantine, whole."""
    now, _ = await standings.begin(conn)
    request.receipt_id = ids.new(now)
    return await ingest.quarantine(conn, now, request, error)


async def replay(conn: AsyncConnection, quarantined_id: UUID, standings: Standings) -> Received:
    """What was in quarantine goes along the road once more, after a fix."""
    now, _ = await standings.begin(conn)
    request = await ingest.replay(conn, now, quarantined_id)
    received = await receive(conn, [request], standings)
    await ingest.mark_replayed(conn, now, quarantined_id, received.answers[0].receipt_id)
    return received


@dataclass(frozen=True, slots=True)
class Climbed:
    """What one pass of the clock did. `lateness`: seconds after its due time, for every claimed ladder."""

    pages: int
    lateness: Sequence[float]
    unreachable: int
    wait_s: float | None
    """Real seconds until the next row falls due; None: none waits."""


async def climb(conn: AsyncConnection, channels: Collection[str], standings: Standings) -> Climbed:
    """One pass over everything that is due, except sending. `channels`: the names of the configured ones."""
    now, standing = await standings.begin(conn)
    await _expire(conn, standing.recovery_delays, now)
    await _respond(conn, await alerts.recheck(conn, standing.ways(now), now), standing, now)
    await passing.pass_time(conn, now)
    over = await storming.look(conn, now)
    await escalation.restart(conn, await passing.claim_triggered(conn, now), now)
    await escalation.go_on(conn, over.waiting, now)
    climbed = await escalation.climb(conn, standing.hours, channels, now)
    queued = await notifications.queue_pages(conn, climbed.pages, channels, now)
    await notifications.queue_storm_reports(conn, over.reports, channels, now)
    return Climbed(queued, climbed.lateness, climbed.unreachable, await next_due(conn))


async def deliver(delivery: Delivery) -> int:
    """Sends what is due, then takes over what was lost. Returns how many messages it claimed."""
    return await delivery.send_due() + await delivery.recover()


async def _expire(conn: AsyncConnection, recovery_delays: dict[int, Any], now: datetime) -> None:
    expired = await alerts.expire(conn, now)
    ended = [e.incident_id for e in expired if e.incident_id is not None]
    if ended:
        await passing.expire_alerts(conn, ended, recovery_delays, now)


def _arrivals(request: Request) -> list[Arrival]:
    door = request.door
    entrance = door.entrance
    return [
        Arrival(
            event,
            entrance.integration_id,
            door.key,
            entrance.source,
            entrance.service_id,
            door.stale_window_s,
            request.receipt_id,
            index,
            entrance.ignored_labels,
        )
        for index, event in request.parsed.events
    ]


def _outcomes(decisions: Sequence[Decision]) -> dict[UUID, list[list[Any]]]:
    outcomes: dict[UUID, list[list[Any]]] = {}
    for d in decisions:
        outcomes.setdefault(d.arrival.receipt_id, []).append([d.arrival.index, d.outcome.value, d.alert.id])
    return outcomes


def _events(decisions: Sequence[Decision], now: datetime) -> list[EventRecord]:
    return [
        EventRecord(ids.new(now), d.arrival.receipt_id, d.alert.id, d.alert.occurrence_id, d.outcome, d.arrival.event)
        for d in decisions
        if d.outcome.changes
    ]

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
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from app.alerts import arrivals, silent
from app.alerts import commands as alerts
from app.alerts.commands import Routed
from app.alerts.dedup import Arrival, Decision
from app.db import ids
from app.db.engine import unless_raced
from app.escalation import commands as escalation
from app.heartbeats import own, signs
from app.incidents import joining, passing, quieting, storming, symptoms
from app.incidents.happenings import Correlated
from app.ingest import commands as ingest
from app.ingest import store as ingest_store
from app.ingest.requests import Answer, Received, Request
from app.notifications import commands as notifications
from app.notifications.delivery import Delivery
from app.notifications.due import Climbed, look
from app.standing import Standing, Standings


async def receive(conn: AsyncConnection, requests: Sequence[Request], standings: Standings) -> Received:
    """A batch of requests, from bytes to ladders. Called by group commit, which commits and then answers."""
    now, standing = await standings.begin(conn)
    for request in requests:
        ingest.open_up(request, now)
    fed = await signs.feed(conn, standing.feeds, requests, now)
    decisions, pages = await _absorb(conn, [a for r in requests for a in arrivals.arrivals(r)], standing, now)
    kept = arrivals.outcomes(requests, decisions), arrivals.events(decisions, now)
    return Received(await ingest.keep(conn, requests, *kept, now), pages or fed, now)


async def _absorb(
    conn: AsyncConnection, brought: Sequence[Arrival], standing: Standing, now: datetime
) -> tuple[list[Decision], bool]:
    """③ to ⑥ for what arrived. Returns what was decided of each, and whether somebody is to be paged."""
    folded = await alerts.deduplicate(conn, brought, now)
    routed = await alerts.route(conn, folded.decisions, standing.ways(now), now)
    return folded.decisions, (await _respond(conn, routed, standing, now)).pages


async def _respond(conn: AsyncConnection, routed: Sequence[Routed], standing: Standing, now: datetime) -> Correlated:
    """④ to ⑥: from what changed about occurrences to ladders."""
    key_of, rank = standing.key_of(now), standing.rank(now)
    joined = await joining.correlate(conn, routed, standing.recovery_delays, key_of, rank, now, standing.topology)
    await alerts.keep_occurrences(conn, routed, joined.belongs, joined.priorities, joined.held, joined.symptoms, now)
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
    received = await receive(conn, [await ingest.replay(conn, now, quarantined_id)], standings)
    await ingest.mark_replayed(conn, now, quarantined_id, received.answers[0].receipt_id)
    return received


async def climb(
    conn: AsyncConnection, channels: Collection[str], standings: Standings, *, behind: bool = False
) -> Climbed:
    """One pass over everything that is due, except sending. `channels`: the configured ones. `behind`: as the last."""
    if not (due := await look(conn, behind=behind)).now:
        return Climbed(0, (), 0, due)
    now, standing = await standings.begin(conn)
    if await symptoms.explain(conn, standing.topology, now):
        return Climbed(0, (), 0, due, again=True)
    await _expire(conn, standing, now)
    standing = await _let_go(conn, standings, now)
    await _notice(conn, standing, now)
    await passing.pass_time(conn, standing.suppressions, now)
    over = await storming.look(conn, now)
    await escalation.restart(conn, await passing.claim_triggered(conn, now), standing.policies, now)
    await escalation.go_on(conn, over.waiting, now)
    climbed = await escalation.climb(conn, standing.hours, channels, now, standing.suppressions)
    queued = await notifications.queue_pages(conn, climbed.pages, channels, now, climbed.shadows, climbed.people)
    await notifications.queue_storm_reports(conn, over.reports, channels, now)
    return Climbed(queued, climbed.lateness, climbed.unreachable, await look(conn, behind=climbed.behind))


async def deliver(delivery: Delivery) -> int:
    """Sends what is due, then takes over what was lost. Returns how many messages it claimed."""
    return await delivery.send_due() + await delivery.recover()


async def _expire(conn: AsyncConnection, standing: Standing, now: datetime) -> None:
    expired = await alerts.expire(conn, now)
    integrations = {e.integration_id for e in expired}
    await silent.lock(conn, integrations)
    if ended := [e.incident_id for e in expired if e.incident_id is not None]:
        await passing.expire_alerts(conn, ended, standing.recovery_delays, now)
    await silent.mark(conn, integrations, now)


async def _let_go(conn: AsyncConnection, standings: Standings, now: datetime) -> Standing:
    """What nothing suppresses any more enters as new; what silences hold for by now makes its incident quiet."""
    due, (_, standing) = await alerts.due(conn, now), await standings.begin(conn)
    routed, incidents = await alerts.recheck(conn, due, standing.ways(now), now)
    await quieting.look(conn, incidents, standing.suppressions, now)
    if routed:
        async with unless_raced(conn):
            await _respond(conn, routed, standing, now)
    return standing


async def _notice(conn: AsyncConnection, standing: Standing, now: datetime) -> None:
    """Silence is news too: heartbeats that are overdue or back, sources that fell silent or speak again; and what
    Tocsin noticed about itself and its peer."""
    due, quiet, noticed = await signs.claim(conn, now), await silent.claim(conn), await own.claim(conn, now)
    if due or quiet or noticed:
        async with unless_raced(conn):
            found = await signs.look(conn, due, now) + await silent.tell(conn, quiet, now)
            found += await own.tell(conn, noticed, now)
            decisions, _ = await _absorb(conn, arrivals.noticed(found), standing, now)
            await ingest_store.keep_events(conn, arrivals.events(decisions, now), now)

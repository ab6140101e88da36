"""What the road and the clock do about storms: begin one, make incidents its children, look at it, end it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec
from msgspec.structs import replace
from sqlalchemy.ext.asyncio import AsyncConnection

from app import hours, metrics
from app.db import ids
from app.db.engine import dumps, on_commit
from app.db.hot import send
from app.incidents import states, store, storm_store, storms
from app.incidents.states import Incident
from app.incidents.storms import MINUTE, Storm
from app.incidents.timeline import Entry


async def watch(
    conn: AsyncConnection, opened: Mapping[UUID, Incident], threshold: int, zone: str, now: datetime
) -> Sequence[Incident]:
    """④ A batch opened these incidents: they join the storm that lasts, or begin one. Returns the incident that speaks
    for a storm that begins, for it pages too."""
    if not opened:
        return []
    count, storm_id = await storm_store.opened(conn, now, threshold + 1)
    if storm_id is None and not storms.begins(count, threshold):
        return []
    begun = None if storm_id is not None else await _begin(conn, threshold, hours.zone(zone), now)
    if begun is not None:
        return [begun]
    if (storm := await storm_store.running(conn)) is not None:
        await conn.execute(storm_store.JOIN, {"storm_id": storm.id, "ids": list(opened)})
        await _tell_children(conn, storm, list(opened), now)
    return []


async def _begin(conn: AsyncConnection, threshold: int, zone: ZoneInfo, now: datetime) -> Incident | None:
    """None: another process was faster."""
    await send(conn)  # the occurrences of this batch count, and have labels
    since = ids.first_of(now - MINUTE)
    affected = (await conn.execute(storm_store.AFFECTED, {"since": since})).all()
    labels = await storm_store.labels(conn, now - MINUTE)
    priority = min(storms.AT_LEAST, *(r.priority for r in affected))
    storm = Storm(
        id=ids.new(now), key=storms.key_of(now), name=storms.name_of(now, zone), threshold=threshold, started_at=now,
        calm_since=None, priority=priority, incident_id=ids.new(now), labels=labels,
        incidents=sum(r.incidents for r in affected), alerts=0,
    )  # fmt: skip
    began = storm_store.BEGIN, _row(storm) | {"now": now, "look_at": now + MINUTE, "since": since}
    if (await conn.execute(*began)).first() is None:
        return None
    incident = _speaker(storm, affected[0].service_id, now)
    numbers = await store.insert(conn, [incident])
    named = {"storm_id": storm.id, "since": since, "incident_id": incident.id}
    children = list((await conn.execute(storm_store.JOIN_LATEST, named)).scalars())
    storm = replace(storm, number=numbers[incident.id])
    said = {"name": storm.name, "incidents": storm.incidents, "threshold": threshold}
    said |= {"common": storms.in_words(labels), "priority": priority}
    await store.write_timeline(conn, [Entry(incident.id, "storm_began", data=said)], now)
    await _tell_children(conn, storm, children, now)
    on_commit(conn, metrics.storm_began)
    return replace(incident, number=storm.number)


def _row(storm: Storm) -> dict[str, object]:
    kept = msgspec.structs.asdict(storm)
    return {name: value for name, value in kept.items() if name not in ("number", "worst")} | {
        "labels": dumps(storm.labels)
    }


async def _tell_children(conn: AsyncConnection, storm: Storm, children: Collection[UUID], now: datetime) -> None:
    said = {"name": storm.name, "of": storm.number}
    await store.write_timeline(conn, [Entry(i, "joined_storm", data=said) for i in children], now)


def _speaker(storm: Storm, service_id: int, now: datetime) -> Incident:
    """The one incident that pages for all of them. It counts no alerts, and so resolves when the storm is over."""
    because = f"more than {storm.threshold} new incidents in a minute"
    return Incident(
        id=storm.incident_id, number=0, service_id=service_id, correlation_key=f"storm:{storm.id}", open_key=None,
        title=storms.title(storm.name, storm.labels), state="triggered", epoch=1, priority=storm.priority, impact=1,
        urgency=storm.priority, verdict=storms.verdict(storm.priority, because), priority_pin=None, loudness="loud",
        loud_due_at=None, held_open=False, opened_at=now, triggered_at=now, acknowledged_at=None,
        acknowledged_by_id=None, wakes_at=None, wakes_because=None, assigned_to_id=None, mitigated_at=None,
        resolved_at=None, resolved_by=None, closed_at=None, recovery_due_at=None, paging_due_at=None, reopened=0,
        recurrence_of_id=None, last_occurrence_at=now, firing=0, occurrences=0, version=1,
    )  # fmt: skip


@dataclass(slots=True)
class Over:
    """Storms that ended in this pass: each with its report; and the incidents that are to be paged now after all."""

    reports: list[tuple[Storm, str]] = field(default_factory=list)
    waiting: list[UUID] = field(default_factory=list)


async def look(conn: AsyncConnection, now: datetime) -> Over:
    """⓪ Once a minute: what has come, whether a P1 is among it by now, and whether it is over."""
    over = Over()
    for row in (await conn.execute(storm_store.DUE, {"now": now})).all():
        before = Storm(*row)
        storm, ended = storms.after(before, await storm_store.look(conn, before, now), now)
        await conn.execute(
            storm_store.KEEP,
            {n: v for n, v in _row(storm).items() if n in _KEPT} | {"look_at": now + MINUTE},
        )
        if ended:
            await _end(conn, storm, over, now)
        elif storm.priority < before.priority:
            await _raise(conn, storm, before.priority, now)
    return over


_KEPT = frozenset({"id", "calm_since", "priority", "labels", "incidents", "alerts"})


async def _raise(conn: AsyncConnection, storm: Storm, was: int, now: datetime) -> None:
    incident = (await store.lock(conn, [storm.incident_id]))[storm.incident_id]
    if not incident.is_open or incident.priority_pin is not None or incident.priority <= storm.priority:
        return
    because = storms.verdict(storm.priority, "an incident of the storm has this priority")
    raised = states.with_priority(incident, storm.priority, 1, storm.priority, because)
    await store.update(conn, [states.trigger(raised, now)])
    said = {"was": was, "priority": storm.priority, "verdict": because}
    await store.write_timeline(conn, [Entry(incident.id, "priority_raised", data=said)], now)


async def _end(conn: AsyncConnection, storm: Storm, over: Over, now: datetime) -> None:
    found, waiting = await storm_store.report(conn, storm)
    words = storms.report(storm, found, now)
    kept = {"id": storm.id, "now": now, "withheld": found.withheld, "report": dumps(msgspec.to_builtins(found))}
    await conn.execute(storm_store.END, kept)
    over.reports.append((storm, words))
    over.waiting += waiting
    entries = [Entry(storm.incident_id, "storm_over", data={"report": words})]
    incident = (await store.lock(conn, [storm.incident_id]))[storm.incident_id]
    if incident.is_open and not incident.held_open:
        await store.update(conn, [states.resolve(incident, now, "source")])
        said = {"priority": incident.priority, "because": "the storm is over"}
        entries.append(Entry(incident.id, "resolved", data=said))
    await store.write_timeline(conn, entries, now)
    on_commit(conn, metrics.storm_ended)

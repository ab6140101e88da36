"""⓪ Incidents that turn out to be symptoms: their service depends on one that has opened an incident since, or at once.

What a person has acknowledged, pinned or otherwise touched is only linked. Runs first in a transaction of its own, as
alerts are locked before incidents.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from app.errors import Conflict
from app.incidents import act_store, by_hand, store
from app.incidents.by_hand import Held
from app.incidents.happenings import WINDOW
from app.incidents.states import Incident
from app.incidents.store import write_timeline
from app.incidents.timeline import Entry
from app.incidents.topology import Path, Topology, explained


async def explain(conn: AsyncConnection, topology: Topology, now: datetime) -> bool:
    """Merges what is explained. False: nothing was to be looked at."""
    due = await act_store.due(conn, now)
    if not due:
        return False
    services = set(due.values())
    below = topology.below(services)
    near = await act_store.near(conn, services | below | topology.above(services | below), now - WINDOW)
    found = explained(await store.read(conn, near), due.keys(), topology, now) if near else {}
    if found:
        try:
            held = await by_hand.lock(conn, found.keys() | {reason_id for reason_id, _ in found.values()}, found.keys())
        except Conflict:  # alerts come in faster than they can be locked: the next tick looks again
            return False
        await _merge(conn, held, explained(held.incidents.values(), due.keys(), topology, now), topology, now)
    await act_store.done(conn, now, due.keys())
    return True


async def _merge(
    conn: AsyncConnection, held: Held, found: Mapping[UUID, tuple[UUID, Path]], topology: Topology, now: datetime
) -> None:
    if not found:
        return
    touched = await act_store.touched(conn, found.keys())
    incidents = dict(held.incidents)
    linked: list[tuple[Incident, Incident, str]] = []
    for symptom_id, (reason_id, path) in sorted(found.items()):
        symptom, because = incidents[symptom_id], incidents[reason_id]
        going = held.of(symptom_id)
        services = {m.service_id for m in going}
        if any(str(reason_id) in (m.decided or {}).get("not_with", ()) for m in going):
            continue
        if not services or not services <= topology.below([because.service_id]) | {because.service_id}:
            continue
        said = topology.said(path)
        if _is_kept(symptom) or symptom_id in touched or any(m.decided for m in going):
            linked.append((symptom, because, said))
            continue
        data = {"path": said, "service": topology.keys.get(symptom.service_id, "")}
        done = await by_hand.transfer(conn, now, "symptom", symptom, because, going, {}, "tocsin", data)
        incidents[symptom_id], incidents[reason_id] = done.incident, done.other
    await _link(conn, linked, now)


def _is_kept(incident: Incident) -> bool:
    """Whether somebody has it, or has said what it is."""
    return (
        incident.state != "triggered"
        or incident.priority_pin is not None
        or incident.held_open
        or incident.assigned_to_id is not None
    )


async def _link(conn: AsyncConnection, linked: list[tuple[Incident, Incident, str]], now: datetime) -> None:
    """Once for each pair."""
    if not linked:
        return
    known = await act_store.linked(conn, {symptom.id for symptom, _, _ in linked})
    entries: list[Entry] = []
    for symptom, because, said in linked:
        if (symptom.id, because.number) not in known:
            entries.append(Entry(symptom.id, "symptom_linked", data={"to": because.number, "path": said}))
            entries.append(Entry(because.id, "reason_linked", data={"of": symptom.number, "path": said}))
    await write_timeline(conn, entries, now)

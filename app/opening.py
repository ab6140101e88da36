"""Incidents that a person opens: by splitting alerts off another one, or without any alert; with what follows on the
road: priority, and a ladder that is due at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace
from sqlalchemy.ext.asyncio import AsyncConnection

from app.alerts.dedup import Arrival
from app.alerts.moving_store import Moving
from app.db import ids
from app.errors import Invalid
from app.escalation import commands as escalation
from app.incidents import by_hand, store
from app.incidents.act_store import Act
from app.incidents.by_hand import Decision
from app.incidents.commands import Responder
from app.incidents.correlation import new_incident
from app.incidents.happenings import Happening, Ranking
from app.incidents.states import Incident
from app.incidents.timeline import Entry
from app.ingest.event import Event, Severity
from app.ingest.requests import NIL
from app.priority.assign import PriorityVerdict, Provenance, loudness_at
from app.priority.matrix import INPUTS, Matrix
from app.standing import ServiceStanding, Standing


async def split(
    conn: AsyncConnection,
    now: datetime,
    standing: Standing,
    incident_id: UUID,
    alert_ids: Sequence[UUID],
    who: Responder,
    *,
    title: str = "",
    reason: str = "",
) -> Decision:
    """These alerts become an incident of their own, which pages according to its priority."""

    async def make(going: Sequence[Moving], source: Incident) -> Incident:
        return await _of_its_own(conn, now, standing, going, source, title)

    done = await by_hand.split(conn, now, incident_id, alert_ids, who, make, reason)
    if done.done:
        await escalation.start(conn, [done.other], standing.policies, now)
    return done


async def _of_its_own(
    conn: AsyncConnection, now: datetime, standing: Standing, going: Sequence[Moving], source: Incident, title: str
) -> Incident:
    """Its priority is that of the most important of these occurrences; its key is theirs, where that is free."""
    ways, key_of, rank = standing.ways(now), standing.key_of(now), standing.rank(now)
    firing = sum(m.firing for m in going)
    judged: list[tuple[Ranking, Happening]] = []
    for m in [m for m in going if m.firing] or going:
        arrival = ways.route(m.arrival).arrival
        key, terms = key_of(arrival, m.service_id)
        happening = Happening(
            "opened", m.id, m.alert_id, m.service_id, key, title or m.title, m.severity, "tocsin", facts=arrival,
            terms=terms,
        )  # fmt: skip
        judged.append((rank(happening, max(firing, 1)), happening))
    ranking, foremost = min(judged, key=lambda j: j[0].verdict.priority)
    made = new_incident(foremost, ranking, now, None)
    keys = {h.correlation_key for _, h in judged}
    if len(keys) == 1 and source.correlation_key not in keys and not await store.held_keys(conn, keys):
        return made
    own = f"split:{made.id}"
    return replace(made, correlation_key=own, open_key=own)


async def undo(conn: AsyncConnection, now: datetime, incident_id: UUID, who: Responder) -> tuple[Act, Decision]:
    """Takes back the last merge, split or move; what that ended goes on where it was."""
    act, done = await by_hand.undo(conn, now, incident_id, who)
    await escalation.go_on(conn, [done.incident.id], now)
    return act, done


class Wish(Struct, frozen=True, kw_only=True):
    """An incident by hand, as a person describes it. Impact and urgency that are None come from the priority rules;
    a priority pins it."""

    title: str
    service: str
    impact: int | None = None
    urgency: int | None = None
    priority: int | None = None
    severity: Severity = "critical"
    description: str = ""
    category: str = ""


async def by_person(conn: AsyncConnection, now: datetime, standing: Standing, wish: Wish, who: Responder) -> Incident:
    """Opens an incident without an alert. It pages as any other, and only a person resolves it. Raises `Invalid` for a
    service that does not exist, and for a priority together with impact or urgency."""
    service = next((s for s in standing.services.values() if s.facts.key == wish.service), None)
    if service is None:
        message = f"there is no service {wish.service!r}"
        raise Invalid(f"service: {message}", errors=[{"field": "service", "message": message}])
    if wish.priority is not None and (wish.impact or wish.urgency):
        message = "follows from impact and urgency; give these or that"
        raise Invalid(f"priority: {message}", errors=[{"field": "priority", "message": message}])
    happening = _happening(wish, service, who, now)
    ranking = _ranked(standing.rank(now)(happening, 1), wish, standing.matrix, service, now)
    incident = replace(
        new_incident(happening, ranking, now, None),
        open_key=None,
        held_open=True,
        firing=0,
        occurrences=0,
        priority_pin=_pin(wish, who, now),
        symptoms_due_at=now if standing.topology.knows(service.id) else None,
    )
    incident = replace(incident, correlation_key=f"by hand:{incident.id}")
    incident = replace(incident, number=(await store.insert(conn, [incident]))[incident.id])
    said = {"name": who.name, "title": wish.title, "severity": wish.severity, "description": wish.description,
            "category": wish.category, "priority": incident.priority}  # fmt: skip
    entries = [
        Entry(incident.id, "opened_by_hand", who.actor, said),
        Entry(incident.id, "priority_assigned", data={"priority": incident.priority, "verdict": incident.verdict}),
    ]
    await store.write_timeline(conn, entries, now)
    await escalation.start(conn, [incident], standing.policies, now)
    return incident


BY_HAND: Final = "by-hand"
"""What rules see as the source of an incident by hand."""


def _happening(wish: Wish, service: ServiceStanding, who: Responder, now: datetime) -> Happening:
    event = Event("firing", "", "", wish.title, wish.severity, {}, now)
    arrival = Arrival(event, 0, BY_HAND, BY_HAND, service.id, 0, NIL, 0)
    nothing = ids.new(now)
    return Happening(
        "opened", nothing, nothing, service.id, BY_HAND, wish.title, wish.severity, who.actor, facts=arrival
    )


def _ranked(by_rules: Ranking, wish: Wish, matrix: Matrix, service: ServiceStanding, now: datetime) -> Ranking:
    """What the person said, and by the rules what was left open."""
    verdict = by_rules.verdict
    impact, urgency = wish.impact or verdict.impact, wish.urgency or verdict.urgency
    priority = wish.priority or matrix.priority(impact, urgency)
    if wish.priority is not None:
        impact, urgency = _cell(matrix, priority, (impact, urgency))
    inputs = (
        _said("impact", impact) if wish.impact or wish.priority else verdict.inputs[0],
        _said("urgency", urgency) if wish.urgency or wish.priority else verdict.inputs[1],
    )
    loud = loudness_at(priority, service.hours, now)
    return Ranking(PriorityVerdict(priority, impact, urgency, inputs, verdict.failures), *loud)


def _said(what: Any, value: int) -> Provenance:
    return Provenance(what, value, "person", "person", None, "")


def _cell(matrix: Matrix, priority: int, otherwise: tuple[int, int]) -> tuple[int, int]:
    """Impact and urgency that give this priority; the matrix may have none."""
    cells = [(i, u) for i in INPUTS for u in INPUTS if matrix.priority(i, u) == priority]
    return otherwise if otherwise in cells or not cells else cells[0]


def _pin(wish: Wish, who: Responder, now: datetime) -> dict[str, Any] | None:
    if wish.priority is None:
        return None
    return {"by": who.key, "at": now.isoformat(timespec="seconds"), "reason": "opened with this priority"}

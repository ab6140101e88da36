"""What people decide about correlation: merge, split off, move, undo; and incidents that they open."""

from __future__ import annotations

from typing import Annotated, Final, Literal
from uuid import UUID

from fastapi import APIRouter, Request, Response
from pydantic import ConfigDict, Field, StringConstraints

from app import opening
from app.errors import Invalid
from app.incidents import by_hand, commands, reading
from app.incidents.by_hand import Decision
from app.opening import Wish
from app.web.api.incident_models import ActionAnswer, IncidentAnswer, incident_answer
from app.web.api.incidents import Number, Responding, detail_of, incident_id, responder
from app.web.api.stored import created
from app.web.dependencies import StandingsGiven, Transaction, Tx
from app.web.idempotency import Route, idempotent
from app.web.models import Answer, Body, Key, example

router = APIRouter(prefix="/incidents", tags=["incidents"], route_class=Route)

Why = Annotated[str, StringConstraints(strip_whitespace=True, max_length=500)]
Title = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]
IncidentNumber = Annotated[int, Field(ge=1, le=2**63 - 1)]
Alerts = Annotated[
    list[Annotated[UUID, Field(strict=False)]],
    Field(min_length=1, max_length=1000, description="`alert_id` of alerts of the incident."),
]
Scale = Annotated[int, Field(ge=1, le=3)]
_STRICT: Final[ConfigDict] = {"extra": "forbid", "strict": True}


class MergeBody(Body):
    model_config = example(into=41, reason="the same cable") | _STRICT

    into: IncidentNumber
    reason: Why = ""


class SplitBody(Body):
    model_config = example(alerts=["01936a00-0000-7000-8000-000000000021"], title="Disk of db-1") | _STRICT

    alerts: Alerts
    title: Title | None = None
    """That of the most important of these alerts unless given."""
    reason: Why = ""


class MoveBody(Body):
    model_config = example(alerts=["01936a00-0000-7000-8000-000000000021"], to=41) | _STRICT

    alerts: Alerts
    to: IncidentNumber
    reason: Why = ""


class OpenBody(Body):
    """Impact and urgency that are absent come from the priority rules. A `priority` instead of them pins it."""

    model_config = example(
        title="Customers cannot log in", service="checkout", impact=1, urgency=1, description="Three calls in ten min"
    ) | _STRICT  # fmt: skip

    title: Title
    service: Key
    impact: Scale | None = None
    urgency: Scale | None = None
    priority: Annotated[int, Field(ge=1, le=5)] | None = None
    severity: Literal["critical", "error", "warning", "info"] = "critical"
    description: Annotated[str, StringConstraints(strip_whitespace=True, max_length=10_000)] = ""
    category: Annotated[str, StringConstraints(strip_whitespace=True, max_length=100)] = ""


class PinOpenBody(Body):
    model_config = example(pinned=True, reason="the vendor watches it until Friday") | _STRICT

    pinned: bool
    reason: Why = ""


class DecisionAnswer(Answer):
    """`incident` is the one that was asked about, `other` where its alerts are now, or have left. `already`: it was so
    before, and nothing happened."""

    result: Literal["merged", "split", "moved", "undone", "already"]
    incident: IncidentAnswer
    other: IncidentAnswer


async def _decided(tx: Transaction, result: str, decision: Decision) -> DecisionAnswer:
    incident = incident_answer(await detail_of(tx.conn, decision.incident.number))
    other = incident_answer(await detail_of(tx.conn, decision.other.number))
    shown = result if decision.done else "already"
    return DecisionAnswer.model_validate({"result": shown, "incident": incident, "other": other})


async def _named(tx: Transaction, number: int, field: str) -> UUID:
    """The incident that a member names."""
    found = await reading.id_of(tx.conn, number)
    if found is None:
        message = f"there is no incident {number}"
        raise Invalid(f"{field}: {message}", errors=[{"field": field, "message": message}])
    return found


@router.post("", status_code=201, dependencies=[idempotent])
async def open_incident(
    body: OpenBody, tx: Tx, response: Response, caller: Responding, request: Request, standings: StandingsGiven
) -> IncidentAnswer:
    """Opens an incident without an alert. It pages as any other, and only a person resolves it."""
    _, standing = await standings.begin(tx.conn)
    wish = Wish(**body.model_dump())
    incident = await opening.by_person(tx.conn, tx.now, standing, wish, responder(caller))
    tx.after_commit(request.app.state.wake)
    created(response, f"incidents/{incident.number}")
    return incident_answer(await detail_of(tx.conn, incident.number))


@router.post("/{number}/merge", dependencies=[idempotent])
async def merge(number: Number, body: MergeBody, tx: Tx, caller: Responding, request: Request) -> DecisionAnswer:
    """All its alerts go to the other one, now and later; it ends. Both must be open."""
    source, into = await incident_id(tx.conn, number), await _named(tx, body.into, "into")
    done = await by_hand.merge(tx.conn, tx.now, source, into, responder(caller), body.reason)
    tx.after_commit(request.app.state.wake)
    return await _decided(tx, "merged", done)


@router.post("/{number}/split", dependencies=[idempotent])
async def split(
    number: Number, body: SplitBody, tx: Tx, caller: Responding, request: Request, standings: StandingsGiven
) -> DecisionAnswer:
    """These alerts become an incident of their own, which pages, and do not come back while this one is open."""
    _, standing = await standings.begin(tx.conn)
    source, who = await incident_id(tx.conn, number), responder(caller)
    done = await opening.split(
        tx.conn, tx.now, standing, source, body.alerts, who, title=body.title or "", reason=body.reason
    )
    tx.after_commit(request.app.state.wake)
    return await _decided(tx, "split", done)


@router.post("/{number}/move", dependencies=[idempotent])
async def move(number: Number, body: MoveBody, tx: Tx, caller: Responding, request: Request) -> DecisionAnswer:
    """These alerts belong to the other incident, now and while that is open."""
    source, to = await incident_id(tx.conn, number), await _named(tx, body.to, "to")
    done = await by_hand.move(tx.conn, tx.now, source, body.alerts, to, responder(caller), body.reason)
    tx.after_commit(request.app.state.wake)
    return await _decided(tx, "moved", done)


@router.post("/{number}/undo", dependencies=[idempotent])
async def undo(number: Number, tx: Tx, caller: Responding, request: Request) -> DecisionAnswer:
    """Takes back the last merge, split or move that it took part in, within 15 minutes."""
    _, done = await opening.undo(tx.conn, tx.now, await incident_id(tx.conn, number), responder(caller))
    tx.after_commit(request.app.state.wake)
    return await _decided(tx, "undone", done)


@router.post("/{number}/pin-open")
async def pin_open(number: Number, body: PinOpenBody, tx: Tx, caller: Responding, request: Request) -> ActionAnswer:
    """Pins it open, so that only a person resolves it, or lets it go. To pin it needs a reason."""
    if body.pinned and not body.reason:
        raise Invalid("reason: say why", errors=[{"field": "reason", "message": "must not be empty"}])
    source = await incident_id(tx.conn, number)
    await commands.pin_open(tx.conn, tx.now, source, responder(caller), pinned=body.pinned, reason=body.reason)
    tx.after_commit(request.app.state.wake)
    return ActionAnswer(result="done", incident=incident_answer(await detail_of(tx.conn, number)))

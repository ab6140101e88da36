"""`/incidents`: read them, and respond to them. Being too late is not an error: the answer says who was faster."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request, Response
from sqlalchemy.ext.asyncio import AsyncConnection

from app import hours
from app.directory import people
from app.errors import Invalid, NotFound
from app.escalation import commands as escalation
from app.escalation import informing
from app.escalation import reading as ladders
from app.incidents import commands, reading, recurrence_store
from app.incidents import store as incident_store
from app.incidents.commands import AlreadyAcknowledged, AlreadyResolved, PartlyAcknowledged, Responder, StillFiring
from app.notifications import reading as notification_reading
from app.notifications import update_notices
from app.notifications.costs import amount
from app.priority import store as priority_store
from app.web.api.incident_models import (
    ActionAnswer,
    AlertAnswer,
    EscalateBody,
    IncidentAnswer,
    IncidentLineAnswer,
    NoteBody,
    NotificationAnswer,
    PriorityBody,
    ReassignBody,
    ResolveBody,
    SnoozeBody,
    Timeline,
    TimelineAnswer,
    incident_answer,
    recurrence_answer,
)
from app.web.auth import Caller, needs, permission
from app.web.dependencies import ChannelsGiven, SettingsGiven, Transaction, Tx
from app.web.pages import Listed, Page
from app.web.versions import set_etag

router = APIRouter(prefix="/incidents", tags=["incidents"])

Number = Annotated[int, Path(ge=1, le=2**63 - 1, description="The incident's number.", examples=[42])]
StateFilter = Literal["open", "all", "triggered", "acknowledged", "mitigated", "resolved", "closed"]
Responding = Annotated[Caller, needs("incidents.respond")]

_ALL = ("triggered", "acknowledged", "mitigated", "resolved", "closed")


@router.get("")
async def list_incidents(
    tx: Tx,
    page: Page,
    caller: Annotated[Caller, needs("incidents.read")],
    state: Annotated[list[StateFilter] | None, Query(description="`open` (default), `all`, or states.")] = None,
    priority: Annotated[list[Annotated[int, Query(ge=1, le=5)]] | None, Query()] = None,
    service: Annotated[list[str] | None, Query(max_length=50)] = None,
    team: Annotated[list[str] | None, Query(max_length=50)] = None,
    mine: Annotated[bool, Query(description="Those I have, was handed, or whose service my team owns.")] = False,
) -> Listed[IncidentLineAnswer]:
    """Newest first. Filters of one kind add up, filters of different kinds narrow down."""
    if mine and caller.user_id is None:
        raise Invalid("mine: this API key acts for no user", errors=[{"field": "mine", "message": "no user"}])
    found = await reading.slice_(
        tx.conn,
        states=_states(state or ["open"]),
        priorities=priority,
        services=_storable(service),
        teams=_storable(team),
        user_id=caller.user_id if mine else None,
        before=page.after_uuid,
        limit=page.fetch,
    )
    listed = page.of(found, lambda line: line.id)
    items = [IncidentLineAnswer.model_validate(line) for line in listed.items]
    return Listed(items=items, next=listed.next)


def _states(wanted: list[StateFilter]) -> list[str] | None:
    """None: the open ones."""
    if "all" in wanted:
        return list(_ALL)
    if "open" in wanted:
        return None if len(set(wanted)) == 1 else sorted({*_ALL[:3], *wanted} - {"open"})
    return list(wanted)


def _storable(keys: list[str] | None) -> list[str] | None:
    """A key with a character that PostgreSQL cannot hold is one that nothing has."""
    return None if keys is None else [key.replace("\x00", "\ufffd") for key in keys]


@router.get("/{number}", dependencies=[permission("incidents.read")])
async def read_incident(number: Number, response: Response, tx: Tx, channels: ChannelsGiven) -> IncidentAnswer:
    """One incident, with what its ladder does next."""
    found = await detail_of(tx.conn, number)
    set_etag(response, found.version)
    returned = recurrence_answer(await recurrence_store.recurrence(tx.conn, found.id), tx.now)
    following = await ladders.next_step(tx.conn, found.id, channels, tx.now)
    informed = await ladders.next_step(tx.conn, found.id, channels, tx.now, "inform")
    return incident_answer(found, following, returned, await ladders.beside(tx.conn, found.id, found.epoch), informed)


async def detail_of(conn: AsyncConnection, number: int) -> reading.IncidentDetail:
    found = await reading.detail(conn, number)
    if found is None:
        raise NotFound(f"there is no incident {number}", number=number)
    return found


async def incident_id(conn: AsyncConnection, number: int) -> UUID:
    found = await reading.id_of(conn, number)
    if found is None:
        raise NotFound(f"there is no incident {number}", number=number)
    return found


@router.get("/{number}/timeline", dependencies=[permission("incidents.read")])
async def read_timeline(number: Number, tx: Tx, page: Page, settings: SettingsGiven) -> Timeline:
    """What happened, oldest first."""
    of = await incident_id(tx.conn, number)
    found = await reading.timeline(tx.conn, of, after=page.after_uuid, limit=page.fetch)
    listed = page.of([TimelineAnswer.model_validate(line) for line in found], lambda entry: entry.id)
    dropped = await reading.dropped(tx.conn, of, settings.retention_history_days)
    return Timeline(items=listed.items, next=listed.next, dropped=dropped)


@router.get("/{number}/alerts", dependencies=[permission("incidents.read")])
async def read_alerts(number: Number, tx: Tx, page: Page) -> Listed[AlertAnswer]:
    """Its alerts, one item an occurrence, oldest first."""
    found = await reading.alerts(tx.conn, await incident_id(tx.conn, number), after=page.after_uuid, limit=page.fetch)
    listed = page.of(found, lambda row: row["id"])
    return Listed(items=[AlertAnswer.model_validate(row) for row in listed.items], next=listed.next)


@router.get("/{number}/notifications", dependencies=[permission("incidents.read")])
async def read_notifications(number: Number, tx: Tx, page: Page) -> Listed[NotificationAnswer]:
    """Who was told by which channel, why, and whether it arrived; pending messages with the reason they wait for."""
    found_id = await incident_id(tx.conn, number)
    found = await notification_reading.of_incident(tx.conn, found_id, after=page.after_uuid, limit=page.fetch)
    priced = [{**row, "price": amount(row["price"])} for row in found]
    return page.of([NotificationAnswer.model_validate(row) for row in priced], lambda row: row.id)


def responder(caller: Caller) -> Responder:
    key = caller.user_key or caller.actor.partition(":")[2]
    return Responder(caller.user_id, key, caller.name, "api")


async def _action(tx: Transaction, number: int, result: str, **said: object) -> ActionAnswer:
    incident = incident_answer(await detail_of(tx.conn, number))
    return ActionAnswer.model_validate({"result": result, "incident": incident} | said)


@router.post("/{number}/acknowledge")
async def acknowledge(number: Number, tx: Tx, caller: Responding) -> ActionAnswer:
    """Takes it. P1 is taken for 30 minutes, P2 for 60, others until somebody does something. `partly_acknowledged`:
    others must as well, and it goes on paging; `missing` says who."""
    done = await commands.acknowledge(tx.conn, tx.now, await incident_id(tx.conn, number), responder(caller))
    if isinstance(done, AlreadyResolved):
        return await _action(tx, number, "already_resolved", by=done.by, at=done.at)
    if isinstance(done, AlreadyAcknowledged):
        detail = await detail_of(tx.conn, number)
        return await _action(tx, number, "already_acknowledged", by=detail.acknowledged_by, at=done.at)
    if isinstance(done, PartlyAcknowledged):
        return await _action(tx, number, "partly_acknowledged", by=caller.user_key, at=tx.now, missing=done.missing)
    return await _action(tx, number, "acknowledged", by=caller.user_key, at=tx.now)


@router.post("/{number}/unacknowledge")
async def unacknowledge(number: Number, tx: Tx, caller: Responding, request: Request) -> ActionAnswer:
    """Gives it back: it pages from the first step again."""
    await commands.unacknowledge(tx.conn, tx.now, await incident_id(tx.conn, number), responder(caller))
    tx.after_commit(request.app.state.wake)
    return await _action(tx, number, "done")


@router.post("/{number}/resolve")
async def resolve(number: Number, tx: Tx, caller: Responding, body: ResolveBody | None = None) -> ActionAnswer:
    """Says that the fault is over. While alerts still fire the answer is `still_firing` and nothing happened: ask the
    person, then send `confirmed`."""
    wish = body or ResolveBody()
    done = await commands.resolve(
        tx.conn,
        tx.now,
        await incident_id(tx.conn, number),
        responder(caller),
        confirmed=wish.confirmed,
        because=wish.because,
        cause=wish.cause,
        fix=wish.fix,
    )
    if isinstance(done, StillFiring):
        return await _action(tx, number, "still_firing", firing=done.firing)
    if isinstance(done, AlreadyResolved):
        return await _action(tx, number, "already_resolved", by=done.by, at=done.at)
    return await _action(tx, number, "resolved", by=responder(caller).actor, at=tx.now)


@router.post("/{number}/mitigate")
async def mitigate(number: Number, tx: Tx, caller: Responding) -> ActionAnswer:
    """Says that the pain is over; it stays open until it is resolved. Takes it as well."""
    await commands.mitigate(tx.conn, tx.now, await incident_id(tx.conn, number), responder(caller))
    return await _action(tx, number, "done")


@router.post("/{number}/close")
async def close(number: Number, tx: Tx, caller: Responding) -> ActionAnswer:
    """Says that there is nothing more to do. It must be resolved."""
    await commands.close(tx.conn, tx.now, await incident_id(tx.conn, number), responder(caller))
    return await _action(tx, number, "done")


@router.post("/{number}/escalate")
async def escalate(
    number: Number, tx: Tx, caller: Responding, request: Request, body: EscalateBody | None = None
) -> ActionAnswer:
    """Pages the next step now. With a `tier` and a `reason` it goes to that support tier instead, from the first step
    of its policy. Whoever has it gives it up by this."""
    found_id = await incident_id(tx.conn, number)
    if body is None or body.tier is None:
        await escalate_now(tx, found_id, responder(caller))
    else:
        incident = (await incident_store.lock(tx.conn, [found_id]))[found_id]
        commands.must_be_open(incident)
        await escalation.escalate_to_tier(tx.conn, tx.now, incident, responder(caller), body.tier, body.reason)
    tx.after_commit(request.app.state.wake)
    return await _action(tx, number, "done")


async def escalate_now(tx: Transaction, incident_id: UUID, who: Responder) -> None:
    """For every door: locks the incident, refuses when it is not open."""
    incident = (await incident_store.lock(tx.conn, [incident_id]))[incident_id]
    commands.must_be_open(incident)
    await escalation.escalate_now(tx.conn, tx.now, incident, who)


@router.post("/{number}/reassign")
async def reassign(number: Number, body: ReassignBody, tx: Tx, caller: Responding, request: Request) -> ActionAnswer:
    """Hands it to another person, who is paged at once."""
    user = await people.read_user(tx.conn, body.user)
    if not user.document.active:
        raise Invalid("user: is not active", errors=[{"field": "user", "message": "is not active"}])
    found_id = await incident_id(tx.conn, number)
    await commands.reassign(tx.conn, tx.now, found_id, responder(caller), user.id, user.document.name)
    tx.after_commit(request.app.state.wake)
    return await _action(tx, number, "done")


@router.post("/{number}/snooze")
async def snooze(number: Number, body: SnoozeBody, tx: Tx, caller: Responding) -> ActionAnswer:
    """Takes it until an instant within 7 days; then it is triggered again."""
    await commands.snooze(tx.conn, tx.now, await incident_id(tx.conn, number), responder(caller), body.until)
    return await _action(tx, number, "done")


@router.post("/{number}/notes", status_code=201)
async def add_note(
    number: Number, body: NoteBody, tx: Tx, caller: Responding, request: Request, channels: ChannelsGiven
) -> ActionAnswer:
    """Adds a note to the timeline. With `update` it says to those who wait how it stands: everybody who was informed
    gets its text, the reminder that an update is due stops, and the next one is due after the interval of the
    escalation matrix."""
    found_id, who = await incident_id(tx.conn, number), responder(caller)
    if body.update:
        await informing.post_update(tx.conn, tx.now, found_id, who, body.text)
        await update_notices.post(tx.conn, tx.now, found_id, who, body.text, channels)
        tx.after_commit(request.app.state.wake)
    else:
        await commands.note(tx.conn, tx.now, found_id, who, body.text)
    return await _action(tx, number, "done")


@router.put("/{number}/priority")
async def pin_priority(
    number: Number, body: PriorityBody, tx: Tx, caller: Responding, request: Request
) -> ActionAnswer:
    """Sets impact and urgency by hand, with a reason; automation does not change them any more. A raise pages again."""
    detail = await detail_of(tx.conn, number)
    support = detail.support_hours
    await commands.pin_priority(
        tx.conn,
        tx.now,
        detail.id,
        responder(caller),
        impact=body.impact,
        urgency=body.urgency,
        matrix=(await priority_store.current(tx.conn)).matrix,
        support=hours.parse_hours(support) if support else None,
        reason=body.reason,
    )
    tx.after_commit(request.app.state.wake)
    return await _action(tx, number, "done")


@router.delete("/{number}/priority")
async def unpin_priority(number: Number, tx: Tx, caller: Responding) -> ActionAnswer:
    """Lets automation raise the priority again."""
    await commands.unpin_priority(tx.conn, tx.now, await incident_id(tx.conn, number), responder(caller))
    return await _action(tx, number, "done")

"""What people do to an incident from its screen. Each form is one POST, and leads back to the screen by GET.

Forms that take an incident from somebody, page somebody or end it carry what the screen showed; when that is not so any
more, nothing is done and the screen says so. It is the same rule as behind a link (`link_view.py`).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from app import hours
from app.directory import people
from app.errors import Conflict, Invalid
from app.escalation import answering
from app.escalation import commands as escalation
from app.incidents import commands, explaining
from app.incidents import store as incident_store
from app.incidents.commands import (
    Acknowledged,
    AlreadyAcknowledged,
    PartlyAcknowledged,
    Resolved,
    Responder,
    StillFiring,
)
from app.priority import store as priority_store
from app.web.link_view import Action, View
from app.web.screens.incident import STALE, Number, found, show
from app.web.screens.reader import Reader, reads
from app.web.screens.rendering import HEADERS

router = APIRouter(prefix="/incidents/{number}", include_in_schema=False)

Responding = Annotated[Reader, reads("incidents.respond")]
ShownView = Annotated[str, Form(max_length=200)]
Words = Annotated[str, Form(max_length=2000)]
Version = Annotated[int, Form(ge=1, le=2**31 - 1)]
SPANS: Final = {"10": timedelta(minutes=10), "60": timedelta(hours=1), "240": timedelta(hours=4)}


def responder(reader: Reader) -> Responder:
    """Raises `Invalid` for a machine."""
    caller = reader.caller
    if caller.user_id is None or caller.user_key is None:
        raise Invalid("screens are for people; machines respond over the API", code="no_person")
    return Responder(caller.user_id, caller.user_key, caller.name, "screen")


def back(number: int, told: str) -> Response:
    """To the incident's screen, with one of the sentences in `TOLD`."""
    return RedirectResponse(f"/incidents/{number}?told={told}", 303, dict(HEADERS))


async def _stale(reader: Reader, number: int, action: Action, shown: str) -> bool:
    """Whether the screen that was looked at shows something else by now. Locks the incident."""
    detail = await found(reader, number)
    await incident_store.lock(reader.tx.conn, [detail.id])
    seen = await answering.standing(reader.tx.conn, detail.id, 0)
    try:
        view = View.read(shown)
    except ValueError:
        return True
    return seen is None or not view.allows(action, View.of(seen))


@router.post("/acknowledge")
async def acknowledge(number: Number, reader: Responding) -> Response:
    """Holds from any view, as behind a link."""
    detail = await found(reader, number)
    done = await commands.acknowledge(reader.tx.conn, reader.tx.now, detail.id, responder(reader))
    if isinstance(done, Acknowledged):
        return back(number, "acknowledged")
    if isinstance(done, PartlyAcknowledged):
        return back(number, "partly")
    if isinstance(done, AlreadyAcknowledged):
        return back(number, "acknowledged" if done.by_id == reader.caller.user_id else "late")
    return back(number, "over")


@router.post("/unacknowledge")
async def unacknowledge(number: Number, request: Request, reader: Responding) -> Response:
    detail = await found(reader, number)
    await commands.unacknowledge(reader.tx.conn, reader.tx.now, detail.id, responder(reader))
    reader.tx.after_commit(request.app.state.wake)
    return back(number, "unacknowledged")


@router.post("/escalate")
async def escalate(number: Number, request: Request, reader: Responding, view: ShownView) -> Response:
    if await _stale(reader, number, "escalate", view):
        return await show(request, reader, await found(reader, number), STALE, status=409)
    incident_id = (await found(reader, number)).id
    incident = (await incident_store.lock(reader.tx.conn, [incident_id]))[incident_id]
    commands.must_be_open(incident)
    await escalation.escalate_now(reader.tx.conn, reader.tx.now, incident, responder(reader))
    reader.tx.after_commit(request.app.state.wake)
    return back(number, "escalated" if incident.loudness == "loud" else "escalated-quietly")


@router.post("/resolve")
async def resolve(
    number: Number,
    request: Request,
    reader: Responding,
    view: ShownView,
    confirmed: Annotated[Literal["", "yes"], Form()] = "",
    because: Annotated[str, Form(max_length=2000)] = "",
    cause: Words = "",
    fix: Words = "",
) -> Response:
    """Asks first while alerts still fire. What was said of cause and fix is kept in the form until it is resolved."""
    action: Action = "resolve_anyway" if confirmed else "resolve"
    said = {"cause": storable(cause), "fix": storable(fix)}
    if await _stale(reader, number, action, view):
        return await show(request, reader, await found(reader, number), STALE, status=409, said=said)
    detail = await found(reader, number)
    done = await commands.resolve(
        reader.tx.conn,
        reader.tx.now,
        detail.id,
        responder(reader),
        confirmed=bool(confirmed),
        because=storable(because).strip(),
        **said,
    )
    if isinstance(done, StillFiring):
        return await show(request, reader, detail, ask=done.firing, said=said)
    return back(number, "resolved" if isinstance(done, Resolved) else "over")


@router.post("/cause-and-fix")
async def explain(
    number: Number, request: Request, reader: Responding, version: Version, cause: Words = "", fix: Words = ""
) -> Response:
    """Of an incident that is over. Nothing is overwritten that the reader did not see."""
    detail = await found(reader, number)
    said = {"cause": storable(cause), "fix": storable(fix)}
    try:
        await explaining.explain(reader.tx.conn, reader.tx.now, detail.id, responder(reader), version=version, **said)
    except Conflict:
        return await show(request, reader, await found(reader, number), STALE, status=409, said=said)
    return back(number, "explained")


@router.post("/mitigate")
async def mitigate(number: Number, reader: Responding) -> Response:
    detail = await found(reader, number)
    await commands.mitigate(reader.tx.conn, reader.tx.now, detail.id, responder(reader))
    return back(number, "mitigated")


@router.post("/close")
async def close(number: Number, reader: Responding) -> Response:
    detail = await found(reader, number)
    await commands.close(reader.tx.conn, reader.tx.now, detail.id, responder(reader))
    return back(number, "closed")


@router.post("/reassign")
async def reassign(
    number: Number, request: Request, reader: Responding, user: Annotated[str, Form(max_length=64)]
) -> Response:
    """That person is paged at once."""
    to = await people.read_user(reader.tx.conn, storable(user))
    if not to.document.active:
        raise Invalid(f"{to.document.name} is not active")
    detail = await found(reader, number)
    who = responder(reader)
    await commands.reassign(reader.tx.conn, reader.tx.now, detail.id, who, to.id, to.document.name)
    reader.tx.after_commit(request.app.state.wake)
    return back(number, "reassigned")


@router.post("/snooze")
async def snooze(
    number: Number,
    reader: Responding,
    length: Annotated[str, Form(alias="for", max_length=10)] = "",
    until: Annotated[str, Form(max_length=40)] = "",
) -> Response:
    """For some minutes, or until a local date and time in the reader's zone."""
    end = reader.tx.now + SPANS[length] if length in SPANS else _local(until, reader)
    detail = await found(reader, number)
    await commands.snooze(reader.tx.conn, reader.tx.now, detail.id, responder(reader), end)
    return back(number, "snoozed")


def _local(text: str, reader: Reader) -> datetime:
    try:
        return hours.ahead(datetime.fromisoformat(text), reader.zone, reader.tx.now)
    except (ValueError, OverflowError):
        raise Invalid("say until when, like 2026-11-22T14:30") from None


@router.post("/note")
async def note(number: Number, reader: Responding, text: Annotated[str, Form(max_length=20_000)]) -> Response:
    detail = await found(reader, number)
    plain = storable(text).replace("\r\n", "\n")
    await commands.note(reader.tx.conn, reader.tx.now, detail.id, responder(reader), plain)
    return back(number, "noted")


@router.post("/priority")
async def pin_priority(
    number: Number,
    request: Request,
    reader: Responding,
    impact: Annotated[int, Form(ge=1, le=3)],
    urgency: Annotated[int, Form(ge=1, le=3)],
    reason: Annotated[str, Form(max_length=500)] = "",
) -> Response:
    """By impact and urgency, through the organisation's matrix. A raise pages again."""
    detail = await found(reader, number)
    support = detail.support_hours
    await commands.pin_priority(
        reader.tx.conn,
        reader.tx.now,
        detail.id,
        responder(reader),
        impact=impact,
        urgency=urgency,
        matrix=(await priority_store.current(reader.tx.conn)).matrix,
        support=hours.parse_hours(support) if support else None,
        reason=storable(reason).strip(),
    )
    reader.tx.after_commit(request.app.state.wake)
    return back(number, "priority")


@router.post("/priority/automatic")
async def unpin_priority(number: Number, reader: Responding) -> Response:
    detail = await found(reader, number)
    await commands.unpin_priority(reader.tx.conn, reader.tx.now, detail.id, responder(reader))
    return back(number, "automatic")


def storable(text: str) -> str:
    """Without the character that PostgreSQL cannot hold."""
    return text.replace("\x00", "")

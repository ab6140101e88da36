"""What people decide about correlation on screens, and the form for an incident by hand. As `actions.py`: each form is
one POST and leads back by GET; a merge is asked about first, on the server.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal
from uuid import UUID

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from app import opening
from app.directory import service_store
from app.errors import Conflict, Invalid, NotFound
from app.incidents import by_hand, commands
from app.incidents.reading import IncidentDetail
from app.opening import Wish
from app.web.dependencies import StandingsGiven
from app.web.problems import status_of
from app.web.screens.actions import back, responder, storable
from app.web.screens.incident import Number, found, show
from app.web.screens.reader import Reader, reads
from app.web.screens.rendering import HEADERS

router = APIRouter(include_in_schema=False)

Responding = Annotated[Reader, reads("incidents.respond")]
Words = Annotated[str, Form(max_length=2000)]
SEVERITIES: Final = ("critical", "error", "warning", "info")
CHOICES: Final = 1000


@router.post("/incidents/{number}/split")
async def split(
    number: Number, request: Request, reader: Responding, alert: Annotated[UUID, Form()], standings: StandingsGiven
) -> Response:
    """One click; what was wrong can be undone."""
    _, standing = await standings.begin(reader.tx.conn)
    detail = await found(reader, number)
    done = await opening.split(reader.tx.conn, reader.tx.now, standing, detail.id, [alert], responder(reader))
    reader.tx.after_commit(request.app.state.wake)
    return back(done.other.number, "split")


@router.post("/incidents/{number}/merge")
async def merge(
    number: Number,
    request: Request,
    reader: Responding,
    into: Annotated[int, Form(ge=1, le=2**63 - 1)],
    reason: Words = "",
    confirmed: Annotated[Literal["", "yes"], Form()] = "",
) -> Response:
    """Shows both titles and asks before it does so."""
    detail = await found(reader, number)
    try:
        other = await found(reader, into)
    except NotFound as refused:
        return await _refused(request, reader, detail, "merged", refused)
    why = storable(reason).strip()[:500]
    if not confirmed:
        ask = {
            "text": f"Merge “{detail.title[:200]}” (#{number}) into “{other.title[:200]}” (#{into})? "
            "All its alerts go there, now and later, and this one ends.",
            "action": "merge",
            "button": "Merge",
            "fields": {"into": into, "reason": why, "confirmed": "yes"},
        }
        return await show(request, reader, detail, confirm=ask)
    try:
        await by_hand.merge(reader.tx.conn, reader.tx.now, detail.id, other.id, responder(reader), why)
    except (Conflict, Invalid) as refused:
        return await _refused(request, reader, detail, "merged", refused)
    reader.tx.after_commit(request.app.state.wake)
    return back(into, "merged")


@router.post("/incidents/{number}/move")
async def move(
    number: Number,
    request: Request,
    reader: Responding,
    alert: Annotated[UUID, Form()],
    to: Annotated[int, Form(ge=1, le=2**63 - 1)],
) -> Response:
    """One alert; what was wrong can be undone."""
    detail = await found(reader, number)
    try:
        other = await found(reader, to)
        await by_hand.move(reader.tx.conn, reader.tx.now, detail.id, [alert], other.id, responder(reader))
    except (NotFound, Conflict, Invalid) as refused:
        return await _refused(request, reader, detail, "moved", refused)
    reader.tx.after_commit(request.app.state.wake)
    return back(to, "moved")


async def _refused(
    request: Request, reader: Reader, detail: IncidentDetail, what: str, refused: NotFound | Conflict | Invalid
) -> Response:
    """The screen on which the button was, so that another number can be entered."""
    return await show(request, reader, detail, f"Nothing was {what}: {refused.message}.", status=status_of(refused))


@router.post("/incidents/{number}/undo")
async def undo(number: Number, request: Request, reader: Responding) -> Response:
    detail = await found(reader, number)
    try:
        _, done = await opening.undo(reader.tx.conn, reader.tx.now, detail.id, responder(reader))
    except Conflict as refused:
        return await show(request, reader, detail, f"Nothing was undone: {refused.message}.", status=409)
    reader.tx.after_commit(request.app.state.wake)
    return back(done.incident.number, "undone")


@router.post("/incidents/{number}/pin-open")
async def pin_open(
    number: Number,
    request: Request,
    reader: Responding,
    pinned: Annotated[Literal["yes", "no"], Form()],
    reason: Words = "",
) -> Response:
    """With a reason; to let go needs none."""
    detail = await found(reader, number)
    why, pins = storable(reason).strip()[:500], pinned == "yes"
    if pins and not why:
        raise Invalid("say why it is to stay open")
    await commands.pin_open(reader.tx.conn, reader.tx.now, detail.id, responder(reader), pinned=pins, reason=why)
    reader.tx.after_commit(request.app.state.wake)
    return back(number, "pinned" if pins else "released")


@router.get("/new-incident")
async def show_form(reader: Responding) -> Response:
    return await _form(reader, {"service": "", "description": ""})


@router.post("/new-incident")
async def open_incident(
    request: Request,
    reader: Responding,
    standings: StandingsGiven,
    title: Words,
    service: Annotated[str, Form(max_length=64)],
    impact: Annotated[int, Form(ge=1, le=3)] = 2,
    urgency: Annotated[int, Form(ge=1, le=3)] = 2,
    severity: Annotated[Literal["critical", "error", "warning", "info"], Form()] = "critical",
    description: Annotated[str, Form(max_length=10_000)] = "",
) -> Response:
    plain = storable(title).strip()[:500]
    if not plain:
        return await _form(reader, {"service": service, "description": description}, "Say what is wrong.", 422)
    _, standing = await standings.begin(reader.tx.conn)
    wish = Wish(title=plain, service=storable(service), impact=impact, urgency=urgency, severity=severity,
                description=storable(description).replace("\r\n", "\n").strip())  # fmt: skip
    incident = await opening.by_person(reader.tx.conn, reader.tx.now, standing, wish, responder(reader))
    reader.tx.after_commit(request.app.state.wake)
    return RedirectResponse(f"/incidents/{incident.number}?told=opened", 303, dict(HEADERS))


async def _form(reader: Reader, given: dict[str, Any], told: str = "", status: int = 200) -> Response:
    services = await service_store.services(reader.tx.conn, limit=CHOICES)
    names = [(s.document.key, s.document.name) for s in services]
    return reader.shows("new_incident", status, services=names, severities=SEVERITIES, given=given, told=told)

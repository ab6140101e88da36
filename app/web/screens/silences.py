"""Silences: which there are, a new one that shows what it matches before it is made, extending and ending one."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import ValidationError

from app.alerts import silence_store, silences
from app.directory import service_store
from app.errors import Invalid, Refusal
from app.web.api import silences as api
from app.web.api.silences import ExtendBody, SilenceBody, SilencePreviewAnswer, SilencePreviewBody, answers
from app.web.pages import PageWanted, decode, encode
from app.web.problems import status_of
from app.web.screens.entered import LOCAL_TIME, Entered, local_instant, wrongs
from app.web.screens.reader import Reader, reads
from app.web.screens.rendering import HEADERS

router = APIRouter(prefix="/silences", include_in_schema=False)

Reading = Annotated[Reader, reads("silences.read")]
Editing = Annotated[Reader, reads("silences.edit")]
State = Literal["active", "pending", "expired"]

SHOWN: Final = 50
CHOICES: Final = 1000
MATCHED: Final = 30
STATES: Final[tuple[State, ...]] = ("active", "pending", "expired")
LENGTHS: Final = {"60": "1 h", "120": "2 h", "480": "8 h", "1440": "1 day"}
FIELDS: Final = ("matchers", "service", "comment", "starts_at", "ends_at")
TOLD: Final = {
    "made": "The silence is made. What it matches pages nobody until its end; incidents that are open stay open.",
    "extended": "The silence ends later now.",
    "expired": "The silence is over. What it kept quiet and still fires pages now.",
    "over": "The silence was over already.",
}


class SilenceForm(Entered):
    """`length`: minutes, or `custom` with `ends_at`. Times are those of the reader's zone. `previewed`: what the screen
    showed the alerts of; a silence is made of nothing else."""

    matchers: str = ""
    service: str = ""
    comment: str = ""
    starts_at: str = ""
    length: str = "120"
    ends_at: str = ""
    previewed: str = ""
    press: Literal["preview", "make"] = "preview"

    @property
    def what(self) -> str:
        return f"{self.service} {self.matchers.strip()}"


class ExtendForm(Entered):
    """`length`: so many minutes longer than it would last, or `custom` with `ends_at`. `back`: the screen it came
    from."""

    length: str = ""
    for_minutes: str = "60"
    ends_at: str = ""
    back: Literal["suppressed", "silences"] = "suppressed"


@router.get("")
async def show_silences(
    reader: Reading,
    state: State = "active",
    told: Annotated[str, Query(max_length=30)] = "",
    older: Annotated[str | None, Query(max_length=100)] = None,
) -> Response:
    """Those of one state, newest first. `older`: those before this one."""
    return await _list(reader, state, TOLD.get(told, ""), older=older)


async def _list(
    reader: Reader,
    state: State,
    told: str = "",
    *,
    older: str | None = None,
    status: int = 200,
    refused: Mapping[str, Any] | None = None,
) -> Response:
    """`refused`: a form of one silence that did nothing: its `id`, `errors`, `entered`."""
    before = PageWanted(SHOWN, None if older is None else decode(older)).after_uuid
    tx = reader.tx
    found = await silence_store.slice_(tx.conn, tx.now, state=state, before=before, limit=SHOWN + 1)
    return reader.shows(
        "silences",
        status,
        told=told,
        state=state,
        states=STATES,
        silences=await answers(tx, found[:SHOWN]),
        older=encode(str(found[SHOWN - 1].id)) if len(found) > SHOWN else "",
        lengths=LENGTHS,
        may=reader.caller.may("silences.edit"),
        refused=refused or {"id": None, "errors": {}, "entered": ExtendForm()},
    )


@router.get("/new")
async def show_form(
    reader: Editing,
    matchers: Annotated[str, Query(max_length=4_096)] = "",
    service: Annotated[str, Query(max_length=64)] = "",
) -> Response:
    """`matchers`, `service`: what to begin with."""
    return await _form(reader, SilenceForm(matchers=matchers, service=service))


@router.post("/new")
async def make(reader: Editing, form: Annotated[SilenceForm, Form()], request: Request) -> Response:
    """Shows what it matches first; made is what was looked at."""
    try:
        preview = await _preview(reader, form)
    except (ValidationError, Refusal) as refused:
        errors = wrongs(refused, FIELDS) | (_errors(reader, form) if form.press == "make" else {})
        return await _form(reader, form, errors, status=422)
    if form.press == "preview":
        return await _form(reader, form, preview=preview)
    if errors := _errors(reader, form):
        return await _form(reader, form, errors, preview=preview, status=422)
    if form.previewed != form.what:
        return await _form(reader, form, preview=preview, told="Nothing is silenced yet: this is what it matches now.")
    try:
        await api.create_silence(_body(reader, form), reader.tx, Response(), reader.caller, request)
    except (ValidationError, Refusal) as refused:
        return await _form(reader, form, wrongs(refused, FIELDS), preview=preview, status=422)
    state = "pending" if form.starts_at and _starts(reader, form) > reader.tx.now else "active"
    return RedirectResponse(f"/silences?state={state}&told=made", 303, dict(HEADERS))


async def _preview(reader: Reader, form: SilenceForm) -> SilencePreviewAnswer:
    """Raises `ValidationError`, `Invalid`."""
    body = SilencePreviewBody(matchers=form.matchers.strip(), service=form.service or None)
    return await api.preview_silence(body, reader.tx)


def _errors(reader: Reader, form: SilenceForm) -> dict[str, str]:
    """What is missing or no time at all; what is a time and cannot be right, the command says."""
    errors = {}
    if not form.comment.strip():
        errors["comment"] = "say why, for whoever wonders why nobody was paged"
    if form.starts_at and local_instant(form.starts_at, reader.zone) is None:
        errors["starts_at"] = LOCAL_TIME
    if form.length not in LENGTHS and local_instant(form.ends_at, reader.zone) is None:
        errors["ends_at"] = LOCAL_TIME
    return errors


def _starts(reader: Reader, form: SilenceForm) -> datetime:
    return local_instant(form.starts_at, reader.zone) or reader.tx.now


def _body(reader: Reader, form: SilenceForm) -> SilenceBody:
    """Raises `ValidationError`."""
    starts_at = _starts(reader, form)
    begins = max(starts_at, reader.tx.now)
    length = timedelta(minutes=int(form.length)) if form.length in LENGTHS else None
    ends_at = local_instant(form.ends_at, reader.zone, begins) if length is None else begins + length
    return SilenceBody.model_validate(
        {
            "matchers": form.matchers.strip(),
            "service": form.service or None,
            "starts_at": starts_at,
            "ends_at": ends_at,
            "comment": form.comment,
        }
    )


async def _form(
    reader: Reader,
    form: SilenceForm,
    errors: Mapping[str, str] | None = None,
    *,
    preview: SilencePreviewAnswer | None = None,
    told: str = "",
    status: int = 200,
) -> Response:
    services = await service_store.services(reader.tx.conn, limit=CHOICES)
    return reader.shows(
        "new_silence",
        status,
        entered=form,
        errors=errors or {},
        preview=preview,
        matched=MATCHED,
        told=told,
        lengths=LENGTHS,
        longest=silences.LONGEST.days,
        services=[(s.document.key, s.document.name) for s in services],
    )


@router.post("/{silence_id}/extend")
async def extend(silence_id: UUID, request: Request, reader: Editing, form: Annotated[ExtendForm, Form()]) -> Response:
    """So much longer than it would last, or until a date and time."""
    stored = await silences.read(reader.tx.conn, silence_id)
    state = stored.state(reader.tx.now)
    if state == "expired":
        return _back(form.back, "over")
    try:
        body = ExtendBody(ends_at=_later(reader, stored.ends_at, form))
        await api.extend_silence(silence_id, body, reader.tx, reader.caller, request)
    except Invalid as refused:
        if form.back == "suppressed":
            raise
        shown = {"id": silence_id, "errors": wrongs(refused, ["ends_at"]), "entered": form}
        return await _list(reader, state, status=status_of(refused), refused=shown)
    return _back(form.back, "extended")


def _later(reader: Reader, ends_at: datetime, form: ExtendForm) -> datetime:
    """Raises `Invalid`."""
    minutes = form.length or form.for_minutes
    if minutes == "custom":
        if (wished := local_instant(form.ends_at, reader.zone, reader.tx.now)) is None:
            raise Invalid(LOCAL_TIME, errors=[{"field": "ends_at", "message": LOCAL_TIME}])
        return wished
    if not (minutes.isascii() and minutes.isdigit() and 1 <= int(minutes[:9]) <= 30 * 24 * 60):
        message = "say for how much longer: 1 to 43200 minutes"
        raise Invalid(message, errors=[{"field": "ends_at", "message": message}])
    return ends_at + timedelta(minutes=int(minutes))


@router.post("/{silence_id}/expire")
async def expire(
    silence_id: UUID,
    request: Request,
    reader: Editing,
    back: Annotated[Literal["suppressed", "silences"], Form()] = "suppressed",
) -> Response:
    """Ends it now."""
    await api.expire_silence(silence_id, reader.tx, reader.caller, request)
    return _back(back, "expired")


def _back(screen: str, told: str) -> Response:
    return RedirectResponse(f"/{screen}?told={told}", 303, dict(HEADERS))

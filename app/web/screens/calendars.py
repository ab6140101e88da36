"""Calendars that somebody else keeps: how they fare, what they hold, which layers take it, and making, editing, reading
again and removing one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import APIRouter, Form, Query, Request, Response
from pydantic import ValidationError

from app.calendars import commands, place_store, store
from app.calendars.documents import CalendarDocument, CalendarEdit
from app.errors import Refusal
from app.oncall import store as oncall
from app.oncall.schedule_document import CalendarLayerDocument, ScheduleDocument
from app.web.api import calendars as api
from app.web.api.calendars import CalendarAddress, CalendarAnswer, CalendarNew
from app.web.api.on_call_answers import Window
from app.web.dependencies import SecretsGiven
from app.web.models import Key
from app.web.pages import Page
from app.web.problems import status_of
from app.web.screens import choices, editing
from app.web.screens.calendar_form import CalendarForm, document_of, form_of, key_entered, wrong_in
from app.web.screens.entered import Entered, wrongs
from app.web.screens.reader import Reader, reads
from app.web.screens.taking import HOUR

router = APIRouter(prefix="/calendars", include_in_schema=False)

Reading = Annotated[Reader, reads("calendars.read")]
Editing = Annotated[Reader, reads("calendars.edit")]
Seen = Annotated[int, Form(alias="version", ge=1, lt=2**31)]
AHEAD: Final = 28 * 24 * HOUR
SHOWN: Final = 50
TOLD: Final = {
    "made": "Made. It is read within seconds; look again to see what came of it.",
    "saved": "Saved.",
    "same": "There was nothing to save.",
    "address": "It is read from the new address within seconds. What it held stays until then.",
    "due": "It is read within seconds; look again to see what came of it.",
    "meant": "Saved: the name means this person from now on.",
    "deleted": "The calendar is deleted.",
}


@dataclass(frozen=True, slots=True)
class Use:
    """Where a calendar is used: a layer of a schedule, its holidays, or the support hours of a service."""

    address: str
    name: str
    how: str


class AddressForm(Entered):
    address: str = ""


class MeantForm(Entered):
    """`name` in the calendar means `user`, by key."""

    name: str = ""
    user: str = ""


@router.get("")
async def show_calendars(reader: Reading, page: Page, told: Annotated[str, Query(max_length=30)] = "") -> Response:
    """In the order of their keys, with how they fare."""
    listed = await api.list_calendars(reader.tx, page)
    return reader.shows(
        "calendars",
        calendars=[(c, await _uses(reader, c.key)) for c in listed.items],
        following=listed.next,
        told=TOLD.get(told, ""),
        may=reader.caller.may("calendars.edit"),
    )


@router.get("/new")
async def show_new(reader: Editing) -> Response:
    return await _new(reader, CalendarForm())


@router.post("")
async def make(
    reader: Editing, request: Request, secrets: SecretsGiven, form: Annotated[CalendarForm, Form()]
) -> Response:
    """What was entered stays when it is refused."""
    try:
        address = form.address.strip() or None if form.source == "address" else None
        document = CalendarNew.model_validate(document_of(form) | {"key": key_entered(form), "address": address})
        await api.create_calendar(document, request, Response(), reader.tx, secrets, reader.caller)
    except (ValidationError, Refusal) as refused:
        return await _new(reader, form, wrong_in(refused, form), _status(refused))
    return editing.to(f"/calendars/{document.key}?told=made")


async def _new(
    reader: Reader, form: CalendarForm, errors: Mapping[str, str] | None = None, status: int = 200
) -> Response:
    return reader.shows("new_calendar", status, **await _form(reader, form, errors or {}))


async def _form(reader: Reader, form: CalendarForm, errors: Mapping[str, str]) -> dict[str, Any]:
    return {
        "entered": form,
        "errors": errors,
        "own_teams": await choices.own_teams(reader, form.team),
        "may_free": reader.caller.role == "admin",
        "teams": await choices.teams(reader.tx.conn),
        "zones": choices.zones(),
    }


@router.get("/{key}")
async def show_calendar(key: Key, reader: Reading, told: Annotated[str, Query(max_length=30)] = "") -> Response:
    return await _show(reader, key, told=TOLD.get(told, ""))


@router.post("/{key}")
async def edit(
    key: Key, reader: Editing, request: Request, version: Seen, form: Annotated[CalendarForm, Form()]
) -> Response:
    """Refused when somebody else saved meanwhile: what was entered stays."""
    try:
        document = CalendarEdit.model_validate(document_of(form))
        saved = await api.edit_calendar(key, document, request, Response(), reader.tx, version, reader.caller)
    except (ValidationError, Refusal) as refused:
        return await _show(reader, key, _status(refused), entered=form, errors=wrong_in(refused, form))
    return editing.to(f"/calendars/{key}?told={'saved' if saved.version != version else 'same'}")


@router.post("/{key}/address")
async def set_address(
    key: Key, reader: Editing, request: Request, secrets: SecretsGiven, version: Seen,
    form: Annotated[AddressForm, Form()],
) -> Response:  # fmt: skip
    try:
        wanted = CalendarAddress.model_validate({"address": form.address.strip()})
        tx, caller = reader.tx, reader.caller
        await api.set_calendar_address(key, wanted, request, Response(), tx, secrets, version, caller)
    except (ValidationError, Refusal) as refused:
        return await _show(reader, key, _status(refused), refused=wrongs(refused, ("address",)), at="address")
    return editing.to(f"/calendars/{key}?told=address")


@router.post("/{key}/people")
async def mean(
    key: Key, reader: Editing, request: Request, version: Seen, form: Annotated[MeantForm, Form()]
) -> Response:
    """One more name that is a person's."""
    stored = await commands.read(reader.tx.conn, key)
    known = stored.document.model_dump(exclude={"key"})
    try:
        document = CalendarEdit.model_validate(known | {"people": stored.document.people | {form.name: form.user}})
        await api.edit_calendar(key, document, request, Response(), reader.tx, version, reader.caller)
    except (ValidationError, Refusal) as refused:
        return await _show(reader, key, _status(refused), refused=wrongs(refused, ()), at="people")
    return editing.to(f"/calendars/{key}?told=meant")


@router.post("/{key}/refresh")
async def read_now(key: Key, reader: Editing, request: Request) -> Response:
    """A worker reads it next, not this request."""
    await api.refresh_calendar(key, request, Response(), reader.tx, reader.caller)
    return editing.to(f"/calendars/{key}?told=due")


@router.post("/{key}/delete")
async def delete(key: Key, reader: Editing, version: Seen) -> Response:
    """Refused while schedules and services name it."""
    try:
        await api.delete_calendar(key, reader.tx, version, reader.caller)
    except Refusal as refused:
        return await _show(reader, key, _status(refused), refused={"": refused.message}, at="delete")
    return editing.to("/calendars?told=deleted")


async def _show(reader: Reader, key: str, status: int = 200, **given: Any) -> Response:
    """`refused`: what is wrong with the small form `at`; `errors`: with the one of the whole calendar."""
    tx = reader.tx
    answer: CalendarAnswer = await api.read_calendar(key, Response(), tx)
    held = await api.list_calendar_entries(key, tx, Window(tx.now, tx.now + AHEAD))
    team = await store.find_team(tx.conn, answer.team) if answer.team else None
    stored = CalendarDocument(**answer.model_dump(include=set(CalendarDocument.model_fields)))
    entered = given.pop("entered", None)
    nothing: dict[str, Any] = {"told": "", "refused": {}, "at": "", "opened": entered is not None}
    form = await _form(reader, entered or form_of(stored), given.pop("errors", {}))
    return reader.shows(
        "calendar",
        status,
        **nothing | given | form,
        calendar=answer,
        held=held,
        shown=SHOWN,
        uses=await _uses(reader, key),
        people=await choices.people(tx.conn),
        may=reader.caller.may("calendars.edit") and reader.caller.manages(team),
    )


async def _uses(reader: Reader, key: str) -> list[Use]:
    """By the newest versions; one that is in force until then, or planned, is named without its layers."""
    calendar = await commands.read(reader.tx.conn, key)
    places = await place_store.places(reader.tx.conn, reader.tx.now, calendar.id, key)
    keys = [place["key"] for place in places if place["type"] == "schedule"]
    documents = [s.document for s in await oncall.documents(reader.tx.conn, keys)] if keys else []
    found = [Use(f"/schedules/{d.key}", d.name, how) for d in documents for how in _layers(d, key)]
    return found + [Use("", place["key"], "holidays of its support hours") for place in places
                    if place["type"] == "service"]  # fmt: skip


def _layers(schedule: ScheduleDocument, key: str) -> list[str]:
    taken = [
        f"shifts of the layer {layer.name}"
        for layer in schedule.layers
        if isinstance(layer, CalendarLayerDocument) and layer.calendar == key
    ]
    off = [f"holidays of the layer {x.name}" for x in schedule.layers if x.holidays and x.holidays.calendar == key]
    return taken + off or ["another version of it"]


def _status(refused: ValidationError | Refusal) -> int:
    return status_of(refused) if isinstance(refused, Refusal) else 422

"""Maintenance windows: which there are and when they are under way, a new one with a look at when it would be, ending
and deleting one. Times are entered and shown as the clocks of the reader's zone have them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Annotated, Any, Final

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import ValidationError

from app import hours
from app.alerts import suppression_rules, suppression_store
from app.alerts.suppression_documents import MaintenanceWindowDocument, MaintenanceWindowEdit
from app.alerts.suppression_rules import WINDOWS
from app.directory import service_store
from app.directory.changes import Stored
from app.errors import Conflict, Invalid, Refusal
from app.web.api import maintenance_windows as api
from app.web.api.maintenance_windows import Period
from app.web.models import Key
from app.web.pages import Page
from app.web.problems import status_of
from app.web.screens.entered import wrongs
from app.web.screens.reader import Reader, reads
from app.web.screens.rendering import HEADERS
from app.web.screens.window_form import FIELDS, NAMES, WindowForm, document

router = APIRouter(prefix="/maintenance", include_in_schema=False)

Reading = Annotated[Reader, reads("suppression_rules.read")]
Editing = Annotated[Reader, reads("maintenance.edit")]
Seen = Annotated[int, Form(alias="version", ge=1, lt=2**31)]

PERIODS: Final = 3
PREVIEWED: Final = 10
CHOICES: Final = 1000
TOLD: Final = {
    "made": "The maintenance window is made.",
    "ended": "It is over now. What it kept quiet and still fires pages.",
    "deleted": "It is deleted. What it kept quiet and still fires pages.",
    "over": "It was not under way any more: nothing was done.",
}


@dataclass(frozen=True, slots=True)
class WindowShown:
    """A window and when it is under way. `until`: when the period ends in which it is now; None: it is not."""

    document: MaintenanceWindowDocument
    version: int
    tally: suppression_store.Tally
    until: datetime | None
    periods: list[tuple[datetime, datetime]]
    may: bool


@router.get("")
async def show_windows(reader: Reading, page: Page, told: Annotated[str, Query(max_length=30)] = "") -> Response:
    """In the order of their keys, with the next periods of each."""
    return await _list(reader, page, told=TOLD.get(told, ""))


async def _list(reader: Reader, page: Page, *, told: str = "", wrong: str = "", status: int = 200) -> Response:
    conn = reader.tx.conn
    found = await suppression_rules.listed(conn, WINDOWS, after=page.after_text, limit=page.fetch)
    listed = page.of(found, lambda stored: stored.document.key)
    tallies = await suppression_store.tallies(conn, WINDOWS.by) if listed.items else {}
    services = {s.document.key: s for s in await service_store.services(conn, limit=CHOICES)}
    teams = {key: s.team_id for key, s in services.items()}
    return reader.shows(
        "maintenance",
        status,
        told=told,
        wrong=wrong,
        windows=[_shown(reader, stored, tallies, teams) for stored in listed.items],
        names={key: s.document.name for key, s in services.items()},
        following=listed.next,
        may=reader.caller.may("maintenance.edit"),
    )


def _shown(
    reader: Reader,
    stored: Stored[MaintenanceWindowDocument],
    tallies: Mapping[str, suppression_store.Tally],
    teams: Mapping[str, int | None],
) -> WindowShown:
    now, caller = reader.tx.now, reader.caller
    window = stored.document.window(stored.document.key)
    manages = all(caller.manages(teams.get(key)) for key in stored.document.services)
    return WindowShown(
        stored.document,
        stored.version,
        tallies.get(stored.document.key, suppression_store.Tally()),
        window.until(now),
        list(islice(window.periods(now), PERIODS)),
        caller.may("maintenance.edit") and manages,
    )


@router.get("/new")
async def show_form(reader: Editing) -> Response:
    return await _form(reader, WindowForm(time_zone=reader.zone.key))


@router.post("/new")
async def make(reader: Editing, form: Annotated[WindowForm, Form()]) -> Response:
    """Shows when it would be under way first; made is what was looked at."""
    owner = reader.caller.user_key or reader.caller.name
    made, errors = document(form, reader.zone, owner)
    if made is None:
        return await _form(reader, form, errors, status=422)
    edit = MaintenanceWindowEdit.model_validate(made.model_dump(exclude={"key"}))
    periods = (await api.preview_maintenance_window(edit, reader.tx, PREVIEWED)).periods
    if form.press != "make" or form.previewed != form.what:
        return await _form(reader, form, periods=periods)
    try:
        await api.create_maintenance_window(made, reader.tx, Response(), reader.caller)
    except Conflict:
        errors = {"name": f"there is a maintenance window {made.key!r} already; call this one something else"}
        return await _form(reader, form, errors, periods=periods, status=409)
    except Invalid as refused:
        return await _form(reader, form, wrongs(refused, FIELDS, NAMES), periods=periods, status=422)
    return _back("made")


async def _form(
    reader: Reader,
    form: WindowForm,
    errors: Mapping[str, str] | None = None,
    *,
    periods: list[Period] | None = None,
    status: int = 200,
) -> Response:
    """Offers the services for which the reader may make one."""
    found = await service_store.services(reader.tx.conn, limit=CHOICES)
    weekly = form.kind == "weekly" and form.time_zone != reader.zone.key
    return reader.shows(
        "new_window",
        status,
        entered=form,
        errors=errors or {},
        periods=periods,
        other_zone=hours.zone(form.time_zone) if periods and weekly else None,
        days=hours.DAYS,
        services=[(s.document.key, s.document.name) for s in found if reader.caller.manages(s.team_id)],
    )


@router.post("/{key}/end")
async def end(key: Key, request: Request, reader: Editing, page: Page, version: Seen) -> Response:
    """Ends the period that is under way. A weekly window comes back at its next one."""
    stored = await suppression_rules.read(reader.tx.conn, WINDOWS, key)
    until = stored.document.window(key).until(reader.tx.now)
    if until is None:
        return _back("over")
    changes = _ended(stored.document, until, reader.tx.now)
    try:
        edit = MaintenanceWindowEdit.model_validate(stored.document.model_dump(exclude={"key"}) | changes)
        await api.edit_maintenance_window(key, edit, reader.tx, Response(), version, reader.caller, request)
    except (ValidationError, Conflict) as refused:
        return await _refused(reader, page, refused)
    return _back("ended")


def _ended(document: MaintenanceWindowDocument, until: datetime, now: datetime) -> dict[str, Any]:
    """A weekly one begins again after this period, unless this was its last."""
    comes_back = document.weekly is not None and (document.ends_at is None or until < document.ends_at)
    return {"starts_at": until} if comes_back else {"ends_at": now}


@router.post("/{key}/delete")
async def delete(key: Key, request: Request, reader: Editing, page: Page, version: Seen) -> Response:
    try:
        await api.delete_maintenance_window(key, reader.tx, version, reader.caller, request)
    except Conflict as refused:
        return await _refused(reader, page, refused)
    return _back("deleted")


async def _refused(reader: Reader, page: Page, refused: ValidationError | Refusal) -> Response:
    said = "; ".join(wrongs(refused, ()).values())
    status = status_of(refused) if isinstance(refused, Refusal) else 422
    return await _list(reader, page, wrong=f"Nothing was done: {said}.", status=status)


def _back(told: str) -> Response:
    return RedirectResponse(f"/maintenance?told={told}", 303, dict(HEADERS))

"""The editor of a schedule: layers as cards, the next four weeks as they would be, who gains and loses which hours.

Everything works by buttons that send the form; with scripts the preview follows by itself (`static/editor.js`). What
was looked at is what is saved (behaviour.md 9).
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query, Response

from app import hours
from app.errors import Conflict, Invalid, Refusal
from app.oncall import commands
from app.oncall.commands import UNDO_WITHIN
from app.oncall.schedule_document import ScheduleDocument
from app.oncall.store import StoredSchedule
from app.web.api import schedule_versions, schedules
from app.web.models import Key
from app.web.screens import choices, dry_runs, editing
from app.web.screens.editing import FRESH, Again, Entered
from app.web.screens.entered import LOCAL_TIME, local_instant
from app.web.screens.form_tree import Tree, pressed, shaped, text, texts, trees
from app.web.screens.reader import Reader, reads
from app.web.screens.schedule_form import (
    COUNTS,
    LISTS,
    MODES,
    ORDERS,
    UNCOVERED,
    UNITS,
    document,
    empty,
    located,
    tree_of,
)
from app.web.screens.schedule_preview import Shown, preview, save

router = APIRouter(prefix="/schedules", include_in_schema=False)

Editing = Annotated[Reader, reads("schedules.edit")]
TOLD: Final = {
    "made": "The schedule is made. Policies page whoever is on call in it once a step names it.",
    "saved": "Saved. It can be undone for 15 minutes.",
    "planned": "Saved: it is planned, and takes effect when it says.",
    "same": "There was nothing to save.",
    "undone": "Undone: the schedule says what it said before. Who was on call meanwhile stays on record.",
}


@router.get("/new")
async def show_new(reader: Editing) -> Response:
    """Begins with one layer of one week each."""
    layer = empty("layers", reader.tx.now, reader.zone)
    start: Tree = {"time_zone": reader.zone.key, "like_turns": "1", "layers": [layer]}
    return await _show(reader, None, start)


@router.post("/new")
async def make(reader: Editing, tree: Entered) -> Response:
    return await _sent(reader, None, tree)


@router.get("/{key}/edit")
async def show_editor(key: Key, reader: Editing, told: Annotated[str, Query(max_length=30)] = "") -> Response:
    stored = await _stored(reader, key)
    shown = await preview(reader, stored.document, None, "")
    return await _show(reader, stored, tree_of(stored.document), shown=shown, told=TOLD.get(told, ""))


@router.post("/{key}/edit")
async def edit(key: Key, reader: Editing, tree: Entered) -> Response:
    return await _sent(reader, await _stored(reader, key), tree | {"key": key})


async def _stored(reader: Reader, key: str) -> StoredSchedule:
    """Raises `NotFound`, and `Forbidden` before anybody has typed for nothing."""
    stored = await commands.read(reader.tx.conn, key)
    await schedules.require_team(reader.tx, reader.caller, stored.document.team)
    return stored


async def _sent(reader: Reader, stored: StoredSchedule | None, tree: Tree) -> Response:
    """Whatever button it was: what was entered stays."""
    now, press = reader.tx.now, text(tree, "press")
    if moved := pressed(tree, press, lambda path: empty(path, now, _zone(reader, tree))):
        return await _show(reader, stored, moved[0], Again(focus=moved[1]))
    made, errors = document(tree)
    at, wrong = _effective(reader, tree)
    if made is None or wrong:
        return await _show(reader, stored, tree, Again(422, errors | wrong))
    of = editing.seen(made.model_dump(mode="json"), at, stored.version if stored else 0)
    try:
        shown = await preview(reader, made, at, of)
    except Invalid as refused:
        return await _show(reader, stored, tree, editing.refused(refused, located(tree, refused.errors)))
    if press == "dry-run":
        return await dry_runs.with_draft(reader, schedule=made)
    if press != "save":
        return await _show(reader, stored, tree, shown=shown)
    outdated = stored is not None and editing.version(tree) != stored.version
    if text(tree, "previewed") != of and not outdated:
        told = "Nothing is saved yet: this is what it changes. Save it again if it is meant."
        return await _show(reader, stored, tree, shown=shown, told=told)
    try:
        saved = await save(reader, stored.document.key if stored else None, made, editing.version(tree), at)
    except Refusal as refused:
        return await _refused(reader, stored, tree, made, refused, shown)
    if stored is None:
        return editing.to(f"/schedules/{saved.key}/edit?told=made")
    same = saved.version == stored.version
    planned = saved.effective_from is not None and saved.effective_from > now
    return editing.to(f"/schedules/{saved.key}/edit?told={'same' if same else 'planned' if planned else 'saved'}")


async def _refused(
    reader: Reader, stored: StoredSchedule | None, tree: Tree, made: ScheduleDocument, error: Refusal, shown: Shown
) -> Response:
    if stored is not None and error.code == "outdated":
        again = await editing.outdated(error, stored.document.model_dump(mode="json"), made.model_dump(mode="json"))
    elif isinstance(error, Conflict):
        field = {"key_taken": "key", "planned": "effective_from", "in_use": "like"}.get(error.code, "")
        again = editing.refused(error, {field: error.message})
    elif isinstance(error, Invalid):
        again = editing.refused(error, located(tree, error.errors))
    else:
        raise error
    return await _show(reader, stored, tree, again, shown=shown)


def _effective(reader: Reader, tree: Tree) -> tuple[datetime | None, dict[str, str]]:
    """When it takes effect, by the clocks of the schedule; None: now."""
    if not (entered := text(tree, "effective_from")):
        return None, {}
    at = local_instant(entered, _zone(reader, tree))
    return at, {} if at is not None else {"effective_from": LOCAL_TIME}


def _zone(reader: Reader, tree: Tree) -> ZoneInfo:
    """That of the schedule; the reader's while it has none."""
    try:
        return hours.zone(text(tree, "time_zone"))
    except Invalid:
        return reader.zone


async def _show(
    reader: Reader,
    stored: StoredSchedule | None,
    tree: Tree,
    again: Again = FRESH,
    *,
    shown: Shown | None = None,
    told: str = "",
) -> Response:
    conn = reader.tx.conn
    named = {user for layer in trees(tree, "layers") for turn in trees(layer, "turns") for user in texts(turn, "users")}
    others = [choice for choice in await choices.schedules(conn) if stored is None or choice[0] != stored.document.key]
    return reader.shows(
        "schedule_editor",
        again.status,
        stored=stored,
        entered=shaped(tree, LISTS),
        version="" if stored is None else stored.version if again.outdated else text(tree, "version") or stored.version,
        again=again,
        errors=again.errors,
        shown=shown,
        told=told,
        people=await choices.people(conn, named),
        teams=await choices.own_teams(reader, (stored and stored.document.team) or ""),
        teamless=reader.caller.role == "admin",
        others=others,
        zones=choices.zones(),
        days=hours.DAYS,
        modes=MODES,
        units=UNITS,
        uncovered=UNCOVERED,
        orders=ORDERS,
        counts=COUNTS,
        calendars=await choices.calendars(conn),
        may_try=reader.caller.may("dry_runs.make"),
        undo=_undoable(stored, reader.tx.now),
        here_zone=_zone(reader, tree),
    )


def _undoable(stored: StoredSchedule | None, now: datetime) -> datetime | None:
    """Until when the newest version can be taken back, if it can; that of a planned one is when it takes effect."""
    if stored is None or stored.effective_from is None or now - stored.effective_from > UNDO_WITHIN:
        return None
    return stored.effective_from + UNDO_WITHIN


@router.post("/{key}/edit/undo")
async def undo(key: Key, reader: Editing, tree: Entered) -> Response:
    """Takes the newest version back."""
    stored = await _stored(reader, key)
    number = editing.version({"version": text(tree, "number")}) or 0
    try:
        await schedule_versions.undo_version(key, number, Response(), reader.tx, reader.caller)
    except Conflict as refused:
        again = editing.refused(refused, {"": refused.message})
        return await _show(reader, stored, tree_of(stored.document), again)
    return editing.to(f"/schedules/{key}/edit?told=undone")


@router.post("/{key}/edit/delete")
async def delete(key: Key, reader: Editing, tree: Entered) -> Response:
    """Refused with the places that name it."""
    stored = await _stored(reader, key)
    try:
        await schedules.delete_schedule(key, reader.tx, editing.version(tree), reader.caller)
    except Conflict as refused:
        again = editing.refused(refused, {"": refused.message})
        return await _show(reader, stored, tree_of(stored.document), again)
    return editing.to("/on-call")

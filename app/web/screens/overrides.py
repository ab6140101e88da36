"""Overrides from screens: a preset in one tap, a form that shows its effect before it is saved, undo."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Form, Path, Query, Response
from pydantic import ValidationError

from app.errors import Conflict, Invalid, Refusal
from app.oncall import commands, store
from app.oncall.override_document import OverrideDocument
from app.oncall.rows import effect
from app.oncall.shifts import Change, Override
from app.web.api import overrides as api
from app.web.api.on_call_answers import HoursChanged, change_answers
from app.web.models import Key
from app.web.problems import status_of
from app.web.screens.entered import LOCAL_TIME, local_instant, wrongs
from app.web.screens.reader import Reader, reads
from app.web.screens.rendering import local_field
from app.web.screens.taking import Whence, checked, choices, entered_instant, person_key

router = APIRouter(prefix="/schedules/{key}/overrides", include_in_schema=False)

Editing = Annotated[Reader, reads("overrides.edit")]
OverrideId = Annotated[int, Path(ge=1, lt=2**63)]
Text = Annotated[str, Query(max_length=64)]

FIELDS: Final = ("kind", "user", "replaces", "starts_at", "ends_at")
NEXT: Final = 2**62
"""The id of one that is not made yet: it has the last word."""
LONGEST_PRESET: Final = 7 * 24 * 60


class TakeForm(Whence):
    """`until`: an instant, or `+` and minutes from now, up to the full minute. `replaces`: whose place; nobody: a gap.
    `starts_at`: of the shift, for one that began earlier now. `user`: who takes it; nobody: whoever sends this."""

    replaces: str = ""
    user: str = ""
    starts_at: str = ""
    until: str = ""


class OverrideForm(Whence):
    """Times by the reader's clocks; what was so until now stays. `previewed`: what the screen showed the effect of;
    nothing else is saved."""

    kind: Literal["replace", "add", "remove"] = "replace"
    user: str = ""
    replaces: str = ""
    starts_at: str = ""
    ends_at: str = ""
    previewed: str = ""
    press: Literal["preview", "make"] = "preview"

    @property
    def what(self) -> str:
        return " ".join([self.kind, self.user or "-", self.replaces or "-", self.starts_at, self.ends_at])


@router.post("/take")
async def take(key: Key, reader: Editing, form: Annotated[TakeForm, Form()]) -> Response:
    """One tap: somebody takes a shift or a part of it. 409 when that would change nothing, since the shift is not that
    person's any more."""
    now = reader.tx.now
    starts_at = max(entered_instant(form.starts_at, "starts_at"), now) if form.starts_at else now
    given = {"user": form.user or person_key(reader), "replaces": form.replaces or None, "starts_at": starts_at}
    wanted = checked(OverrideDocument, given | {"ends_at": _until(form.until, now)})
    if not await _effect(reader, key, wanted):
        raise Conflict("this would change nothing: the shift is somebody else's by now", code="nothing_changes")
    made = await api.create_override(key, wanted, Response(), reader.tx, reader.caller)
    return form.returns(key, "overridden", override=made.id)


def _until(text: str, now: datetime) -> datetime:
    """Raises `Invalid`."""
    minutes = text.removeprefix("+")
    if text.startswith("+") and minutes.isascii() and minutes.isdigit() and 0 < int(minutes[:6]) <= LONGEST_PRESET:
        minute = now.replace(second=0, microsecond=0)
        return minute + timedelta(minutes=int(minutes) + (minute < now))
    return entered_instant(text, "until")


async def _effect(reader: Reader, key: str, wanted: OverrideDocument) -> list[Change]:
    """Who would gain and lose what from now on. Raises `NotFound`, `Invalid` (a time over or too long)."""
    stored = await commands.read(reader.tx.conn, key)
    starts_at = max(wanted.starts_at, reader.tx.now)
    if starts_at >= wanted.ends_at or wanted.ends_at - starts_at > commands.MAX_WINDOW:
        over = "that is over already" if starts_at >= wanted.ends_at else ""
        message = over or f"an override lasts {commands.MAX_WINDOW.days} days at most"
        raise commands.invalid([{"field": "ends_at", "message": message}])
    window = (starts_at, wanted.ends_at)
    loaded = (await store.schedules(reader.tx.conn, [stored.id], window=window))[stored.id]
    users = await store.find_users(reader.tx.conn, [name for name in (wanted.user, wanted.replaces) if name])
    override = Override(
        NEXT,
        users.get(wanted.user or ""),
        starts_at,
        wanted.ends_at,
        users.get(wanted.replaces or ""),
        wanted.kind == "add",
    )
    return await asyncio.to_thread(effect, loaded, override, reader.tx.now)


@router.get("/new")
async def show_form(
    key: Key,
    reader: Editing,
    replaces: Text = "",
    starts_at: Text = "",
    ends_at: Text = "",
    back: Literal["schedule", "on-call", "shifts"] = "schedule",
) -> Response:
    """`replaces`, `starts_at`, `ends_at`: a shift to begin with; it begins now if it began earlier."""
    start = max(entered_instant(starts_at, "starts_at"), reader.tx.now) if starts_at else reader.tx.now
    end = entered_instant(ends_at, "ends_at") if ends_at else start + timedelta(hours=1)
    me = reader.caller.user_key or ""
    form = OverrideForm(
        user="" if replaces == me else me,
        replaces=replaces,
        starts_at=local_field(start, reader.zone),
        ends_at=local_field(end, reader.zone),
        back=back,
    )
    return await _form(reader, key, form)


@router.post("/new")
async def make(key: Key, reader: Editing, form: Annotated[OverrideForm, Form()]) -> Response:
    """Shows who gains and loses which hours first; made is what was looked at."""
    try:
        wanted = _document(reader, form)
        changes = await _shown_effect(reader, key, wanted)
    except (ValidationError, Invalid) as refused:
        return await _form(reader, key, form, wrongs(refused, FIELDS), status=422)
    if form.press != "make" or form.previewed != form.what:
        return await _form(reader, key, form, changes=changes)
    try:
        made = await api.create_override(key, wanted, Response(), reader.tx, reader.caller)
    except Refusal as refused:
        return await _form(reader, key, form, wrongs(refused, FIELDS), changes=changes, status=status_of(refused))
    return form.returns(key, "overridden", override=made.id)


def _document(reader: Reader, form: OverrideForm) -> OverrideDocument:
    """Raises `ValidationError`, `Invalid`."""
    times: dict[str, Any] = {f: local_instant(getattr(form, f), reader.zone) for f in ("starts_at", "ends_at")}
    if missing := [{"field": field, "message": LOCAL_TIME} for field, at in times.items() if at is None]:
        raise commands.invalid(missing)
    times["starts_at"] = max(times["starts_at"], reader.tx.now)
    given = {"kind": form.kind, "user": form.user or None, "replaces": form.replaces or None}
    return OverrideDocument.model_validate(given | times)


async def _shown_effect(reader: Reader, key: str, wanted: OverrideDocument) -> list[HoursChanged]:
    """Raises `Invalid` for people who do not exist: the effect of nobody would be none."""
    named = {field: name for field in ("user", "replaces") if (name := getattr(wanted, field))}
    known = await store.find_users(reader.tx.conn, named.values())
    unknown = [
        {"field": field, "message": f"there is no user {name!r}"} for field, name in named.items() if name not in known
    ]
    if unknown:
        raise commands.invalid(unknown)
    changes = await _effect(reader, key, wanted)
    return change_answers(changes, await store.names(reader.tx.conn, {change.user_id for change in changes}))


async def _form(
    reader: Reader,
    key: str,
    form: OverrideForm,
    errors: Mapping[str, str] | None = None,
    *,
    changes: list[HoursChanged] | None = None,
    status: int = 200,
) -> Response:
    stored = await commands.read(reader.tx.conn, key)
    return reader.shows(
        "new_override",
        status,
        schedule=stored.document,
        entered=form,
        errors=errors or {},
        changes=changes,
        people=(await choices(reader)).people,
    )


@router.post("/{override_id}/withdraw")
async def withdraw(key: Key, override_id: OverrideId, reader: Editing, form: Annotated[Whence, Form()]) -> Response:
    """One to come is removed, one that runs ends now."""
    await api.withdraw_override(key, override_id, reader.tx, reader.caller)
    return form.returns(key, "withdrawn")

"""Addresses at which calendar programs read shifts: one's own, and those of a schedule. Each is shown once, where it
was made or made anew."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Form, Query, Request, Response
from pydantic import ValidationError

from app.errors import Refusal
from app.oncall import commands
from app.web.api import feeds as api
from app.web.api.feeds import FeedAnswer, FeedMade, FeedNew
from app.web.dependencies import SettingsGiven
from app.web.models import Key
from app.web.problems import status_of
from app.web.screens import editing
from app.web.screens.entered import Entered, wrongs
from app.web.screens.reader import Reader, reads
from app.web.screens.schedule import manages

of_schedule = APIRouter(prefix="/schedules/{key}/feeds", include_in_schema=False)
mine = APIRouter(prefix="/shifts/feeds", include_in_schema=False)

Reading = Annotated[Reader, reads("schedules.read")]
Editing = Annotated[Reader, reads("schedule_feeds.edit")]
MyReading = Annotated[Reader, reads("me.read")]
Mine = Annotated[Reader, reads("me.edit")]
Told = Annotated[str, Query(max_length=30)]
FIELDS: Final = ("name",)
TOLD: Final = {"removed": "Removed: the address counts no more."}


class FeedForm(Entered):
    """`name`: who reads it, where."""

    name: str = ""


@of_schedule.get("")
async def show_schedule_feeds(key: Key, reader: Reading, told: Told = "") -> Response:
    """Who reads the shifts of a schedule in a calendar program."""
    return await _of_schedule(reader, key, told=TOLD.get(told, ""))


@of_schedule.post("")
async def make_schedule_feed(
    key: Key, reader: Editing, request: Request, settings: SettingsGiven, form: Annotated[FeedForm, Form()]
) -> Response:
    """Shows the address, this once."""
    await commands.read(reader.tx.conn, key)
    try:
        new = FeedNew(name=form.name)
        made = await api.create_schedule_feed(key, new, request, Response(), reader.tx, settings, reader.caller)
    except (ValidationError, Refusal) as refused:
        return await _of_schedule(reader, key, _status(refused), entered=form, errors=wrongs(refused, FIELDS))
    return await _of_schedule(reader, key, made=made)


@of_schedule.post("/{feed}/rotate")
async def rotate_schedule_feed(key: Key, feed: api.FeedId, reader: Editing, settings: SettingsGiven) -> Response:
    """Shows the other address, this once."""
    made = await api.rotate_schedule_feed(key, feed, reader.tx, settings, reader.caller)
    return await _of_schedule(reader, key, made=made)


@of_schedule.post("/{feed}/remove")
async def remove_schedule_feed(key: Key, feed: api.FeedId, reader: Editing) -> Response:
    await api.revoke_schedule_feed(key, feed, reader.tx, reader.caller)
    return editing.to(f"/schedules/{key}/feeds?told=removed")


async def _of_schedule(reader: Reader, key: str, status: int = 200, **given: Any) -> Response:
    stored = await commands.read(reader.tx.conn, key)
    may_all = await manages(reader, stored)
    caller = reader.caller
    may = caller.may("schedule_feeds.edit")
    found = await api.list_schedule_feeds(key, reader.tx)
    return _show(
        reader,
        status,
        [(feed, may and (may_all or feed.created_by == caller.actor)) for feed in found],
        schedule=stored.document,
        may=may,
        may_edit=may_all,
        action=f"/schedules/{key}/feeds",
        **given,
    )


@mine.get("")
async def show_my_feeds(reader: MyReading, told: Told = "") -> Response:
    """Where whoever asks reads their own shifts."""
    return await _mine(reader, told=TOLD.get(told, ""))


@mine.post("")
async def make_my_feed(
    reader: Mine, request: Request, settings: SettingsGiven, form: Annotated[FeedForm, Form()]
) -> Response:
    """Shows the address, this once."""
    try:
        new = FeedNew(name=form.name)
        made = await api.create_my_feed(new, request, Response(), reader.tx, settings, reader.caller)
    except (ValidationError, Refusal) as refused:
        return await _mine(reader, _status(refused), entered=form, errors=wrongs(refused, FIELDS))
    return await _mine(reader, made=made)


@mine.post("/{feed}/rotate")
async def rotate_my_feed(feed: api.FeedId, reader: Mine, settings: SettingsGiven) -> Response:
    """Shows the other address, this once."""
    return await _mine(reader, made=await api.rotate_my_feed(feed, reader.tx, settings, reader.caller))


@mine.post("/{feed}/remove")
async def remove_my_feed(feed: api.FeedId, reader: Mine) -> Response:
    await api.revoke_my_feed(feed, reader.tx, reader.caller)
    return editing.to("/shifts/feeds?told=removed")


async def _mine(reader: Reader, status: int = 200, **given: Any) -> Response:
    found = await api.list_my_feeds(reader.tx, reader.caller)
    may = reader.caller.may("me.edit")
    shown = [(feed, may) for feed in found]
    return _show(reader, status, shown, schedule=None, may=may, may_edit=False, action="/shifts/feeds", **given)


def _show(reader: Reader, status: int, feeds: list[tuple[FeedAnswer, bool]], **given: Any) -> Response:
    """`feeds`: each with whether the reader may rotate and remove it. `made`: the one whose address is shown."""
    nothing: dict[str, Any] = {"told": "", "made": None, "errors": {}, "entered": FeedForm()}
    shown = nothing | given
    return reader.shows("feeds", status, feeds=feeds, webcal=_webcal(shown["made"]), **shown)


def _webcal(made: FeedMade | None) -> str:
    """The address as calendar programs open it at a press; none without an address."""
    return f"webcal://{made.url.partition('://')[2]}" if made is not None and made.url else ""


def _status(refused: ValidationError | Refusal) -> int:
    return status_of(refused) if isinstance(refused, Refusal) else 422

"""`/calendars`: calendars of shifts and of holidays that somebody else keeps."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Request, Response
from pydantic import ConfigDict

from app.calendars import commands, store
from app.calendars.documents import Address, CalendarDocument, CalendarEdit
from app.calendars.store import State
from app.directory.changes import Stored
from app.web.api.on_call_answers import Person, WindowWanted, person
from app.web.api.stored import Versioned, answer, created
from app.web.auth import Caller, needs, permission
from app.web.dependencies import SecretsGiven, Transaction, Tx
from app.web.idempotency import Route, idempotent
from app.web.models import Answer, Body, Instant, Key, example
from app.web.pages import Listed, Page
from app.web.versions import IfMatch

router = APIRouter(prefix="/calendars", tags=["calendars"], route_class=Route)
Editing = Annotated[Caller, needs("calendars.edit")]


class UnknownName(Answer):
    """A name in a calendar that means nobody, in so many entries that are not over."""

    name: str
    count: int
    starts_at: Instant


class CalendarState(Answer):
    """How a calendar fares. `fetched_at`: when it was last read. Since `failing_since` it cannot be, because of
    `error`: its last good copy stands in. `unknown`: names that mean nobody; `problems`: what could not be read."""

    address: str
    tried_at: datetime | None
    fetched_at: datetime | None
    failing_since: datetime | None
    error: str
    due_at: datetime | None
    changed_at: datetime | None
    unknown: list[UnknownName]
    problems: list[str]


class CalendarAnswer(CalendarDocument, Versioned):
    """A calendar as it is now; `version` is its ETag. Its address is shown without what may be secret in it."""

    state: CalendarState


class CalendarNew(CalendarDocument):
    """A calendar, perhaps with the `address` that it is read from, which is never shown again."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"key": "rota", "name": "Rota", "address": "https://calendar.example.org/5f3a/rota.ics"}]
        }
    )

    address: Address | None = None


class CalendarAddress(Body):
    """Where a calendar is read from."""

    model_config = example(address="https://calendar.example.org/5f3a/rota.ics")

    address: Address


class EntryAnswer(Answer):
    """Somebody is named during `[starts_at, ends_at)`; `user` null: `said` means nobody."""

    starts_at: datetime
    ends_at: datetime
    user: Person | None
    said: str


class DayAnswer(Answer):
    day: date
    name: str


class Held(Answer):
    """What a calendar says: of shifts the entries that touch `[starts_at, ends_at)`, of holidays the days in it."""

    starts_at: datetime
    ends_at: datetime
    entries: list[EntryAnswer]
    days: list[DayAnswer]


async def _answers(tx: Transaction, found: list[Stored[CalendarDocument]]) -> list[CalendarAnswer]:
    states = await store.states(tx.conn, [stored.document.key for stored in found])
    return [answer(CalendarAnswer, stored, state=_state(states[stored.document.key])) for stored in found]


def _state(state: State) -> CalendarState:
    return CalendarState(
        address=state.address_shown,
        tried_at=state.tried_at,
        fetched_at=state.fetched_at,
        failing_since=state.failing_since,
        error=state.error,
        due_at=state.due_at,
        changed_at=state.changed_at,
        unknown=[UnknownName(**one) for one in state.unknown],
        problems=state.problems,
    )


async def _one(tx: Transaction, stored: Stored[CalendarDocument], response: Response) -> CalendarAnswer:
    states = await store.states(tx.conn, [stored.document.key])
    return answer(CalendarAnswer, stored, response, state=_state(states[stored.document.key]))


async def _require(tx: Transaction, caller: Caller, *teams: str | None) -> None:
    caller.require_team(*[await store.find_team(tx.conn, team) if team else None for team in teams])


@router.get("", dependencies=[permission("calendars.read")])
async def list_calendars(tx: Tx, page: Page) -> Listed[CalendarAnswer]:
    """Calendars in the order of their keys, with how they fare."""
    found = await store.calendars(tx.conn, after=page.after_text, limit=page.fetch)
    return page.of(await _answers(tx, found), lambda calendar: calendar.key)


@router.post("", status_code=201, dependencies=[idempotent])
async def create_calendar(
    body: CalendarNew, request: Request, response: Response, tx: Tx, secrets: SecretsGiven, caller: Editing
) -> CalendarAnswer:
    """Makes a calendar. A text and holidays of a country are read at once, an address within seconds."""
    await _require(tx, caller, body.team)
    document = CalendarDocument(**body.model_dump(exclude={"address"}))
    stored = await commands.create(tx.conn, tx.now, document, actor=caller.actor)
    if body.address is not None:
        stored = await commands.set_address(tx.conn, tx.now, body.key, body.address, secrets, actor=caller.actor)
    created(response, f"calendars/{body.key}")
    tx.after_commit(request.app.state.wake)
    return await _one(tx, stored, response)


@router.get("/{key}", dependencies=[permission("calendars.read")])
async def read_calendar(key: Key, response: Response, tx: Tx) -> CalendarAnswer:
    """One calendar, and how it fares."""
    return await _one(tx, await commands.read(tx.conn, key), response)


@router.put("/{key}")
async def edit_calendar(
    key: Key, body: CalendarEdit, request: Request, response: Response, tx: Tx, expected: IfMatch, caller: Editing
) -> CalendarAnswer:
    """Puts all that may change in place of what is stored. The address stays; the purpose never changes."""
    await _require(tx, caller, (await commands.read(tx.conn, key)).document.team, body.team)
    stored = await commands.edit(tx.conn, tx.now, key, body, actor=caller.actor, version=expected)
    tx.after_commit(request.app.state.wake)
    return await _one(tx, stored, response)


@router.put("/{key}/address")
async def set_calendar_address(
    key: Key, body: CalendarAddress, request: Request, response: Response, tx: Tx, secrets: SecretsGiven,
    expected: IfMatch, caller: Editing,
) -> CalendarAnswer:  # fmt: skip
    """Where it is read from. Kept encrypted; what it held stays until it has been read. 409 `no_address` for a calendar
    whose source is another one."""
    await _require(tx, caller, (await commands.read(tx.conn, key)).document.team)
    stored = await commands.set_address(
        tx.conn, tx.now, key, body.address, secrets, actor=caller.actor, version=expected
    )
    tx.after_commit(request.app.state.wake)
    return await _one(tx, stored, response)


@router.post("/{key}/refresh", status_code=202)
async def refresh_calendar(key: Key, request: Request, response: Response, tx: Tx, caller: Editing) -> CalendarAnswer:
    """Has it read next, instead of when it is due. `state.tried_at` tells when that was."""
    await _require(tx, caller, (await commands.read(tx.conn, key)).document.team)
    stored = await commands.refresh(tx.conn, tx.now, key)
    tx.after_commit(request.app.state.wake)
    return await _one(tx, stored, response)


@router.get("/{key}/entries", dependencies=[permission("calendars.read")])
async def list_calendar_entries(key: Key, tx: Tx, window: WindowWanted) -> Held:
    """What it says about a time (28 days from now if left out), as it was read last."""
    stored = await commands.read(tx.conn, key)
    found: list[Any] = list((await store.entries(tx.conn, [stored.id], (window.t0, window.t1))).get(stored.id, []))
    names = {row.id: (row.key, row.name) for row in await store.accounts(tx.conn)}
    days = (await store.days(tx.conn, [stored.id])).get(stored.id, {})
    return Held(
        starts_at=window.t0,
        ends_at=window.t1,
        entries=[
            EntryAnswer(
                starts_at=row.starts_at,
                ends_at=row.ends_at,
                user=None if row.user_id is None else person(row.user_id, names),
                said=row.said,
            )
            for row in found
        ],
        days=[DayAnswer(day=d, name=n) for d, n in days.items() if window.t0.date() <= d <= window.t1.date()],
    )


@router.delete("/{key}", status_code=204)
async def delete_calendar(key: Key, tx: Tx, expected: IfMatch, caller: Editing) -> None:
    """Removes a calendar that nothing names; 409 `in_use` lists in `used_by` which schedules and services do."""
    await _require(tx, caller, (await commands.read(tx.conn, key)).document.team)
    await commands.delete(tx.conn, tx.now, key, actor=caller.actor, version=expected)

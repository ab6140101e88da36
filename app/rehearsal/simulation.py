"""What would have happened under a draft of a rule set: events of the last days, or a pasted payload, along the road
under the rules in force and under the draft. On a connection and in a thread of its own; nothing stays."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import URL
from sqlalchemy.ext.asyncio import AsyncConnection

from app import clock
from app.db import batches, ids
from app.errors import Invalid
from app.ingest.entrances import door_of
from app.ingest.requests import Request
from app.rehearsal import compared, shadow_store
from app.rehearsal.aside import GIVEN_S, alone, taken_back
from app.rehearsal.compared import Difference, Ran, Totals
from app.rehearsal.playing import Player, TooSlow
from app.rules import store as rules_store
from app.rules.rulesets import Kind
from app.rules.store import Published

MOST_EVENTS: Final = 100_000
MOST_DAYS: Final = 30
SHOWN: Final = 50
_LONGEST_FIRING: Final = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Draft:
    """Rules to try in place of those in force; they must compile."""

    kind: Kind
    scope: str
    rules: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Payload:
    """A body as the integration of this key would receive it."""

    integration: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Simulation:
    """`differing`: how many occurrences came to something else; `differences` are the first of them. `refused`: why
    events of a payload cannot be used."""

    events: int
    before: Totals
    after: Totals
    differing: int
    differences: list[Difference]
    refused: list[str]


@dataclass(frozen=True, slots=True)
class _Task:
    """What both runs are given."""

    url: URL
    now: datetime
    channels: tuple[str, ...]
    what: int | Payload
    """The events of so many days, or a payload."""
    given_s: float
    behind_pooler: bool


@dataclass(frozen=True, slots=True)
class _Played:
    events: int
    ran: Ran
    refused: list[str]


async def simulate(
    url: URL,
    now: datetime,
    channels: Collection[str],
    draft: Draft,
    what: int | Payload,
    *,
    given_s: float = GIVEN_S,
    behind_pooler: bool = False,
) -> Simulation:
    """`what`: how many days up to `now`, or a payload. `channels`: the names of those configured.

    Raises `Invalid` (`too_much`: more events than are played, or than can be played in time; the integration or the
    payload cannot be used), `Conflict` (`busy`) while this process simulates already.
    """
    task = _Task(url, now, tuple(channels), what, given_s, behind_pooler)
    before, after = await alone(lambda: _both(task, draft))
    found = compared.differences(before.ran, after.ran)
    return Simulation(after.events, before.ran.totals, after.ran.totals, len(found), found[:SHOWN], after.refused)


async def _both(task: _Task, draft: Draft) -> tuple[_Played, _Played]:
    return await _run(task, None), await _run(task, draft)


async def _run(task: _Task, draft: Draft | None) -> _Played:
    """One run, taken back at its end."""
    return await taken_back(
        task.url,
        task.behind_pooler,
        lambda conn: _on(conn, task, draft),
        lambda: _too_much(task, "the database took too long over them"),
    )


async def _on(conn: AsyncConnection, task: _Task, draft: Draft | None) -> _Played:
    days = task.what if isinstance(task.what, int) else 0
    since = task.now - timedelta(days=days)
    events = 0
    if days:
        bounds = ids.first_of(since), ids.first_of(since - _LONGEST_FIRING)
        events = await shadow_store.collect(conn, since, *bounds, MOST_EVENTS + 1, task.given_s)
        if events > MOST_EVENTS:
            raise _too_much(task, f"there are more than {MOST_EVENTS}")
    await shadow_store.shadow(conn, since)
    if draft is not None:
        await _put_in_force(conn, task.now, draft)
    await conn.execute(batches.SETTINGS)
    await shadow_store.protect(conn)
    player = Player(conn, task.channels, clock.elapsed() + task.given_s)
    doors = {door.entrance.integration_id: door for door in map(door_of, await shadow_store.doors(conn))}
    refused: list[str] = []
    if isinstance(task.what, Payload):
        request = _request(task.what, {door.key: door for door in doors.values()})
        await player.play([request], task.now)
        if request.error is not None:
            raise _invalid("payload", request.error)
        events, refused = len(request.parsed.events), [r.error for r in request.parsed.refused]
    else:
        try:
            await player.play_events(doors)
        except TooSlow as late:
            raise _too_much(task, f"{late.played} of {events} were played in {task.given_s:.0f} seconds") from late
    return _Played(events, compared.ran(await shadow_store.verdicts(conn), await shadow_store.pages(conn)), refused)


async def _put_in_force(conn: AsyncConnection, now: datetime, draft: Draft) -> None:
    """In the shadow of the published rule sets only."""
    in_force = await rules_store.newest(conn, draft.kind, draft.scope)
    published = Published(in_force.version + 1, draft.rules, now, "draft")
    await rules_store.insert(conn, now, draft.kind, published, draft.scope)


def _request(payload: Payload, doors: dict[str, Any]) -> Request:
    door = doors.get(payload.integration)
    if door is None:
        raise _invalid("integration", f"there is no integration {payload.integration!r}")
    return Request(door, payload.body, {})


def _too_much(task: _Task, why: str) -> Invalid:
    field = "days" if isinstance(task.what, int) else "payload"
    message = f"these are too many events to simulate: {why}; ask for less"
    return Invalid(message, code="too_much", errors=[{"field": field, "message": message}])


def _invalid(field: str, message: str) -> Invalid:
    return Invalid(f"{field}: {message}", errors=[{"field": field, "message": message}])

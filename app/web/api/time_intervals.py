"""`/time-intervals`: recurring times in which matching alerts page nobody, in Alertmanager's language."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Request, Response

from app.alerts import suppression_rules, suppression_store
from app.alerts.suppression_documents import TimeIntervalDocument, TimeIntervalEdit
from app.alerts.suppression_rules import TIME_INTERVALS
from app.directory.changes import Stored
from app.web.api.stored import Versioned, answer, created
from app.web.auth import Caller, needs, permission
from app.web.dependencies import Transaction, Tx
from app.web.idempotency import Route, idempotent
from app.web.models import Key
from app.web.pages import Listed, Page
from app.web.versions import IfMatch

router = APIRouter(prefix="/time-intervals", tags=["silences"], route_class=Route)
Editing = Annotated[Caller, needs("suppression_rules.edit")]


class TimeIntervalAnswer(TimeIntervalDocument, Versioned):
    """As it is now. `suppressed`: occurrences that it kept from paging so far; `firing`: of them now."""

    suppressed: int = 0
    firing: int = 0


async def _answers(
    tx: Transaction, found: list[Stored[TimeIntervalDocument]], response: Response | None = None
) -> list[TimeIntervalAnswer]:
    keys = [s.document.key for s in found]
    tallies = await suppression_store.tallies(tx.conn, TIME_INTERVALS.by, keys) if keys else {}
    return [
        answer(TimeIntervalAnswer, s, response, suppressed=t.occurrences, firing=t.firing)
        for s in found
        for t in [tallies.get(s.document.key, suppression_store.Tally())]
    ]


@router.get("", dependencies=[permission("suppression_rules.read")])
async def list_time_intervals(tx: Tx, page: Page) -> Listed[TimeIntervalAnswer]:
    """In the order of their keys."""
    found = await suppression_rules.listed(tx.conn, TIME_INTERVALS, after=page.after_text, limit=page.fetch)
    return page.of(await _answers(tx, found), lambda each: each.key)


@router.post("", status_code=201, dependencies=[idempotent])
async def create_time_interval(
    body: TimeIntervalDocument, tx: Tx, response: Response, caller: Editing
) -> TimeIntervalAnswer:
    """A new time interval. It holds for what fires from now on."""
    made = await suppression_rules.create(tx.conn, tx.now, TIME_INTERVALS, body, actor=caller.actor)
    created(response, f"time-intervals/{body.key}")
    return (await _answers(tx, [made], response))[0]


@router.get("/{key}", dependencies=[permission("suppression_rules.read")])
async def read_time_interval(key: Key, tx: Tx, response: Response) -> TimeIntervalAnswer:
    """One time interval."""
    return (await _answers(tx, [await suppression_rules.read(tx.conn, TIME_INTERVALS, key)], response))[0]


@router.put("/{key}")
async def edit_time_interval(
    key: Key, body: TimeIntervalEdit, tx: Tx, response: Response, expected: IfMatch, caller: Editing, request: Request
) -> TimeIntervalAnswer:
    """Puts all that may change in place of what is stored. What it suppressed is judged again."""
    edited = await suppression_rules.edit(
        tx.conn, tx.now, TIME_INTERVALS, key, body, actor=caller.actor, version=expected
    )
    tx.after_commit(request.app.state.wake)
    return (await _answers(tx, [edited], response))[0]


@router.delete("/{key}", status_code=204)
async def delete_time_interval(key: Key, tx: Tx, expected: IfMatch, caller: Editing, request: Request) -> None:
    """What it suppressed and still fires enters as new."""
    await suppression_rules.delete(tx.conn, tx.now, TIME_INTERVALS, key, actor=caller.actor, version=expected)
    tx.after_commit(request.app.state.wake)

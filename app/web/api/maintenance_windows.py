"""`/maintenance-windows`: planned periods in which services page nobody, one-off or weekly."""

from __future__ import annotations

from datetime import datetime
from itertools import islice
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from app.alerts import suppression_rules, suppression_store
from app.alerts.suppression_documents import MaintenanceWindowDocument, MaintenanceWindowEdit
from app.alerts.suppression_rules import WINDOWS
from app.directory import service_store
from app.directory.changes import Stored
from app.web.api.stored import Versioned, answer, created
from app.web.auth import Caller, needs, permission
from app.web.dependencies import Transaction, Tx
from app.web.idempotency import Route, idempotent
from app.web.models import Answer, Key
from app.web.pages import Listed, Page
from app.web.versions import IfMatch

router = APIRouter(prefix="/maintenance-windows", tags=["silences"], route_class=Route)
Editing = Annotated[Caller, needs("maintenance.edit")]


class MaintenanceWindowAnswer(MaintenanceWindowDocument, Versioned):
    """As it is now. `suppressed`: occurrences that it kept from paging so far; `firing`: of them now."""

    suppressed: int = 0
    firing: int = 0


async def _answers(
    tx: Transaction, found: list[Stored[MaintenanceWindowDocument]], response: Response | None = None
) -> list[MaintenanceWindowAnswer]:
    keys = [s.document.key for s in found]
    tallies = await suppression_store.tallies(tx.conn, WINDOWS.by, keys) if keys else {}
    return [
        answer(MaintenanceWindowAnswer, s, response, suppressed=t.occurrences, firing=t.firing)
        for s in found
        for t in [tallies.get(s.document.key, suppression_store.Tally())]
    ]


async def _require_teams(tx: Transaction, caller: Caller, services: list[str]) -> None:
    """A manager makes windows for services of the teams he or she manages."""
    if caller.role != "admin":
        found = await service_store.services(tx.conn, services)
        caller.require_team(*(s.team_id for s in found))


@router.get("", dependencies=[permission("suppression_rules.read")])
async def list_maintenance_windows(tx: Tx, page: Page) -> Listed[MaintenanceWindowAnswer]:
    """In the order of their keys."""
    found = await suppression_rules.listed(tx.conn, WINDOWS, after=page.after_text, limit=page.fetch)
    return page.of(await _answers(tx, found), lambda each: each.key)


@router.post("", status_code=201, dependencies=[idempotent])
async def create_maintenance_window(
    body: MaintenanceWindowDocument, tx: Tx, response: Response, caller: Editing
) -> MaintenanceWindowAnswer:
    """A new maintenance window. It holds for what fires from now on."""
    await _require_teams(tx, caller, body.services)
    made = await suppression_rules.create(tx.conn, tx.now, WINDOWS, body, actor=caller.actor)
    created(response, f"maintenance-windows/{body.key}")
    return (await _answers(tx, [made], response))[0]


@router.get("/{key}", dependencies=[permission("suppression_rules.read")])
async def read_maintenance_window(key: Key, tx: Tx, response: Response) -> MaintenanceWindowAnswer:
    """One maintenance window."""
    return (await _answers(tx, [await suppression_rules.read(tx.conn, WINDOWS, key)], response))[0]


@router.put("/{key}")
async def edit_maintenance_window(
    key: Key,
    body: MaintenanceWindowEdit,
    tx: Tx,
    response: Response,
    expected: IfMatch,
    caller: Editing,
    request: Request,
) -> MaintenanceWindowAnswer:
    """Puts all that may change in place of what is stored. What it suppressed is judged again."""
    before = await suppression_rules.read(tx.conn, WINDOWS, key)
    await _require_teams(tx, caller, [*before.document.services, *body.services])
    edited = await suppression_rules.edit(tx.conn, tx.now, WINDOWS, key, body, actor=caller.actor, version=expected)
    tx.after_commit(request.app.state.wake)
    return (await _answers(tx, [edited], response))[0]


@router.delete("/{key}", status_code=204)
async def delete_maintenance_window(key: Key, tx: Tx, expected: IfMatch, caller: Editing, request: Request) -> None:
    """What it suppressed and still fires enters as new."""
    before = await suppression_rules.read(tx.conn, WINDOWS, key)
    await _require_teams(tx, caller, before.document.services)
    await suppression_rules.delete(tx.conn, tx.now, WINDOWS, key, actor=caller.actor, version=expected)
    tx.after_commit(request.app.state.wake)


class Period(Answer):
    """`[starts_at, ends_at)`; the first may be under way."""

    starts_at: datetime
    ends_at: datetime


class PeriodsAnswer(Answer):
    periods: list[Period]


Count = Annotated[int, Query(ge=1, le=100, description="How many, at most.")]


def _periods(document: MaintenanceWindowEdit, tx: Transaction, count: int) -> PeriodsAnswer:
    found = islice(document.window("preview").periods(tx.now), count)
    return PeriodsAnswer(periods=[Period(starts_at=a, ends_at=b) for a, b in found])


@router.get("/{key}/periods", dependencies=[permission("suppression_rules.read")])
async def read_maintenance_periods(key: Key, tx: Tx, count: Count = 10) -> PeriodsAnswer:
    """When it is under way next."""
    return _periods((await suppression_rules.read(tx.conn, WINDOWS, key)).document, tx, count)


@router.post("/preview", dependencies=[permission("suppression_rules.read")])
async def preview_maintenance_window(body: MaintenanceWindowEdit, tx: Tx, count: Count = 10) -> PeriodsAnswer:
    """When such a window would be under way. Changes nothing."""
    return _periods(body, tx, count)

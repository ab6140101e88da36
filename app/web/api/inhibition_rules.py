"""`/inhibition-rules`: an alert that fires keeps other matching alerts quiet."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Request, Response

from app.alerts import suppression_rules, suppression_store
from app.alerts.suppression_documents import InhibitionRuleDocument, InhibitionRuleEdit
from app.alerts.suppression_rules import INHIBITIONS
from app.directory.changes import Stored
from app.web.api.stored import Versioned, answer, created
from app.web.auth import Caller, needs, permission
from app.web.dependencies import Transaction, Tx
from app.web.idempotency import Route, idempotent
from app.web.models import Key
from app.web.pages import Listed, Page
from app.web.versions import IfMatch

router = APIRouter(prefix="/inhibition-rules", tags=["silences"], route_class=Route)
Editing = Annotated[Caller, needs("suppression_rules.edit")]


class InhibitionRuleAnswer(InhibitionRuleDocument, Versioned):
    """As it is now. `suppressed`: occurrences that it kept from paging so far; `firing`: of them now."""

    suppressed: int = 0
    firing: int = 0


async def _answers(
    tx: Transaction, found: list[Stored[InhibitionRuleDocument]], response: Response | None = None
) -> list[InhibitionRuleAnswer]:
    keys = [s.document.key for s in found]
    tallies = await suppression_store.tallies(tx.conn, INHIBITIONS.by, keys) if keys else {}
    return [
        answer(InhibitionRuleAnswer, s, response, suppressed=t.occurrences, firing=t.firing)
        for s in found
        for t in [tallies.get(s.document.key, suppression_store.Tally())]
    ]


@router.get("", dependencies=[permission("suppression_rules.read")])
async def list_inhibition_rules(tx: Tx, page: Page) -> Listed[InhibitionRuleAnswer]:
    """In the order of their keys."""
    found = await suppression_rules.listed(tx.conn, INHIBITIONS, after=page.after_text, limit=page.fetch)
    return page.of(await _answers(tx, found), lambda each: each.key)


@router.post("", status_code=201, dependencies=[idempotent])
async def create_inhibition_rule(
    body: InhibitionRuleDocument, tx: Tx, response: Response, caller: Editing
) -> InhibitionRuleAnswer:
    """A new inhibition rule. It holds for what fires from now on."""
    made = await suppression_rules.create(tx.conn, tx.now, INHIBITIONS, body, actor=caller.actor)
    created(response, f"inhibition-rules/{body.key}")
    return (await _answers(tx, [made], response))[0]


@router.get("/{key}", dependencies=[permission("suppression_rules.read")])
async def read_inhibition_rule(key: Key, tx: Tx, response: Response) -> InhibitionRuleAnswer:
    """One inhibition rule."""
    return (await _answers(tx, [await suppression_rules.read(tx.conn, INHIBITIONS, key)], response))[0]


@router.put("/{key}")
async def edit_inhibition_rule(
    key: Key, body: InhibitionRuleEdit, tx: Tx, response: Response, expected: IfMatch, caller: Editing, request: Request
) -> InhibitionRuleAnswer:
    """Puts all that may change in place of what is stored. What it suppressed is judged again."""
    edited = await suppression_rules.edit(tx.conn, tx.now, INHIBITIONS, key, body, actor=caller.actor, version=expected)
    tx.after_commit(request.app.state.wake)
    return (await _answers(tx, [edited], response))[0]


@router.delete("/{key}", status_code=204)
async def delete_inhibition_rule(key: Key, tx: Tx, expected: IfMatch, caller: Editing, request: Request) -> None:
    """What it suppressed and still fires enters as new."""
    await suppression_rules.delete(tx.conn, tx.now, INHIBITIONS, key, actor=caller.actor, version=expected)
    tx.after_commit(request.app.state.wake)

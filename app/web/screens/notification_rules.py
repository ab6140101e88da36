"""Which contact method is used when, edited line by line on one's account.

Whoever changes the default plan gets it as one's own first; whoever removes the last line has the default plan again.
"""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Form, Request, Response
from pydantic import ValidationError

from app.directory import contact_methods, contact_store, contacts
from app.directory.documents import NotificationRuleDocument, NotificationRulesEdit
from app.errors import Invalid
from app.web.screens.account import Editing, back, me
from app.web.screens.reader import Reader

router = APIRouter(prefix="/account/rules", include_in_schema=False)

Loudness = Annotated[Literal["loud", "quiet"], Form()]
Method = Annotated[int, Form(ge=1, le=2**63 - 1)]
MOST_MINUTES = 1440


@router.post("")
async def add_rule(
    request: Request,
    reader: Editing,
    loudness: Loudness,
    method: Method,
    minutes: Annotated[int, Form(ge=0, le=MOST_MINUTES)] = 0,
) -> Response:
    """After so many minutes use this contact method too; one that is there already changes nothing."""
    added = NotificationRuleDocument(loudness=loudness, delay_s=minutes * 60, contact_method=method)
    rules = await _rules(request, reader, loudness)
    await _put(reader, [*(r for r in rules if r != added), added])
    return back("rules")


@router.post("/remove")
async def remove_rule(
    request: Request,
    reader: Editing,
    loudness: Loudness,
    method: Method,
    delay_s: Annotated[int, Form(ge=0, le=MOST_MINUTES * 60)],
) -> Response:
    gone = NotificationRuleDocument(loudness=loudness, delay_s=delay_s, contact_method=method)
    await _put(reader, [r for r in await _rules(request, reader, loudness) if r != gone])
    return back("rules")


async def _rules(
    request: Request, reader: Reader, loudness: Literal["loud", "quiet"]
) -> list[NotificationRuleDocument]:
    """All rules as stored, and for this loudness those of the default plan where there are none."""
    user_id, _ = me(reader)
    stored = (await contact_store.rules(reader.tx.conn, user_id)).rules
    if any(r.loudness == loudness for r in stored):
        return stored
    person = (await contacts.people(reader.tx.conn, [user_id], list(request.app.state.channels)))[user_id]
    default = [
        NotificationRuleDocument(loudness=loudness, delay_s=r.delay_s, contact_method=r.method.id)
        for r in person.rules_for(loudness)
    ]
    return [*stored, *default]


async def _put(reader: Reader, rules: list[NotificationRuleDocument]) -> None:
    _, key = me(reader)
    try:
        edit = NotificationRulesEdit(rules=rules)
    except ValidationError:
        raise Invalid("a person has 50 notification rules at most") from None
    await contact_methods.put_rules(reader.tx.conn, reader.tx.now, key, edit, actor=reader.caller.actor)

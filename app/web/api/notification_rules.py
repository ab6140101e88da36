"""`/users/{user}/notification-rules`: which contact method when, loud and quiet."""

from __future__ import annotations

from fastapi import APIRouter, Response

from app.directory import contact_methods, contact_store, contacts, people
from app.directory.documents import NotificationRuleDocument, NotificationRulesEdit
from app.web.api.person import EditPerson, Person, ReadPerson
from app.web.dependencies import ChannelsGiven, Transaction, Tx
from app.web.models import Answer
from app.web.versions import IfMatch, set_etag

router = APIRouter(prefix="/users/{user}/notification-rules", tags=["notification rules"])


class NotificationRulesAnswer(Answer):
    """`rules` as the user made them; `in_force` as they work out now: with what is verified and not broken on
    configured channels, and the default plan for a loudness without a usable rule. The ETag is the user's."""

    rules: list[NotificationRuleDocument]
    in_force: list[NotificationRuleDocument]
    version: int


async def _answer(tx: Transaction, person: Person, channels: list[str], response: Response) -> NotificationRulesAnswer:
    rules = await contact_store.rules(tx.conn, person.id)
    version = (await people.read_user(tx.conn, person.key)).version
    reached = (await contacts.people(tx.conn, [person.id], channels))[person.id]
    in_force = [
        NotificationRuleDocument(loudness=loudness, delay_s=rule.delay_s, contact_method=rule.method.id)
        for loudness in ("loud", "quiet")
        for rule in reached.rules_for(loudness)
    ]
    set_etag(response, version)
    return NotificationRulesAnswer(rules=rules.rules, in_force=in_force, version=version)


@router.get("")
async def read_notification_rules(
    tx: Tx, response: Response, channels: ChannelsGiven, person: ReadPerson
) -> NotificationRulesAnswer:
    """The rules of a user, and what they come to."""
    return await _answer(tx, person, list(channels), response)


@router.put("")
async def edit_notification_rules(
    body: NotificationRulesEdit,
    tx: Tx,
    response: Response,
    channels: ChannelsGiven,
    expected: IfMatch,
    person: EditPerson,
) -> NotificationRulesAnswer:
    """Puts these in place of all rules of the user; an empty list brings back the default plan."""
    await contact_methods.put_rules(tx.conn, tx.now, person.key, body, actor=person.actor, version=expected)
    return await _answer(tx, person, list(channels), response)

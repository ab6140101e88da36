"""`/users/{user}/subscriptions`: of which incidents a stakeholder is told, without having to respond."""

from __future__ import annotations

from fastapi import APIRouter, Response

from app.directory import people, subscriptions
from app.directory.documents import SubscriptionDocument, SubscriptionsEdit
from app.web.api.person import EditPerson, Person, ReadPerson
from app.web.dependencies import Transaction, Tx
from app.web.models import Answer
from app.web.versions import IfMatch, set_etag

router = APIRouter(prefix="/users/{user}/subscriptions", tags=["subscriptions"])


class SubscriptionsAnswer(Answer):
    """The ETag is the user's."""

    subscriptions: list[SubscriptionDocument]
    version: int


async def _answer(tx: Transaction, person: Person, response: Response) -> SubscriptionsAnswer:
    found = await subscriptions.of_user(tx.conn, person.id)
    version = (await people.read_user(tx.conn, person.key)).version
    set_etag(response, version)
    return SubscriptionsAnswer(subscriptions=found.subscriptions, version=version)


@router.get("")
async def read_subscriptions(tx: Tx, response: Response, person: ReadPerson) -> SubscriptionsAnswer:
    """Of which services' incidents the user is told, from which priority on; `service` null: of all."""
    return await _answer(tx, person, response)


@router.put("")
async def edit_subscriptions(
    body: SubscriptionsEdit, tx: Tx, response: Response, expected: IfMatch, person: EditPerson
) -> SubscriptionsAnswer:
    """Puts these in place of all subscriptions of the user. They are told quietly, by their quiet notification rules:
    when such an incident begins to page, when it is raised, and of every update that is posted."""
    await subscriptions.put(tx.conn, tx.now, person.key, body, actor=person.actor, version=expected)
    return await _answer(tx, person, response)

"""`/users/{user}/contact-methods`: where somebody is reached; verified by a code before it counts."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import JSONResponse

from app.directory import contact_methods, contact_store
from app.directory.contact_methods import NoCode, Verified, WrongCode
from app.directory.contact_store import StoredMethod
from app.directory.documents import ContactMethodDocument, ContactMethodEdit
from app.errors import Invalid
from app.notifications.commands import queue_message
from app.web import problems
from app.web.api.person import EditPerson, ReadPerson
from app.web.api.stored import created
from app.web.dependencies import ChannelsGiven, Tx
from app.web.idempotency import Route, idempotent
from app.web.models import Answer, Body, example
from app.web.pages import Listed
from app.web.versions import IfMatch, set_etag

router = APIRouter(prefix="/users/{user}/contact-methods", tags=["contact methods"], route_class=Route)

MethodId = Annotated[int, Path(alias="id", description="The `id` of the contact method.")]


class ContactMethodAnswer(Answer):
    """It counts while it is verified and not broken. The `address` of `push` and `ntfy` is a secret: it is only named.
    `links` false: text messages to it carry none. `version` is the ETag."""

    id: int
    channel: str
    address: str
    label: str
    links: bool
    verified_at: datetime | None
    broken_at: datetime | None
    broken_because: str | None
    version: int
    created_at: datetime
    updated_at: datetime


class CodeSent(Answer):
    """When the code that is on its way stops counting."""

    expires_at: datetime


class CodeEntered(Body):
    """The six digits that arrived."""

    model_config = example(code="123456")

    code: str


def _answer(method: StoredMethod, response: Response | None = None) -> ContactMethodAnswer:
    if response is not None:
        set_etag(response, method.version)
    return ContactMethodAnswer.model_validate(method)


@router.get("")
async def list_contact_methods(tx: Tx, person: ReadPerson) -> Listed[ContactMethodAnswer]:
    """All of a user, oldest first, on one page: there are 20 at most."""
    found = await contact_store.methods(tx.conn, person.id)
    return Listed(items=[_answer(method) for method in found], next=None)


@router.post("", status_code=201, dependencies=[idempotent])
async def add_contact_method(
    body: ContactMethodDocument, tx: Tx, response: Response, channels: ChannelsGiven, person: EditPerson
) -> ContactMethodAnswer:
    """The address is normalised by its channel; ask for a code next."""
    added = await contact_methods.add(tx.conn, tx.now, person.id, body, channels, actor=person.actor)
    created(response, f"users/{person.key}/contact-methods/{added.id}")
    return _answer(added, response)


@router.get("/{id}")
async def read_contact_method(
    method_id: MethodId, tx: Tx, response: Response, person: ReadPerson
) -> ContactMethodAnswer:
    """One contact method."""
    return _answer(await contact_methods.read(tx.conn, person.id, method_id), response)


@router.put("/{id}")
async def edit_contact_method(
    method_id: MethodId,
    body: ContactMethodEdit,
    tx: Tx,
    response: Response,
    channels: ChannelsGiven,
    expected: IfMatch,
    person: EditPerson,
) -> ContactMethodAnswer:
    """Another address must be verified again."""
    edited = await contact_methods.edit(
        tx.conn, tx.now, person.id, method_id, body, channels, actor=person.actor, version=expected
    )
    return _answer(edited, response)


@router.delete("/{id}", status_code=204)
async def remove_contact_method(method_id: MethodId, tx: Tx, expected: IfMatch, person: EditPerson) -> None:
    """Its notification rules go with it."""
    await contact_methods.remove(tx.conn, tx.now, person.id, method_id, actor=person.actor, version=expected)


@router.post("/{id}/code", status_code=202, dependencies=[idempotent])
async def send_code(method_id: MethodId, request: Request, tx: Tx, person: EditPerson) -> CodeSent:
    """Sends six digits to the address, good for 15 minutes. 429 within a minute, and after five in an hour."""
    code = await contact_methods.new_code(tx.conn, tx.now, person.id, method_id, actor=person.actor)
    await queue_message(
        tx.conn,
        tx.now,
        user_id=person.id,
        contact_method_id=method_id,
        channel=code.method.channel,
        address=code.method.address,
        purpose="verification",
        content={"code": code.text},
        key=f"verification:{method_id}:{tx.now.isoformat()}",
    )
    tx.after_commit(request.app.state.wake)
    return CodeSent(expires_at=tx.now + contact_methods.CODE_VALID_FOR)


@router.post("/{id}/verify", response_model=ContactMethodAnswer)
async def verify_contact_method(
    method_id: MethodId, body: CodeEntered, request: Request, response: Response, tx: Tx, person: EditPerson
) -> ContactMethodAnswer | JSONResponse:
    """Proves that messages arrive. 422 `wrong_code` with `tries_left`, 422 `no_code` when a new one is needed."""
    entered = await contact_methods.verify(tx.conn, tx.now, person.id, method_id, body.code, actor=person.actor)
    match entered:
        case Verified(method):
            return _answer(method, response)
        case WrongCode(tries_left):
            return _refused(request, "this is not the code that was sent", "wrong_code", tries_left=tries_left)
        case NoCode():
            return _refused(request, "no code counts any more; ask for a new one", "no_code")


def _refused(request: Request, message: str, code: str, **fields: Any) -> JSONResponse:
    """Returned, not raised: the try that was counted must be committed."""
    errors = [{"field": "code", "message": message}]
    return problems.answer(request, Invalid(message, code=code, errors=errors, **fields))

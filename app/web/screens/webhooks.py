"""Webhooks: which there are, making, changing, trying and deleting one. A secret is shown once, where it was made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from fastapi import APIRouter, Form, Query, Request, Response
from pydantic import ValidationError

from app.access.secrets import Secrets
from app.errors import Conflict, Invalid, NotFound, Refusal
from app.escalation import place_store, webhooks
from app.escalation.webhook_documents import WebhookEdit
from app.notifications import calling_store
from app.web.api import webhooks as api
from app.web.dependencies import SecretsGiven
from app.web.models import Key
from app.web.pages import Page, PageWanted
from app.web.problems import status_of
from app.web.screens import editing
from app.web.screens.entered import Entered, wrongs
from app.web.screens.reader import Reader, reads
from app.web.screens.schedule_form import key_of

router = APIRouter(prefix="/escalation/webhooks", include_in_schema=False)

Reading = Annotated[Reader, reads("webhooks.read")]
Editing = Annotated[Reader, reads("webhooks.edit")]
Seen = Annotated[int, Form(alias="version", ge=1, lt=2**31)]
FIELDS: Final = ("name", "key", "address")
SLICE: Final = PageWanted(200, None)
TOLD: Final = {
    "saved": "Saved.",
    "same": "There was nothing to save.",
    "deleted": "The webhook is deleted.",
    "tested": "A test is on its way.",
}


class WebhookForm(Entered):
    name: str = ""
    key: str = ""
    address: str = ""
    press: Literal["save"] = "save"


@router.get("")
async def show_webhooks(
    reader: Reading,
    secrets: SecretsGiven,
    page: Page,
    told: Annotated[str, Query(max_length=30)] = "",
    of: Annotated[str, Query(max_length=64)] = "",
    test: UUID | None = None,
    untold: Annotated[int, Query(ge=0)] = 0,
) -> Response:
    """In the order of their keys. `of`, `test`: the webhook that was tried, and the test of which is told. `untold`:
    how many calls to one that is deleted were given up."""
    words = TOLD.get(told, "")
    if untold:
        words += f" Calls that waited and are given up: {untold}; the timelines of their incidents say so."
    return await _show(reader, secrets, page, told=words, test=await _test(reader, of, test))


async def _test(reader: Reader, key: str, test: UUID | None) -> tuple[str, api.WebhookTest] | None:
    try:
        return None if test is None else (key, await api.read_webhook_test(key, test, reader.tx))
    except NotFound:
        return None


@router.post("")
async def make(
    reader: Editing, request: Request, secrets: SecretsGiven, form: Annotated[WebhookForm, Form()]
) -> Response:
    """Shows the secret of what was made, this once."""
    try:
        given = {"key": form.key.strip() or key_of(form.name), "name": form.name.strip()}
        document = api.WebhookNew.model_validate(given | {"address": form.address.strip()})
        made = await api.create_webhook(document, request, Response(), reader.tx, secrets, reader.caller)
    except (ValidationError, Invalid) as refused:
        return await _show(reader, secrets, entered=form, errors=wrongs(refused, FIELDS), status=422)
    except Conflict as refused:
        return await _show(reader, secrets, entered=form, errors={"key": refused.message}, status=409)
    return await _show(reader, secrets, secret=(made.name, made.secret or "", None))


@router.post("/{key}")
async def edit(
    key: Key, reader: Editing, secrets: SecretsGiven, version: Seen, form: Annotated[WebhookForm, Form()]
) -> Response:
    """Another name, and another address where one is given."""
    try:
        kept = (await webhooks.read(reader.tx.conn, key)).document
        given = kept.model_dump(exclude={"key"}) | {"name": form.name.strip()}
        document = WebhookEdit.model_validate(given)
        to = api.WebhookAddress(address=form.address.strip()) if form.address.strip() else None
        saved = await api.edit_webhook(key, document, Response(), reader.tx, secrets, version, reader.caller)
        if to is not None:
            saved = await api.set_webhook_address(key, to, Response(), reader.tx, secrets, None, reader.caller)
    except ValidationError as refused:
        return await _refused(reader, secrets, key, form, wrongs(refused, FIELDS), 422)
    except Refusal as refused:
        return await _refused(reader, secrets, key, form, {"": refused.message}, status_of(refused))
    return editing.to(f"/escalation/webhooks?told={'saved' if saved.version != version else 'same'}")


async def _refused(
    reader: Reader, secrets: Secrets, key: str, form: WebhookForm, errors: Mapping[str, str], status: int
) -> Response:
    await webhooks.read(reader.tx.conn, key)
    return await _show(reader, secrets, failed={"key": key, "errors": errors, "entered": form}, status=status)


@router.post("/{key}/secret")
async def renew(
    key: Key, reader: Editing, secrets: SecretsGiven, overlap_h: Annotated[Literal["0", "24"], Form()] = "24"
) -> Response:
    """Shows the other secret, this once."""
    wanted = api.SecretRenewal(overlap_h=int(overlap_h))
    made = await api.renew_webhook_secret(key, reader.tx, secrets, reader.caller, wanted)
    name = (await webhooks.read(reader.tx.conn, key)).document.name
    return await _show(reader, secrets, secret=(name, made.secret, made.previous_secret_until))


@router.post("/{key}/test")
async def try_it(key: Key, reader: Editing, secrets: SecretsGiven, request: Request) -> Response:
    """Sends a test, of which the screen tells what came."""
    try:
        test = await api.test_webhook(key, request, reader.tx, reader.caller)
    except Conflict as refused:
        return await _refused(reader, secrets, key, WebhookForm(), {"": refused.message}, status_of(refused))
    return editing.to(f"/escalation/webhooks?told=tested&of={key}&test={test.id}")


@router.post("/{key}/delete")
async def delete(key: Key, reader: Editing, secrets: SecretsGiven, version: Seen) -> Response:
    """Refused with the policies that name it."""
    try:
        deleted = await api.delete_webhook(key, reader.tx, version, reader.caller)
    except Conflict as refused:
        return await _refused(reader, secrets, key, WebhookForm(), {"": refused.message}, status_of(refused))
    return editing.to(f"/escalation/webhooks?told=deleted&untold={deleted.calls_given_up}")


async def _show(
    reader: Reader, secrets: Secrets, page: PageWanted = SLICE, status: int = 200, **given: Any
) -> Response:
    listed = await api.list_webhooks(reader.tx, page, secrets)
    calls = await calling_store.standing(reader.tx.conn, [w.key for w in listed.items])
    used = {w.key: await place_store.places_of_target(reader.tx.conn, "webhook", w.key) for w in listed.items}
    nothing = {"told": "", "errors": {}, "entered": WebhookForm(), "failed": None, "secret": None, "test": None}
    return reader.shows(
        "webhooks",
        status,
        **nothing | given,
        webhooks=[(w, [place["key"] for place in used[w.key]], calls.get(w.key, {})) for w in listed.items],
        following=listed.next,
        may=reader.caller.may("webhooks.edit"),
    )

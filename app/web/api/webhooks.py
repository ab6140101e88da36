"""`/webhooks`: addresses of other programs, which steps of escalation policies may name as targets."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Request, Response
from pydantic import ConfigDict, Field

from app.access.links import Links
from app.access.secrets import Secrets
from app.channels.webhook import shown
from app.channels.webhook_request import secrets_named
from app.directory.changes import Stored
from app.directory.integrations import MAX_OVERLAP_H
from app.errors import NotFound
from app.escalation import webhook_store, webhooks
from app.escalation.webhook_documents import Address, WebhookDocument, WebhookEdit
from app.notifications import commands as notifications
from app.notifications import store as notification_store
from app.web.api.stored import Versioned, answer
from app.web.auth import Caller, needs, permission
from app.web.dependencies import SecretsGiven, Transaction, Tx
from app.web.idempotency import Route, idempotent, shown_once
from app.web.models import Answer, Body, Key, example
from app.web.pages import Listed, Page
from app.web.versions import IfMatch, set_etag

router = APIRouter(prefix="/webhooks", tags=["webhooks"], route_class=Route)
Editing = Annotated[Caller, needs("webhooks.edit")]


MOST_SECRETS: Final = 20
SecretName = Annotated[str, Field(pattern=r"^[a-z0-9_-]{1,40}$")]
SecretValue = Annotated[str, Field(min_length=1, max_length=4000, pattern=r"^[^\x00-\x1f\x7f]+$")]
Given = Annotated[dict[SecretName, SecretValue], Field(max_length=MOST_SECRETS)]


class WebhookNew(WebhookDocument):
    """A webhook, perhaps with the `address` that is called and values of the `secrets` that its request names: neither
    is ever shown again."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"key": "status-page", "name": "Status page", "address": "https://status.example.org/hooks/tocsin"}
            ]
        }
    )

    address: Address | None = None
    secrets: Given = Field(default_factory=dict)


class WebhookSecrets(Body):
    """Values of `{secret.<name>}`; null removes one, others stay."""

    model_config = example(secrets={"token": "dGhlIHRva2Vu"})

    secrets: Annotated[dict[SecretName, SecretValue | None], Field(min_length=1, max_length=MOST_SECRETS)]


class WebhookAddress(Body):
    """Where requests go."""

    model_config = example(address="https://status.example.org/hooks/tocsin")

    address: Address


class WebhookAnswer(WebhookDocument, Versioned):
    """A webhook as it is now; `version` is its ETag. `address`: where it is, not what is asked there; empty while it
    has none, and then it is not called. `secrets`: the names of those that it has values of; `missing_secrets`: of
    those that its request names as well, and without which it is not called. `previous_secret_until`: until then
    requests are signed with the signing secret before the newest as well; null: with the newest alone."""

    address: str
    secrets: list[str]
    missing_secrets: list[str]
    previous_secret_until: datetime | None


class WebhookMade(WebhookAnswer):
    """`secret`, with which every request is signed, is shown this once."""

    secret: str | None


class SecretRenewal(Body):
    """How long the secrets before the new one count: requests are signed with each of them."""

    model_config = example(overlap_h=24)

    overlap_h: Annotated[int, Field(ge=0, le=MAX_OVERLAP_H, description="hours; 0: they end now")] = 24


USUAL_RENEWAL: Final = SecretRenewal()
"""When nothing is sent."""


class SecretAnswer(Answer):
    """Shown this once. `previous_secret_until`: until then requests are signed with the one before as well; null: it
    counts no more."""

    secret: str
    previous_secret_until: datetime | None


class WebhookTest(Answer):
    """A request that was sent to try a webhook. `state`: `pending`, `sending`, `delivered` (it answered 2xx) or
    `failed`; `because`: why it waits or failed."""

    id: UUID
    state: str
    because: str


class WebhookDeleted(Answer):
    """`calls_given_up`: how much it waited to be told, which the timelines of the incidents say, too."""

    calls_given_up: int


async def _answers(tx: Transaction, found: list[Stored[WebhookDocument]], secrets: Secrets) -> list[WebhookAnswer]:
    keys = [stored.document.key for stored in found]
    shown = await webhook_store.shown(tx.conn, tx.now, keys)
    names = await webhooks.secret_names(tx.conn, keys, secrets)
    return [_answer(stored, *shown[stored.document.key], names[stored.document.key]) for stored in found]


def _answer(
    stored: Stored[WebhookDocument], address: str, former_until: datetime | None, names: list[str]
) -> WebhookAnswer:
    request = stored.document.request
    wanted = [] if request is None else secrets_named(request.template)
    missing = [name for name in wanted if name not in names]
    more = {"address": address, "secrets": names, "missing_secrets": missing, "previous_secret_until": former_until}
    return answer(WebhookAnswer, stored, None, **more)


async def _one(tx: Transaction, stored: Stored[WebhookDocument], response: Response, secrets: Secrets) -> WebhookAnswer:
    set_etag(response, stored.version)
    return (await _answers(tx, [stored], secrets))[0]


def _secret(secrets: Secrets, webhook_id: int, generation: int) -> str:
    return shown(Links(secrets).webhook_key(webhook_id, generation))


@router.get("", dependencies=[permission("webhooks.read")])
async def list_webhooks(tx: Tx, page: Page, secrets: SecretsGiven) -> Listed[WebhookAnswer]:
    """Webhooks in the order of their keys."""
    found = await webhook_store.webhooks(tx.conn, after=page.after_text, limit=page.fetch)
    return page.of(await _answers(tx, found, secrets), lambda webhook: webhook.key)


@router.post("", status_code=201, dependencies=[idempotent])
async def create_webhook(
    body: WebhookNew, request: Request, response: Response, tx: Tx, secrets: SecretsGiven, caller: Editing
) -> WebhookMade:
    """Makes a webhook. What is posted there is signed with the `secret` of the answer (Standard Webhooks)."""
    shown_once(request, "secret")
    document = WebhookDocument(key=body.key, name=body.name, request=body.request, when=body.when)
    stored = await webhooks.create(tx.conn, tx.now, document, actor=caller.actor)
    if body.address is not None:
        stored = await webhooks.set_address(tx.conn, tx.now, body.key, body.address, secrets, actor=caller.actor)
    if body.secrets:
        await webhooks.set_secrets(tx.conn, tx.now, body.key, body.secrets, secrets, actor=caller.actor)
        stored = await webhooks.read(tx.conn, body.key)
    response.headers["Location"] = f"/api/v1/webhooks/{body.key}"
    made = await _one(tx, stored, response, secrets)
    return WebhookMade(**made.model_dump(), secret=_secret(secrets, stored.id, 1))


@router.get("/{key}", dependencies=[permission("webhooks.read")])
async def read_webhook(key: Key, response: Response, tx: Tx, secrets: SecretsGiven) -> WebhookAnswer:
    """One webhook."""
    return await _one(tx, await webhooks.read(tx.conn, key), response, secrets)


@router.put("/{key}")
async def edit_webhook(
    key: Key, body: WebhookEdit, response: Response, tx: Tx, secrets: SecretsGiven, expected: IfMatch, caller: Editing
) -> WebhookAnswer:
    """Another name, request, or of what it is told; the address and the secrets stay."""
    stored = await webhooks.edit(tx.conn, tx.now, key, body, actor=caller.actor, version=expected)
    return await _one(tx, stored, response, secrets)


@router.put("/{key}/secrets")
async def set_webhook_secrets(
    key: Key, body: WebhookSecrets, response: Response, tx: Tx, secrets: SecretsGiven, expected: IfMatch,
    caller: Editing,
) -> WebhookAnswer:  # fmt: skip
    """Values of the secrets that its request names. Kept encrypted, and never shown again."""
    given = body.secrets
    await webhooks.set_secrets(tx.conn, tx.now, key, given, secrets, actor=caller.actor, version=expected)
    return await _one(tx, await webhooks.read(tx.conn, key), response, secrets)


@router.put("/{key}/address")
async def set_webhook_address(
    key: Key, body: WebhookAddress, response: Response, tx: Tx, secrets: SecretsGiven, expected: IfMatch,
    caller: Editing,
) -> WebhookAnswer:  # fmt: skip
    """Where requests go from now on; needed too for a webhook that an apply has made. Kept encrypted."""
    stored = await webhooks.set_address(
        tx.conn, tx.now, key, body.address, secrets, actor=caller.actor, version=expected
    )
    return await _one(tx, stored, response, secrets)


@router.post("/{key}/secret")
async def renew_webhook_secret(
    key: Key, tx: Tx, secrets: SecretsGiven, caller: Editing, body: SecretRenewal = USUAL_RENEWAL
) -> SecretAnswer:
    """Another secret from now on; needed too for a webhook that an apply has made. Requests are signed with those
    before as well for `overlap_h` hours, at most; 0 for one that got into wrong hands."""
    until = tx.now + timedelta(hours=body.overlap_h)
    made = await webhooks.renew_secret(tx.conn, tx.now, key, until, actor=caller.actor)
    return SecretAnswer(secret=_secret(secrets, *made), previous_secret_until=until if until > tx.now else None)


@router.post("/{key}/test", status_code=202)
async def test_webhook(key: Key, request: Request, tx: Tx, caller: Editing) -> WebhookTest:
    """Sends a signed request with `"type": "test"`, which is about no incident. Ask for the test to see what came of
    it. 409 `no_address` while it has none."""
    stored = await webhooks.read(tx.conn, key)
    test = await notifications.queue_webhook_test(tx.conn, tx.now, stored.id, caller.name)
    tx.after_commit(request.app.state.wake)
    return WebhookTest(id=test, state="pending", because="")


@router.get("/{key}/tests/{test}", dependencies=[permission("webhooks.read")])
async def read_webhook_test(key: Key, test: UUID, tx: Tx) -> WebhookTest:
    """What came of a test."""
    stored = await webhooks.read(tx.conn, key)
    if (found := await notification_store.webhook_test(tx.conn, stored.id, test)) is None:
        raise NotFound(f"webhook {key!r} has no such test", key=key)
    return WebhookTest(id=test, state=found.state, because=found.because)


@router.delete("/{key}")
async def delete_webhook(key: Key, tx: Tx, expected: IfMatch, caller: Editing) -> WebhookDeleted:
    """Removes a webhook that no policy names; 409 `in_use` lists in `used_by` which do."""
    given_up = await webhooks.delete(tx.conn, tx.now, key, actor=caller.actor, version=expected)
    return WebhookDeleted(calls_given_up=given_up)

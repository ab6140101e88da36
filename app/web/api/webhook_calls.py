"""`/webhooks/try` and `/webhooks/<key>/calls`: what a request would look like, and what webhooks were told of."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Request
from pydantic import ConfigDict

from app.channels.webhook_request import Ready, ready, secrets_named, usual
from app.directory.changes import record
from app.errors import NotFound
from app.escalation import webhooks
from app.escalation.webhook_documents import WebhookRequest
from app.incidents.listening import Happening
from app.notifications import calling_store, webhook_messages
from app.web.auth import Caller, needs, permission
from app.web.dependencies import Transaction, Tx
from app.web.idempotency import Route
from app.web.models import Answer, Body, Instant, Key
from app.web.pages import Listed, Page

router = APIRouter(prefix="/webhooks", tags=["webhooks"], route_class=Route)
Editing = Annotated[Caller, needs("webhooks.edit")]
HIDDEN = "***"
"""What stands for a secret in a preview."""


class WebhookTrial(Body):
    """A request as a webhook may have it (null: the usual one), tried for something that happens."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"request": {"json": {"text": "{text}"}}, "happening": "triggered"}]}
    )

    request: WebhookRequest | None = None
    happening: Happening = "triggered"


class WebhookPreview(Answer):
    """What would be sent, to the byte but for signature and secrets. `incident`: the number of the newest one, which
    it is about; null: there is none, and it is about an example. `secrets`: the names of those that it needs."""

    method: str
    headers: dict[str, str]
    body: str
    incident: int | None
    secrets: list[str]


class WebhookCallAnswer(Answer):
    """Something that a webhook was told of, or will be. `id` is the `webhook-id` of every try; `state`: `pending`,
    `sending`, `delivered` or `failed`, which is given up; `said`: why the last try failed; `due_at`: of the next."""

    id: UUID
    incident: int
    happening: str
    because: str
    at: Instant
    state: str
    tries: int
    due_at: Instant | None
    said: str
    finished_at: Instant | None


@router.post("/try", dependencies=[permission("webhooks.edit")])
async def try_webhook_request(body: WebhookTrial, request: Request, tx: Tx) -> WebhookPreview:
    """Renders a request about the newest incident, or an example where there is none. Sends nothing."""
    return await preview(tx, request.app.state.settings.public_url, body)


async def preview(tx: Transaction, public_url: str, trial: WebhookTrial) -> WebhookPreview:
    incident = await webhook_messages.newest(tx.conn, public_url)
    because, about = "This is a preview", incident or webhook_messages.EXAMPLE
    sent = webhook_messages.happened(trial.happening, tx.now, because, about)
    named = [] if trial.request is None else secrets_named(trial.request.template)
    made = _ready(trial, sent, dict.fromkeys(named, HIDDEN))
    number = None if incident is None else incident["number"]
    return WebhookPreview(
        method=made.method, headers=made.headers, body=made.body.decode(), incident=number, secrets=named
    )


def _ready(trial: WebhookTrial, sent: dict[str, Any], hidden: dict[str, str]) -> Ready:
    if trial.request is None:
        return usual(sent)
    return ready(trial.request.template, sent, "01990000-0000-7000-8000-000000000000", hidden)


@router.get("/{key}/calls", dependencies=[permission("webhooks.read")])
async def list_webhook_calls(key: Key, tx: Tx, page: Page) -> Listed[WebhookCallAnswer]:
    """What it was told of in the last 30 days, beside the steps that called it, newest first."""
    stored = await webhooks.read(tx.conn, key)
    found = await calling_store.listed(tx.conn, stored.id, page.after_uuid, page.fetch)
    return page.of([_call(row) for row in found], lambda call: str(call.id))


def _call(row: Any) -> WebhookCallAnswer:
    over = row.state in ("delivered", "failed")
    due: datetime | None = None if over else row.due_at
    return WebhookCallAnswer.model_validate({**row._mapping, "id": row.entry_id, "due_at": due})


@router.post("/{key}/calls/{call}/retry", status_code=204)
async def retry_webhook_call(key: Key, call: UUID, request: Request, tx: Tx, caller: Editing) -> None:
    """Tells it once more of what was given up. 404 for anything else."""
    stored = await webhooks.read(tx.conn, key)
    if not await calling_store.again(tx.conn, tx.now, stored.id, call):
        raise NotFound(f"webhook {key!r} has no such call that was given up", key=key)
    await record(tx.conn, tx.now, caller.actor, "webhook.call_retried", key, after={"call": str(call)})
    tx.after_commit(request.app.state.wake)

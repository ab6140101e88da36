"""One webhook: its request with a preview, of what it is told, its secrets, and what became of what it was told."""

from __future__ import annotations

from typing import Annotated, Any, Final, get_args
from uuid import UUID

from fastapi import APIRouter, Form, Query, Request, Response
from pydantic import ValidationError

from app.access.secrets import Secrets
from app.channels.webhook_request import VALUES, Method
from app.errors import NotFound, Refusal
from app.escalation import webhooks
from app.incidents.listening import HAPPENINGS
from app.web.api import webhook_calls
from app.web.api import webhooks as api
from app.web.dependencies import SecretsGiven
from app.web.models import Key
from app.web.pages import Page, PageWanted
from app.web.problems import status_of
from app.web.screens import editing
from app.web.screens.entered import wrongs
from app.web.screens.reader import Reader
from app.web.screens.webhook_form import KINDS, RequestForm, Wrong, edit_of, filled, refused_by_command
from app.web.screens.webhooks import Editing, Reading, Seen

router = APIRouter(prefix="/escalation/webhooks", include_in_schema=False)
SLICE: Final = PageWanted(50, None)
TOLD: Final = {"saved": "Saved.", "same": "There was nothing to save.", "retried": "It is told once more."}


@router.get("/{key}")
async def show_webhook(
    key: Key,
    reader: Reading,
    secrets: SecretsGiven,
    page: Page,
    told: Annotated[str, Query(max_length=30)] = "",
) -> Response:
    """The newest calls first."""
    return await _show(reader, secrets, key, page=page, told=TOLD.get(told, ""))


@router.post("/{key}/request")
async def edit_request(
    key: Key,
    reader: Editing,
    request: Request,
    secrets: SecretsGiven,
    version: Seen,
    form: Annotated[RequestForm, Form()],
) -> Response:
    """Saves the request, and of what it is told; or shows what would be sent, and sends nothing."""
    stored = await webhooks.read(reader.tx.conn, key)
    try:
        wanted = edit_of(stored.document.name, form)
        trial = webhook_calls.WebhookTrial.model_validate({"request": wanted.request, "happening": form.happening})
        if form.press == "preview":
            preview = await webhook_calls.preview(reader.tx, request.app.state.settings.public_url, trial)
            return await _show(reader, secrets, key, entered=form, preview=preview)
        saved = await api.edit_webhook(key, wanted, Response(), reader.tx, secrets, version, reader.caller)
    except Wrong as wrong:
        return await _show(reader, secrets, key, status=422, entered=form, errors=wrong.errors)
    except ValidationError as refused:
        errors = wrongs(refused, ("happening",))
        return await _show(reader, secrets, key, status=422, entered=form, errors=errors)
    except Refusal as refused:
        errors = refused_by_command(refused)
        return await _show(reader, secrets, key, status=status_of(refused), entered=form, errors=errors)
    return editing.to(f"/escalation/webhooks/{key}?told={'saved' if saved.version != version else 'same'}")


@router.post("/{key}/secrets")
async def give_secret(
    key: Key, reader: Editing, secrets: SecretsGiven, form: Annotated[RequestForm, Form()]
) -> Response:
    """A value for one of its secrets; none removes it."""
    try:
        body = api.WebhookSecrets(secrets={form.secret.strip(): form.value.strip() or None})
    except ValidationError as refused:
        said = {"secret": "; ".join(wrongs(refused, ()).values())}
        return await _show(reader, secrets, key, status=422, errors=said)
    await api.set_webhook_secrets(key, body, Response(), reader.tx, secrets, None, reader.caller)
    return editing.to(f"/escalation/webhooks/{key}?told=saved#secrets")


@router.post("/{key}/calls/{call}/retry")
async def retry(key: Key, call: UUID, reader: Editing, request: Request, secrets: SecretsGiven) -> Response:
    """Tells it once more of what was given up."""
    try:
        await webhook_calls.retry_webhook_call(key, call, request, reader.tx, reader.caller)
    except NotFound as refused:
        return await _show(reader, secrets, key, status=404, errors={"": refused.message})
    return editing.to(f"/escalation/webhooks/{key}?told=retried#calls")


async def _show(
    reader: Reader, secrets: Secrets, key: str, *, page: PageWanted = SLICE, status: int = 200, **given: Any
) -> Response:
    webhook = await api.read_webhook(key, Response(), reader.tx, secrets)
    calls = await webhook_calls.list_webhook_calls(key, reader.tx, page)
    nothing: dict[str, Any] = {"told": "", "errors": {}, "entered": None, "preview": None}
    shown = nothing | given
    return reader.shows(
        "webhook",
        status,
        **shown | {"entered": shown["entered"] or filled(webhook)},
        webhook=webhook,
        calls=calls.items,
        following=calls.next,
        kinds=KINDS,
        methods=get_args(Method),
        happenings=HAPPENINGS,
        values=VALUES,
        may=reader.caller.may("webhooks.edit"),
    )

"""⑪ What Slack tells us: `POST /v1/slack/interactions`, a button that was pressed (docs/chat.md). Its answer is empty
and at once; the message itself is replaced by the worker, which shows how it stands."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Request, Response
from starlette.exceptions import HTTPException

from app.channels import slack_requests
from app.errors import Forbidden, NotFound
from app.notifications import chat_answers
from app.web.auth import public
from app.web.dependencies import SettingsGiven, Tx

router = APIRouter(include_in_schema=False)

LARGEST: Final = 256 * 1024


@router.post("/v1/slack/interactions", dependencies=[public("Slack signs the request")])
async def button_pressed(request: Request, tx: Tx, settings: SettingsGiven) -> Response:
    """Acts on a button, once. 403 for a wrong signature, one older than five minutes, a button we never made and one of
    a message to somebody else; 413 above 256 KiB, 422 for what is no interaction; 404 without Slack."""
    if not settings.slack_signing_secret:
        raise NotFound("no Slack is configured here: TOCSIN_SLACK_SIGNING_SECRET is not set")
    body = await _body(request)
    given = request.headers.get
    signature = given(slack_requests.SIGNATURE_HEADER, "")
    timestamp = given(slack_requests.TIMESTAMP_HEADER, "")
    if not slack_requests.verify(settings.slack_signing_secret, timestamp, signature, body, tx.now):
        raise Forbidden("the signature is wrong, or too old", code="wrong_signature")
    pressed = slack_requests.pressed(body)
    if pressed is not None:
        await chat_answers.press(tx.conn, tx.now, request.app.state.links, pressed, signature)
        tx.after_commit(request.app.state.wake)
    return Response(status_code=200)


async def _body(request: Request) -> bytes:
    parts, size = [], 0
    async for part in request.stream():
        parts.append(part)
        if (size := size + len(part)) > LARGEST:
            raise HTTPException(413, f"an interaction has no more than {LARGEST} bytes")
    return b"".join(parts)

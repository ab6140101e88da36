"""⑪ What Twilio asks and tells us about phones: texts that come in. Its signature is over the address that the public
sees, so behind a proxy TOCSIN_PUBLIC_URL must be right (docs/replies.md).

Every answer is TwiML without a message: what we say goes out as a notification, where it is seen, tried again and
counted like any other (decision 0014).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import parse_qs

from fastapi import APIRouter, Request, Response

from app.channels import twilio_callbacks
from app.channels.twilio_callbacks import SIGNATURE_HEADER, SIGNATURE_SETTINGS_HEADER, verify_signature
from app.errors import Forbidden
from app.notifications import replying
from app.settings import Settings
from app.web.auth import public
from app.web.dependencies import SettingsGiven, Tx

router = APIRouter(include_in_schema=False)

NOTHING: Final = '<?xml version="1.0" encoding="UTF-8"?>\n<Response/>'


async def signed_form(request: Request, settings: Settings) -> Mapping[str, Sequence[str]]:
    """The form of a request by Twilio, values exactly as sent. Raises `Forbidden` (code `wrong_signature`)."""
    fields = parse_qs((await request.body()).decode(errors="replace"), keep_blank_values=True)
    query = request.url.query
    address = request.scope["raw_path"].decode("ascii") + (f"?{query}" if query else "")
    signature, how = request.headers.get(SIGNATURE_HEADER, ""), request.headers.get(SIGNATURE_SETTINGS_HEADER, "")
    if not verify_signature(settings, address, fields, signature, how):
        raise Forbidden("the signature is wrong", code="wrong_signature")
    return fields


def twiml(document: str) -> Response:
    return Response(document, media_type="text/xml")


@router.post("/v1/twilio/sms", dependencies=[public("Twilio signs the request")])
async def text_came_in(request: Request, tx: Tx, settings: SettingsGiven) -> Response:
    """Acts on a text message from somebody's phone, once. 403 for a wrong signature, 422 for what is no text message;
    what is signed is answered with an empty `<Response/>`."""
    inbound = twilio_callbacks.inbound_of(await signed_form(request, settings))
    if await replying.receive(tx.conn, tx.now, inbound):
        tx.after_commit(request.app.state.wake)
    return twiml(NOTHING)

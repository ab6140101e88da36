"""⑪ What Twilio asks and tells us about phones: texts that come in, and calls. Its signature is over the address that
the public sees, so behind a proxy TOCSIN_PUBLIC_URL must be right (docs/answering.md).

A text is answered by TwiML without a message: what we say goes out as a notification, where it is seen, tried again and
counted like any other (decision 0015).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import parse_qs

from fastapi import APIRouter, Request, Response

from app.access.links import Links
from app.channels import twilio_callbacks, twiml
from app.channels.twilio_callbacks import SIGNATURE_HEADER, SIGNATURE_SETTINGS_HEADER, verify_signature
from app.errors import Forbidden
from app.notifications import calls, replying
from app.settings import Settings
from app.web.auth import public
from app.web.dependencies import ChannelsGiven, SettingsGiven, Tx

router = APIRouter(include_in_schema=False)


async def signed_form(request: Request, settings: Settings) -> Mapping[str, Sequence[str]]:
    """The form of a request by Twilio, values exactly as sent. Raises `Forbidden` (code `wrong_signature`)."""
    fields = parse_qs((await request.body()).decode(errors="replace"), keep_blank_values=True)
    query = request.url.query
    address = request.scope["raw_path"].decode("ascii") + (f"?{query}" if query else "")
    signature, how = request.headers.get(SIGNATURE_HEADER, ""), request.headers.get(SIGNATURE_SETTINGS_HEADER, "")
    if not verify_signature(settings, address, fields, signature, how):
        raise Forbidden("the signature is wrong", code="wrong_signature")
    return fields


def _twiml(document: str) -> Response:
    return Response(document, media_type="text/xml")


@router.post("/v1/twilio/sms", dependencies=[public("Twilio signs the request")])
async def text_came_in(request: Request, tx: Tx, settings: SettingsGiven) -> Response:
    """Acts on a text message from somebody's phone, once. 403 for a wrong signature, 422 for what is no text message;
    what is signed is answered with an empty `<Response/>`."""
    inbound = twilio_callbacks.inbound_of(await signed_form(request, settings))
    if await replying.receive(tx.conn, tx.now, inbound):
        tx.after_commit(request.app.state.wake)
    return _twiml(twiml.nothing())


@router.post("/v1/twilio/voice/{token}", dependencies=[public("Twilio signs the request")])
async def somebody_picked_up(token: str, request: Request, tx: Tx, settings: SettingsGiven) -> Response:
    """What is said in a call. The token names the attempt, as in the address of its status callbacks."""
    progress = twilio_callbacks.progress_of(await signed_form(request, settings))
    return _twiml(await calls.pick_up(tx.conn, tx.now, Links.hash(token), _keys(settings, token), progress))


@router.post("/v1/twilio/voice/{token}/key", dependencies=[public("Twilio signs the request")])
async def key_pressed(
    token: str, request: Request, tx: Tx, settings: SettingsGiven, channels: ChannelsGiven, sure: int = 0
) -> Response:
    """What a key does, and what is said then."""
    progress = twilio_callbacks.progress_of(await signed_form(request, settings))
    told = await calls.press(
        tx.conn, tx.now, Links.hash(token), _keys(settings, token), progress, list(channels), sure=sure == 1
    )
    tx.after_commit(request.app.state.wake)
    return _twiml(told)


@router.post("/v1/twilio/voice/{token}/status", status_code=204, dependencies=[public("Twilio signs the request")])
async def call_went_on(
    token: str, request: Request, tx: Tx, settings: SettingsGiven, channels: ChannelsGiven
) -> Response:
    """How a call went. 403 for a wrong signature; what is signed is answered with 204: sending it again would change
    nothing."""
    progress = twilio_callbacks.progress_of(await signed_form(request, settings))
    if await calls.report(tx.conn, tx.now, Links.hash(token), progress, list(channels)):
        tx.after_commit(request.app.state.wake)
    return Response(status_code=204)


def _keys(settings: Settings, token: str) -> str:
    return f"{settings.public_url}/v1/twilio/voice/{token}/key"

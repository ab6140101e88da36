"""⑪ What described gateways tell us: what became of messages, texts that came in, keys pressed in calls.

Each proves who it is by the secret or the HMAC of its description (docs/providers.md). A message is named by the token
in the address, or by the gateway's own id where it knows one address only.
"""

from __future__ import annotations

from dataclasses import replace

from fastapi import APIRouter, Request, Response

from app.access.links import Links
from app.channels import gateway_callbacks
from app.channels.channel import CallProgress
from app.channels.gateway import GatewayChannel, gateways_of
from app.channels.gateway_description import Signed
from app.channels.gateway_values import Document
from app.channels.several import Several
from app.errors import NotFound
from app.notifications import calls, polling_store, replying
from app.notifications.reports import report_delivery
from app.web.auth import public
from app.web.dependencies import Transaction, Tx

router = APIRouter(prefix="/v1/gateways", include_in_schema=False)


def _gateway(request: Request, name: str) -> GatewayChannel:
    for channel in request.app.state.channels.values():
        if isinstance(channel, Several) and (found := gateways_of(channel.providers).get(name)) is not None:
            return found
    raise NotFound("there is no such gateway", name=name)


async def _document(request: Request, channel: GatewayChannel, signed: Signed) -> Document:
    body = await request.body()
    headers = {name.lower(): value for name, value in request.headers.items()}
    gateway_callbacks.check(channel, signed, headers, request.query_params, body)
    return gateway_callbacks.document_of(headers, body)


@router.post("/{name}/inbound", status_code=204, dependencies=[public("the gateway signs the request")])
async def text_came_in(name: str, request: Request, tx: Tx) -> Response:
    """Acts on a text message from somebody's phone, once. 403 for a wrong signature, 422 for what is no message."""
    channel = _gateway(request, name)
    if channel.gateway.inbound is None:
        raise NotFound("this gateway is not described to receive texts", name=name)
    document = await _document(request, channel, channel.gateway.inbound.signed)
    if await replying.receive(tx.conn, tx.now, gateway_callbacks.inbound_of(channel, document)):
        tx.after_commit(request.app.state.wake)
    return Response(status_code=204)


@router.post("/{name}/status", status_code=204, dependencies=[public("the gateway signs the request")])
async def message_went_on(name: str, request: Request, tx: Tx) -> Response:
    """What became of a message that the gateway names by its own id."""
    return await _status(request, tx, name, None)


@router.post("/{name}/status/{token}", status_code=204, dependencies=[public("the gateway signs the request")])
async def attempt_went_on(name: str, token: str, request: Request, tx: Tx) -> Response:
    """What became of the attempt whose token is in the address. What is signed is answered with 204, also when nobody
    knows the message any more: sending it again would change nothing."""
    return await _status(request, tx, name, Links.hash(token))


async def _status(request: Request, tx: Transaction, name: str, token_hash: bytes | None) -> Response:
    channel = _gateway(request, name)
    if channel.gateway.status_callback is None:
        raise NotFound("this gateway is not described to call back", name=name)
    document = await _document(request, channel, channel.gateway.status_callback.signed)
    provider_id, told = gateway_callbacks.status_of(channel, document)
    attempt, report = token_hash or await polling_store.attempt_named(tx.conn, name, provider_id), told.report
    if attempt is not None and told.price is not None:
        await polling_store.keep_price(tx.conn, attempt, told.price)
    if report is None or attempt is None:
        return Response(status_code=204)
    known = list(request.app.state.channels)
    if not isinstance(report, CallProgress):
        changed = await report_delivery(tx.conn, tx.now, attempt, report, known)
    elif report.digits:
        report = replace(report, provider_id=f"{name}:{provider_id or attempt.hex()}")  # a key of a call acts once
        await calls.press(tx.conn, tx.now, attempt, "", report, known, sure=False)
        changed = True
    else:
        changed = await calls.report(tx.conn, tx.now, attempt, report, known)
    if changed:
        tx.after_commit(request.app.state.wake)
    return Response(status_code=204)

"""What a gateway tells us by itself: is it really that gateway, and what does it say."""

from __future__ import annotations

import hmac
from base64 import b64encode
from collections.abc import Mapping

from app.channels import sms
from app.channels.channel import Inbound, Told
from app.channels.gateway import GatewayChannel
from app.channels.gateway_description import Signed
from app.channels.gateway_values import Document
from app.errors import Forbidden, Invalid


def check(
    channel: GatewayChannel, signed: Signed, headers: Mapping[str, str], query: Mapping[str, str], body: bytes
) -> None:
    """Raises `Forbidden` (code `wrong_signature`) unless the secret or the HMAC over the raw body is right. `headers`
    have lower-case names."""
    given = query.get(signed.query, "") if signed.query else headers.get(signed.header.lower(), "")
    if signed.hmac and signed.encoding == "hex" and not signed.prefix:
        given = given.lower()
    wanted = [_proof(channel.secrets[name], signed, body) for name in (signed.secret, signed.former) if name]
    if not any(hmac.compare_digest(given.encode(), one.encode()) for one in wanted):
        raise Forbidden("the signature is wrong", code="wrong_signature")


def _proof(secret: str, signed: Signed, body: bytes) -> str:
    """What proves that the sender knows this secret."""
    if not signed.hmac:
        return signed.prefix + secret
    digest = hmac.digest(secret.encode(), body, signed.hmac)
    return signed.prefix + (digest.hex() if signed.encoding == "hex" else b64encode(digest).decode())


def document_of(headers: Mapping[str, str], body: bytes) -> Document:
    """The body, by its media type."""
    return Document(body, form=headers.get("content-type", "").startswith("application/x-www-form-urlencoded"))


def status_of(channel: GatewayChannel, document: Document) -> tuple[str, Told]:
    """The gateway's name for the message, and what is said about it.
    Raises Invalid without a name where the description says that there is one."""
    described = channel.gateway.status_callback
    assert described is not None
    name = document.read(described.report.id)
    if described.report.id and not name:
        raise Invalid("A status callback needs the id of a message")
    return name, channel.told_by(described.report, document, name)


def inbound_of(channel: GatewayChannel, document: Document) -> Inbound:
    """A text that came in. Raises Invalid without an id or a number that it came from."""
    described = channel.gateway.inbound
    assert described is not None
    name, sender = document.read(described.id), document.read(described.sender)
    if not name:
        raise Invalid("A message that came in needs an id")
    number = sms.normalise(sender if sender.startswith(("+", "00")) else f"+{sender}")
    return Inbound(f"{channel.gateway.name}:{name}"[:200], number, document.read(described.text))

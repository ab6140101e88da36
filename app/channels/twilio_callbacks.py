"""What Twilio tells us: is it really Twilio, and what does it say about a message."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from twilio.request_validator import RequestValidator, get_signature_algorithm

from app.channels import twilio_faults
from app.channels.channel import UNDONE, CallProgress, DeliveryReport, Inbound
from app.channels.sms import PROVIDER, status_named
from app.errors import Invalid
from app.settings import Settings

SIGNATURE_HEADER: Final = "x-twilio-signature"
SIGNATURE_SETTINGS_HEADER: Final = "x-twilio-webhooks-signature-settings"
_SID: Final = re.compile(r"[A-Za-z]{2}[0-9A-Za-z]{1,62}", re.ASCII)
_SENDER: Final = re.compile(r"\+?[0-9A-Za-z:+]{1,32}", re.ASCII)
"""A number, a short code, or another channel's address (`whatsapp:+49...`), which is nobody's we know."""

Fields = Mapping[str, str | Sequence[str]]
"""The form of a callback; repeated names as a sequence. Values exactly as sent: blanks at the ends count."""


class _Multi(dict[str, Sequence[str]]):
    """Repeated values in the way the SDK asks for them."""

    def getall(self, name: str) -> Sequence[str]:
        return self[name]


def verify_signature(
    settings: Settings, path_and_query: str, fields: Fields | str, signature: str, signature_settings: str = ""
) -> bool:
    """True when Twilio signed this request with our token, or with the former one while that is exchanged.

    `path_and_query` is the part behind `settings.public_url`, percent escapes and order as received: the signature is
    over the *public* address, which a server behind a TLS proxy does not see. `fields` is the form, or the raw body as
    text when it is JSON. `signature_settings` is the header of that name for shared-key signatures.
    Source: Twilio, "Webhooks security".
    """
    if not signature.isascii():
        return False
    params = fields if isinstance(fields, str) else _Multi({k: _values(v) for k, v in fields.items()})
    if isinstance(params, str) and "bodySHA256=" not in path_and_query:
        return False  # a body that nothing was signed over
    address, algorithm = settings.public_url + path_and_query, get_signature_algorithm(signature_settings)
    tokens = filter(None, (settings.twilio_auth_token, settings.twilio_auth_token_former))
    return any(RequestValidator(token).validate(address, params, signature, algorithm) for token in tokens)


def _values(value: str | Sequence[str]) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


def status_of(fields: Fields) -> DeliveryReport | None:
    """What a status callback says; None for a status this version does not know. Raises Invalid without a message id.

    Order is not guaranteed: compare by `channel.supersedes` before storing it.
    """
    provider_id = _one(fields, "MessageSid") or _one(fields, "SmsSid")
    if not provider_id:
        raise Invalid("A status callback needs a MessageSid")
    status = status_named(_one(fields, "MessageStatus") or _one(fields, "SmsStatus"))
    if status is None:
        return None
    code = _one(fields, "ErrorCode")
    fault = twilio_faults.of_delivery(int(code) if code.isdecimal() else None) if status in UNDONE else None
    return DeliveryReport(PROVIDER, provider_id, status, fault)


def inbound_of(fields: Fields) -> Inbound:
    """What a webhook for an incoming message says. Raises Invalid without a message id or the number it came from.
    Source: Twilio, "Twilio's request to your incoming message webhook URL"."""
    provider_id, address = _one(fields, "MessageSid") or _one(fields, "SmsSid"), _one(fields, "From")
    if not _SID.fullmatch(provider_id):
        raise Invalid("A message that came in needs a MessageSid")
    if not _SENDER.fullmatch(address):
        raise Invalid("A message that came in needs the number it came from")
    return Inbound(provider_id, address, _one(fields, "Body"), _one(fields, "OptOutType"))


def progress_of(fields: Fields) -> CallProgress:
    """What a request about a call says. Raises Invalid without a call id. Source: Twilio, "TwiML Voice request
    parameters" and "Call status callbacks"."""
    provider_id = _one(fields, "CallSid")
    if not _SID.fullmatch(provider_id):
        raise Invalid("A request about a call needs a CallSid")
    answered_by, sip = _one(fields, "AnsweredBy"), _one(fields, "SipResponseCode")
    return CallProgress(
        PROVIDER,
        provider_id,
        _one(fields, "CallStatus"),
        _one(fields, "Digits"),
        answered_by.startswith("machine") or answered_by == "fax",
        sip if sip.isdecimal() and sip.isascii() else "",
    )


def _one(fields: Fields, name: str) -> str:
    return next(iter(_values(fields.get(name, ""))), "")

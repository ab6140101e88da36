"""Twilio's Message resource as its API shows and accepts it. Source: Twilio's OpenAPI description of 2010-04-01."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

API: Final = "/2010-04-01/Accounts"
_E164: Final = re.compile(r"\+[1-9]\d{6,14}", re.ASCII)
_SERVICE: Final = re.compile(r"MG[0-9a-fA-F]{32}", re.ASCII)

STATUS_OF_CODE: Final = {20003: 401, 20404: 404, 20429: 429, 20500: 500, 63038: 429}
"""HTTP statuses of the error codes that are not answered with 400."""


@dataclass(slots=True)
class Text:
    """A text message at the exchange."""

    sid: str
    to: str
    sender: str
    body: str
    status: str
    created: datetime
    updated: datetime
    service: str | None = None
    callback: str = ""
    validity_s: int = 36000
    sent: datetime | None = None
    error: int | None = None
    inbound: bool = False
    price: str | None = None
    """As Twilio writes it, a negative number, once it has reckoned it."""


class Refused(Exception):
    """A request the API does not take, with Twilio's code."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def check(form: Mapping[str, str], numbers: tuple[str, ...], services: tuple[str, ...]) -> None:
    """Raises `Refused` for what Twilio refuses."""
    to, sender, service = form.get("To", ""), form.get("From", ""), form.get("MessagingServiceSid", "")
    if not to:
        raise Refused(21604, "A 'To' phone number is required.")
    if not _E164.fullmatch(to):
        raise Refused(21211, f"The 'To' number {to} is not a valid phone number.")
    if not (sender or service):
        raise Refused(21603, "A 'From' phone number is required.")
    if service and (not _SERVICE.fullmatch(service) or service not in services):
        raise Refused(21705, f"The Messaging Service Sid {service} is invalid.")
    if sender and sender not in numbers:
        raise Refused(21606, f"The 'From' phone number {sender} is not a valid message-capable number.")
    if not form.get("Body"):
        raise Refused(21619, "A text message body or media urls must be specified.")
    if len(form["Body"]) > 1600:
        raise Refused(21617, "The concatenated message body exceeds the 1600 character limit.")


def callback_is_usable(url: str) -> bool:
    """An unusable StatusCallback is only logged by Twilio (21609); the message is sent."""
    parts = urlsplit(url)
    return parts.scheme in ("http", "https") and bool(parts.hostname) and "_" not in (parts.hostname or "")


def resource(account: str, text: Text) -> dict[str, Any]:
    """The JSON of one message."""
    uri = f"{API}/{account}/Messages/{text.sid}"
    return {
        "account_sid": account,
        "api_version": "2010-04-01",
        "body": text.body,
        "date_created": format_datetime(text.created),
        "date_sent": format_datetime(text.sent) if text.sent else None,
        "date_updated": format_datetime(text.updated),
        "direction": "inbound" if text.inbound else "outbound-api",
        "error_code": text.error,
        "error_message": None,
        "from": text.sender or None,
        "messaging_service_sid": text.service,
        "num_media": "0",
        "num_segments": None,
        "price": text.price,
        "price_unit": "USD",
        "sid": text.sid,
        "status": text.status,
        "subresource_uris": {"media": f"{uri}/Media.json"},
        "to": text.to,
        "uri": f"{uri}.json",
    }


def report(account: str, text: Text) -> dict[str, str]:
    """The form of a status callback."""
    fields = {
        "AccountSid": account,
        "ApiVersion": "2010-04-01",
        "From": text.sender,
        "To": text.to,
        "MessageSid": text.sid,
        "SmsSid": text.sid,
        "MessageStatus": text.status,
        "SmsStatus": text.status,
    }
    if text.service:
        fields["MessagingServiceSid"] = text.service
    if text.error:
        fields["ErrorCode"] = str(text.error)
    if text.status in ("delivered", "undelivered"):
        fields["RawDlrDoneDate"] = text.updated.strftime("%y%m%d%H%M")
    return fields


def listing(account: str, texts: list[Text], query: Mapping[str, str]) -> dict[str, Any]:
    """One page of messages, the newest first. Messages that were not sent yet match no filter on DateSent."""
    size, page = int(query.get("PageSize", 50)), int(query.get("Page", 0))
    found = [t for t in reversed(texts) if _matches(t, query)]
    start = page * size
    return {
        "end": min(start + size, len(found)) - 1,
        "first_page_uri": _uri(account, query, 0),
        "next_page_uri": _uri(account, query, page + 1) if start + size < len(found) else None,
        "page": page,
        "page_size": size,
        "previous_page_uri": _uri(account, query, page - 1) if page else None,
        "messages": [resource(account, t) for t in found[start : start + size]],
        "start": start,
        "uri": _uri(account, query, page),
    }


def _uri(account: str, query: Mapping[str, str], page: int) -> str:
    return f"{API}/{account}/Messages.json?{urlencode({**query, 'Page': page})}"


def _matches(text: Text, query: Mapping[str, str]) -> bool:
    if query.get("To", text.to) != text.to or query.get("From", text.sender) != text.sender:
        return False
    for name, value in query.items():
        if not name.startswith("DateSent"):
            continue
        start, end = _span(value)
        if text.sent is None:
            return False
        if name == "DateSent" and not start <= text.sent < end:
            return False
        if (name == "DateSent>" and text.sent < start) or (name == "DateSent<" and text.sent >= end):
            return False
    return True


def _span(value: str) -> tuple[datetime, datetime]:
    """A day, or an instant of one second."""
    start = datetime.fromisoformat(value)
    start = start if start.tzinfo else start.replace(tzinfo=UTC)
    return start, start + (timedelta(days=1) if len(value) == 10 else timedelta(seconds=1))

"""Twilio's Call resource as its API shows and accepts it. Source: Twilio's OpenAPI description of 2010-04-01."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import format_datetime
from typing import Any, Final
from urllib.parse import urlencode

from app.dev.texts import _E164, API, Refused, callback_is_usable

EVENTS: Final = frozenset({"initiated", "ringing", "answered", "completed"})
FINAL: Final = frozenset({"completed", "busy", "failed", "no-answer", "canceled"})


@dataclass(slots=True)
class Call:
    """A call at the exchange. `heard`: what was said to whoever picked up; `pressed`: the keys."""

    sid: str
    to: str
    sender: str
    url: str
    callback: str
    events: frozenset[str]
    ring_s: int
    created: datetime
    updated: datetime
    status: str = "queued"
    heard: list[str] = field(default_factory=list)
    pressed: str = ""
    sequence: int = 0
    complaints: list[str] = field(default_factory=list)
    """What Twilio would have logged about our TwiML."""
    price: str | None = None

    def __str__(self) -> str:
        return f"call ({self.status}): {' '.join(self.heard)}"


def check(form: Mapping[str, Sequence[str]], numbers: tuple[str, ...]) -> None:
    """Raises `Refused` for what Twilio refuses. `form` with all values of repeated names."""
    to, sender, url = (form.get(name, [""])[0] for name in ("To", "From", "Url"))
    if not _E164.fullmatch(to):
        raise Refused(21217, f"The phone number {to} looks invalid.")
    if sender not in numbers:
        raise Refused(21210, f"The source phone number {sender} is not yet verified for your account.")
    if not callback_is_usable(url):
        raise Refused(21205, f"Url is not a valid URL: {url}")
    if unknown := set(form.get("StatusCallbackEvent", ())) - EVENTS:
        raise Refused(21626, f"Invalid StatusCallbackEvent: {unknown}")
    if not 0 < int(form.get("Timeout", ["60"])[0]) <= 600:
        raise Refused(20001, "Invalid Timeout")


def resource(account: str, call: Call) -> dict[str, Any]:
    """The JSON of one call."""
    uri = f"{API}/{account}/Calls/{call.sid}"
    began = format_datetime(call.created) if call.status != "queued" else None
    return {
        "account_sid": account,
        "answered_by": None,
        "api_version": "2010-04-01",
        "caller_name": None,
        "date_created": format_datetime(call.created),
        "date_updated": format_datetime(call.updated),
        "direction": "outbound-api",
        "duration": "10" if call.status == "completed" else None,
        "end_time": format_datetime(call.updated) if call.status in FINAL else None,
        "forwarded_from": None,
        "from": call.sender,
        "from_formatted": call.sender,
        "group_sid": None,
        "parent_call_sid": None,
        "phone_number_sid": None,
        "price": call.price,
        "price_unit": "USD",
        "queue_time": "0",
        "sid": call.sid,
        "start_time": began,
        "status": call.status,
        "subresource_uris": {"recordings": f"{uri}/Recordings.json"},
        "to": call.to,
        "to_formatted": call.to,
        "trunk_sid": None,
        "uri": f"{uri}.json",
    }


def listing(account: str, calls: Sequence[Call], query: Mapping[str, str]) -> dict[str, Any]:
    """One page of calls, the newest first."""
    size, page = int(query.get("PageSize", 50)), int(query.get("Page", 0))
    found = [c for c in reversed(calls) if query.get("To", c.to) == c.to and query.get("From", c.sender) == c.sender]
    start = page * size

    def uri(number: int) -> str:
        return f"{API}/{account}/Calls.json?{urlencode({**query, 'Page': number})}"

    return {
        "calls": [resource(account, c) for c in found[start : start + size]],
        "end": min(start + size, len(found)) - 1,
        "first_page_uri": uri(0),
        "next_page_uri": uri(page + 1) if start + size < len(found) else None,
        "page": page,
        "page_size": size,
        "previous_page_uri": uri(page - 1) if page else None,
        "start": start,
        "uri": uri(page),
    }

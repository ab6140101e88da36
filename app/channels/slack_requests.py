"""What Slack sends us when a button is pressed: whether it is Slack's, and what it says. Pure.

The signature is that of docs.slack.dev ("Verifying requests from Slack", version v0): HMAC-SHA-256 of
`v0:<timestamp>:<body>` under the signing secret, no older than five minutes.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Final
from urllib.parse import parse_qs

import msgspec
from msgspec import Struct

from app.errors import Invalid

SIGNATURE_HEADER: Final = "x-slack-signature"
TIMESTAMP_HEADER: Final = "x-slack-request-timestamp"
WITHIN_S: Final = 300
ACTIONS: Final = frozenset({"acknowledge", "acknowledge_all", "escalate", "resolve", "resolve_anyway"})


class _User(Struct):
    id: str


class _Action(Struct):
    action_id: str
    value: str = ""


class _Payload(Struct):
    type: str
    user: _User
    actions: list[_Action] = []


@dataclass(frozen=True, slots=True)
class Pressed:
    """`member` pressed the button of `action`; `value` is what we put into it."""

    member: str
    action: str
    value: str


def verify(secret: str, timestamp: str, signature: str, body: bytes, now: datetime) -> bool:
    """Compares in constant time. Without a secret nothing is Slack's."""
    if not secret or not timestamp.isascii() or not timestamp.isdigit() or len(timestamp) > 12:
        return False
    if abs(now.timestamp() - int(timestamp)) > WITHIN_S:
        return False
    right = hmac.new(secret.encode(), f"v0:{timestamp}:".encode() + body, sha256).hexdigest()
    return hmac.compare_digest(f"v0={right}".encode(), signature.encode())


def pressed(body: bytes) -> Pressed | None:
    """None: another kind of interaction, or a button that is only a link. Raises `Invalid` for what is no interaction
    at all."""
    payload = parse_qs(body.decode(errors="replace")).get("payload", [""])[0]
    try:
        told = msgspec.json.decode(payload, type=_Payload)
    except msgspec.MsgspecError as e:
        wrong = [{"field": "payload", "message": "no JSON object of an interaction"}]
        raise Invalid("this is no interaction of Slack", errors=wrong) from e
    if told.type != "block_actions" or len(told.actions) != 1 or told.actions[0].action_id not in ACTIONS:
        return None
    return Pressed(told.user.id, told.actions[0].action_id, told.actions[0].value)

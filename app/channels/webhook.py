"""Webhooks: one signed request to an address that an admin typed.

The signature is that of the Standard Webhooks specification 1.0 (standardwebhooks.com): headers `webhook-id` (the same
for every try, so that a receiver can tell a repeat), `webhook-timestamp` (seconds) and `webhook-signature`, `v1,` and
the base64 of HMAC-SHA-256 over `id.timestamp.body`; of several keys one after the other, with blanks between.
"""

from __future__ import annotations

import hmac
from base64 import b64encode
from collections.abc import Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Final

from app.channels.channel import Capability, Message, SendFailed, Sent
from app.channels.hosts import HostPolicy
from app.channels.http import Blocked, Http, Unreachable
from app.channels.webhook_request import usual
from app.settings import Settings

PROVIDER: Final = "webhook"
TIMEOUT_S: Final = 10
_TEMPORARY: Final = frozenset({408, 425, 429})


def signed(message_id: str, at: datetime, body: bytes, keys: Sequence[bytes]) -> dict[str, str]:
    """The headers that sign a request, whatever its body is."""
    timestamp = str(int(at.timestamp()))
    content = f"{message_id}.{timestamp}.".encode() + body
    digests = [b64encode(hmac.digest(key, content, sha256)).decode() for key in keys]
    return {
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(f"v1,{digest}" for digest in digests),
    }


def shown(key: bytes) -> str:
    """A key as people enter it at the other side."""
    return f"whsec_{b64encode(key).decode()}"


class WebhookChannel:
    """Not among the channels by which people are reached: nobody can have it as a contact method."""

    capability = Capability(
        channel="webhook",
        label="Webhook",
        address_label="Address",
        address_hint="https://example.org/hooks/tocsin",
        input_type="url",
        can_reply=False,
        can_tell_delivery=False,
    )

    def __init__(self, settings: Settings) -> None:
        self._http = Http(HostPolicy.of(settings), timeout_s=TIMEOUT_S)

    def normalise(self, address: str) -> str:
        return address.strip()

    async def send(self, message: Message) -> Sent:
        if not message.to:
            said = "it has no address, or one that was sealed under another secret key: give it again"
            raise SendFailed(said, permanent=True, code="sealed", configuration=True)
        asked = message.request or usual({})
        if asked.lacks:
            said = f"nobody gave the value of its secret {', '.join(asked.lacks)}, or it was sealed under another key"
            raise SendFailed(said, permanent=True, code="secret", configuration=True)
        headers = asked.headers | signed(message.notification_id, message.at, asked.body, message.signing_keys)
        try:
            answer = await self._http.request(asked.method, message.to, body=asked.body, headers=headers)
        except Blocked as e:
            raise SendFailed(str(e), permanent=True, code="blocked", configuration=True) from e
        except Unreachable as e:
            raise SendFailed(f"the webhook: {e}", code="unreachable", maybe_sent=e.written) from e
        if 200 <= answer.status < 300:
            return Sent(PROVIDER, message.notification_id, "delivered")
        raise _refused(answer.status, answer.headers)

    async def find(self, message: Message, since: datetime) -> Sent | None:
        """Nobody can be asked; a receiver knows a repeat by its `webhook-id`."""
        return None

    async def close(self) -> None:
        await self._http.close()


def _refused(status: int, headers: Mapping[str, str]) -> SendFailed:
    """What the other side does not take it does not take the next time either; what it cannot take now, it may."""
    said = f"the webhook answered {status}" + (", and redirects are not followed" if 300 <= status < 400 else "")
    if status >= 500 or status in _TEMPORARY:
        after = headers.get("retry-after", "")
        return SendFailed(said, code=str(status), retry_after_s=float(after) if after.isdigit() else None)
    return SendFailed(said, permanent=True, code=str(status))

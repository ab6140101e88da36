"""Web push: notifications to browsers and to the screens installed on phones, by the push service of the browser's
maker (RFC 8030), who sees neither what is said nor about whom (RFC 8291). No account anywhere: a key of this
installation names us (RFC 8292).

An address is the subscription that a browser made, as JSON: a secret, see secret_addresses.py.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Mapping
from datetime import datetime
from typing import Final
from urllib.parse import urlsplit

import msgspec

from app.channels import push_encryption
from app.channels.channel import Capability, Message, SendFailed, Sent
from app.channels.headline import tag_of
from app.channels.hosts import HostPolicy
from app.channels.http import Answer, Blocked, Http, Unreachable
from app.channels.push_encryption import Subscription, b64, unb64
from app.channels.push_payload import payload
from app.channels.secret_addresses import NAME, Keeper, Sealing
from app.errors import Invalid
from app.settings import Settings

PROVIDER: Final = "web push"
TIMEOUT_S: Final = 10
_TEMPORARY: Final = frozenset({408, 425, 429})
_GONE: Final = frozenset({404, 410})
MOST_ENDPOINT: Final = 1500
WAITS_S: Final = 86_400
"""So long what is quiet waits for a device that is off; nobody else is paged in its place."""


class _Keys(msgspec.Struct, frozen=True):
    p256dh: str
    auth: str


class _Stored(msgspec.Struct, frozen=True):
    """`JSON.stringify(subscription)` of a browser, less what we do not need."""

    endpoint: str
    keys: _Keys


def capability(settings: Settings) -> Capability:
    """Needs nothing but an address of ours that browsers trust; they make an exception for localhost."""
    parts = urlsplit(settings.public_url)
    trusted = parts.scheme == "https" or parts.hostname == "localhost"
    return Capability(
        channel="push",
        label="Push to a browser or phone",
        address_label="Subscription",
        address_hint="Open My account on the device itself and press: Let this device be paged",
        input_type="text",
        can_reply=False,
        can_tell_delivery=True,
        extra=True,
        missing=() if trusted else ("TOCSIN_PUBLIC_URL with https",),
        typed=False,
    )


class PushChannel:
    """Raises Invalid when it is not configured."""

    def __init__(self, settings: Settings, sealing: Sealing) -> None:
        self.capability = capability(settings)
        if not self.capability.configured:
            raise Invalid(f"Push needs {', '.join(self.capability.missing)}")
        self._private = settings.allow_private_networks
        self._subject = settings.public_url if settings.public_url.startswith("https:") else "mailto:tocsin@localhost"
        self._seed = sealing.key("vapid")
        self._keeper = Keeper("push", sealing)
        self._http = Http(HostPolicy.of(settings), timeout_s=TIMEOUT_S)

    @property
    def server_key(self) -> str:
        """Our public key as scripts in browsers take it, base64url."""
        return b64(push_encryption.public_bytes(push_encryption.key_of(self._seed)))

    def normalise(self, address: str) -> str:
        """The name of a subscription."""
        if NAME.fullmatch(address):
            return address
        read = self._read(address)
        return self._keeper.name(urlsplit(read.endpoint).netloc, _text(read))

    def seal(self, address: str) -> bytes:
        """Raises `Invalid`, also for a name: a device is let in from its own browser."""
        if NAME.fullmatch(address):
            raise Invalid("A device is added in its own browser: My account, Let this device be paged")
        return self._keeper.seal(self.normalise(address), _text(self._read(address)))

    def is_held(self, name: str, sealed: bytes, address: str) -> bool:
        """Whether this is the whole subscription that was sealed under its name: who can tell it is its browser, or we.
        Compares in constant time. Raises Invalid for what is no subscription."""
        kept = self._keeper.unsealed(name, sealed)
        told = _text(self._read(address))
        return kept is not None and hmac.compare_digest(kept.encode(), told.encode())

    def _read(self, address: str) -> Subscription:
        """Raises Invalid."""
        try:
            stored = msgspec.json.decode(address, type=_Stored)
            parts = urlsplit(stored.endpoint)
            public_key, auth = unb64(stored.keys.p256dh), unb64(stored.keys.auth)
            _ = parts.port
        except (msgspec.DecodeError, ValueError) as e:
            raise Invalid("This is not the subscription of a browser: it has endpoint, keys.p256dh, keys.auth") from e
        schemes = ("https", "http") if self._private else ("https",)
        if parts.scheme not in schemes or not parts.hostname or "@" in parts.netloc or not stored.endpoint.isascii():
            raise Invalid("The endpoint of a subscription is an https address")
        if len(stored.endpoint) > MOST_ENDPOINT:
            raise Invalid(f"The endpoint of a subscription has {MOST_ENDPOINT} characters at most")
        if len(auth) != 16 or not push_encryption.is_point(public_key):
            raise Invalid("The keys of this subscription are none: p256dh is a point of P-256, auth has 16 bytes")
        return Subscription(stored.endpoint, public_key, auth)

    async def send(self, message: Message) -> Sent:
        """One POST; when it is shown, the device says so itself (web/devices.py)."""
        to = self._read(self._keeper.open(message))
        body, headers = await asyncio.to_thread(self._written, message, to)
        try:
            answer = await self._http.request("POST", to.endpoint, body=body, headers=headers)
        except Blocked as e:
            raise SendFailed(str(e), permanent=True, code="blocked", configuration=True) from e
        except Unreachable as e:
            raise SendFailed(f"the push service: {e}", code="unreachable", maybe_sent=e.written) from e
        if 200 <= answer.status < 300:
            return Sent(PROVIDER, message.notification_id, "sent")
        raise _refused(answer)

    def _written(self, message: Message, to: Subscription) -> tuple[bytes, Mapping[str, str]]:
        """A millisecond of arithmetic, and the first time the import of it: in a thread."""
        parts = urlsplit(to.endpoint)
        key = push_encryption.key_of(self._seed)
        origin = f"{parts.scheme}://{parts.netloc}"
        urgent = message.loud or message.purpose == "verification"
        headers = {
            "Authorization": push_encryption.authorization(origin, self._subject, message.at, key),
            "Content-Encoding": "aes128gcm",
            "Content-Type": "application/octet-stream",
            "TTL": str(message.valid_for_s if urgent else WAITS_S),
            "Urgency": "high" if urgent else "normal",
        }
        if 0 < len(topic := tag_of(message)) <= 32:  # what waits under it is replaced (RFC 8030, 5.4)
            headers["Topic"] = topic
        return push_encryption.encrypt(payload(message), to), headers

    async def find(self, message: Message, since: datetime) -> Sent | None:
        """Push services cannot be asked; a repeat replaces what was shown, because its tag is the same."""
        return None

    async def close(self) -> None:
        await self._http.close()


def _text(subscription: Subscription) -> str:
    """The one way to write a subscription."""
    keys = _Keys(b64(subscription.public_key), b64(subscription.auth))
    return msgspec.json.encode(_Stored(subscription.endpoint, keys)).decode()


def _refused(answer: Answer) -> SendFailed:
    """RFC 8030, 7 and 8.4: 404 and 410 end a subscription; 401 and 403 refuse our key, whoever is written to."""
    status, code = answer.status, str(answer.status)
    if status in _GONE:
        gone = f"the push service says that this device is not subscribed any more ({status})"
        return SendFailed(gone, permanent=True, code=code, broken_address=True)
    said = f"the push service answered {status}"
    if status >= 500 or status in _TEMPORARY:
        after = answer.headers.get("retry-after", "")
        return SendFailed(said, code=code, retry_after_s=float(after) if after.isdigit() else None)
    return SendFailed(said, permanent=True, code=code, configuration=status in (401, 403))

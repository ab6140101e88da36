"""A push service with browsers that subscribe to it: takes pushes as RFC 8030 says, checks who sends them (RFC 8292),
and decrypts them with the key of the browser (RFC 8291), written apart from our sending side. For development only."""

from __future__ import annotations

import hmac
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from secrets import token_bytes, token_urlsafe
from typing import Any, Final

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from app.dev import wire
from app.dev.inbox import Inbox

MOST_BYTES: Final = 4096
DAY_S: Final = 86_400
URGENCIES: Final = frozenset({"very-low", "low", "normal", "high"})


def _b64(data: bytes) -> str:
    return urlsafe_b64encode(data).decode().rstrip("=")


def _unb64(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


@dataclass(frozen=True, slots=True)
class Push:
    """One message as the browser's service worker gets it, and what the service was told along with it."""

    data: Mapping[str, Any]
    ttl_s: int
    urgency: str
    topic: str
    claims: Mapping[str, Any]

    def __str__(self) -> str:
        return f"{self.data.get('title', '')}\n{self.data.get('body', '')}\n{self.data.get('link', '')}"


@dataclass(eq=False)
class Device:
    """A browser that subscribed. `server_key`: of the one who may send, base64url; empty: anybody."""

    name: str
    endpoint: str
    server_key: str
    inbox: Inbox[Push] = field(init=False)
    gone: bool = False
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()), repr=False)
    auth: bytes = field(default_factory=lambda: token_bytes(16), repr=False)

    def __post_init__(self) -> None:
        self.inbox = Inbox(self.name, str)

    @property
    def public_key(self) -> bytes:
        return self.key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)

    @property
    def subscription(self) -> str:
        """As `JSON.stringify` gives it."""
        keys = {"p256dh": _b64(self.public_key), "auth": _b64(self.auth)}
        return json.dumps({"endpoint": self.endpoint, "expirationTime": None, "keys": keys})

    def decrypt(self, body: bytes) -> bytes:
        """The plain text of one record. Raises ValueError, InvalidTag."""
        salt, length, sender = body[:16], body[20], body[21 : 21 + body[20]]
        public = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), sender)
        shared = self.key.exchange(ec.ECDH(), public)
        secret = _derived(self.auth, b"WebPush: info\x00" + self.public_key + sender, 32, shared)
        key = _derived(salt, b"Content-Encoding: aes128gcm\x00", 16, secret)
        nonce = _derived(salt, b"Content-Encoding: nonce\x00", 12, secret)
        padded = AESGCM(key).decrypt(nonce, body[21 + length :], None).rstrip(b"\x00")
        if padded[-1:] != b"\x02":
            raise ValueError("the last record ends with 2")
        return padded[:-1]


def _derived(salt: bytes, info: bytes, length: int, secret: bytes) -> bytes:
    return HKDF(hashes.SHA256(), length, salt, info).derive(secret)


class PushService:
    """`start`, then `subscribe` browsers. `clock` is what tokens are held against."""

    def __init__(self, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._clock = clock
        self._devices: dict[str, Device] = {}
        self._planned: list[wire.Answer] = []
        self.requests: list[wire.Request] = []
        self._server = wire.Server(self._take)

    async def start(self) -> None:
        await self._server.start("127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.port}"

    async def stop(self) -> None:
        await self._server.stop()

    def subscribe(self, name: str, server_key: str = "") -> Device:
        path = f"/push/{token_urlsafe(24)}"
        self._devices[path] = device = Device(name, f"{self.url}{path}", server_key)
        return device

    def answers(self, status: int, *, times: int = 1, **headers: str) -> None:
        """Refuses the next requests so."""
        self._planned += [wire.Answer(status, headers=headers)] * times

    async def _take(self, request: wire.Request) -> wire.Answer:
        self.requests.append(request)
        if self._planned:
            return self._planned.pop(0)
        device = self._devices.get(request.path)
        if device is None or device.gone or request.method != "POST":
            return wire.Answer(404 if device is None else 410)
        status, push = self._read(request, device)
        if push is None:
            return wire.Answer(status)
        device.inbox.arrived(push)
        return wire.Answer(201, headers={"Location": f"{self.url}/message/{token_urlsafe(8)}"})

    def _read(self, request: wire.Request, device: Device) -> tuple[int, Push | None]:
        given = request.headers
        if len(request.body) > MOST_BYTES:
            return 413, None
        urgency, topic = given.get("urgency", "normal"), given.get("topic", "")
        sound = given.get("ttl", "").isdigit() and urgency in URGENCIES and len(topic) <= 32
        if not sound or given.get("content-encoding") != "aes128gcm":
            return 400, None
        claims = self._known(given.get("authorization", ""), device)
        if claims is None:
            return 403, None
        try:
            data = json.loads(device.decrypt(request.body))
        except (ValueError, InvalidTag, IndexError):
            return 400, None
        return 201, Push(data, int(given["ttl"]), urgency, topic, claims)

    def _known(self, authorization: str, device: Device) -> Mapping[str, Any] | None:
        """The claims of whoever sends, when its token is right; else None."""
        scheme, _, rest = authorization.partition(" ")
        parts = dict(part.strip().split("=", 1) for part in rest.split(",") if "=" in part)
        if scheme != "vapid" or set(parts) != {"t", "k"}:
            return None
        claims = verified(parts["t"], parts["k"])
        if claims is None or claims.get("aud") != self.url:
            return None
        lasts = float(claims.get("exp", 0)) - self._clock().timestamp()
        contact = str(claims.get("sub", "")).startswith(("mailto:", "https:"))
        if not 0 < lasts <= DAY_S or not contact:
            return None
        own = not device.server_key or hmac.compare_digest(device.server_key, parts["k"])
        return claims if own else None


def verified(token: str, public_key: str) -> Mapping[str, Any] | None:
    """The claims of a JWT signed with ES256 by this key, base64url; None when it was not."""
    signed, _, signature = token.rpartition(".")
    raw = _unb64(signature)
    r, s = int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big")
    try:
        header, claims = (json.loads(_unb64(part)) for part in signed.split("."))
        key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), _unb64(public_key))
        key.verify(utils.encode_dss_signature(r, s), signed.encode(), ec.ECDSA(hashes.SHA256()))
    except (ValueError, InvalidSignature):
        return None
    return claims if header.get("alg") == "ES256" and len(raw) == 64 else None

"""The links in messages, and the addresses of provider callbacks (behaviour.md 6).

A token has 128 bits and looks random: it is the HMAC of the attempt's id under a key of this installation. Only its
SHA-256 is stored, yet a worker that takes over a lost attempt can write the same message again and so recognise it at
the provider. Pressing a button needs a second token, signed for link, action and view.
"""

from __future__ import annotations

import hmac
import re
from base64 import b32decode, b32encode, urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Final, Literal
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.access.sealing import Unsealable, unseal
from app.access.secrets import Secrets

TOKEN = re.compile(r"[A-Za-z0-9_-]{22}", re.ASCII)
MAIL_TOKEN = re.compile(r"[a-z2-7]{42}", re.ASCII)
MailKind = Literal["reply", "bounce"]
MAIL_KINDS: Final[tuple[MailKind, ...]] = ("reply", "bounce")
PRESS = re.compile(r"([0-9a-f]{32})\.([0-9a-f]{64})", re.ASCII)
HANDSHAKE = re.compile(r"([1-9][0-9]{0,17})-([1-9][0-9]{0,17})-([A-Za-z0-9_-]{22})", re.ASCII)

MESSAGE = "0.message.0.0.0.0.0"
"""What a message showed, in the form of a screen's view: nothing that could still hold but the wish to acknowledge."""

LINK = text("""
    SELECT t.incident_id, t.user_id, t.notification_id, t.expires_at, u.key AS user_key, u.name AS user_name, u.active
    FROM link_tokens t JOIN users u ON u.id = t.user_id WHERE t.token_hash = :hash
""")


@dataclass(frozen=True, slots=True)
class Link:
    """Whom a link was sent to, about what, and until when it opens."""

    incident_id: UUID
    user_id: int
    notification_id: UUID
    expires_at: datetime
    user_key: str
    user_name: str
    active: bool


class Links:
    """Makes and recognises tokens of this installation."""

    def __init__(self, secrets: Secrets) -> None:
        self._link_key = secrets.key("links")
        self._callback_key = secrets.key("callbacks")
        self._secrets = secrets

    def token(self, attempt_id: UUID) -> str:
        """The 22 characters in the link of an attempt's message."""
        return _short(self._link_key, attempt_id)

    def callback_token(self, attempt_id: UUID) -> str:
        """The 22 characters in the address to which the provider reports on an attempt."""
        return _short(self._callback_key, attempt_id)

    def mail_token(self, kind: MailKind, attempt_id: UUID) -> str:
        """The 42 characters in the address for answers to an attempt's mail, or in that for its bounces: the attempt,
        which names notification and user, and 80 bits of HMAC. Servers on the way may change the case of an address,
        so there is only one."""
        return b32encode(attempt_id.bytes + self._mail_mac(kind, attempt_id)).decode().rstrip("=").lower()

    def read_mail_token(self, token: str) -> tuple[MailKind, UUID] | None:
        """What such a token is for, and its attempt; None for one that we never made. Asks no database."""
        if not MAIL_TOKEN.fullmatch(folded := token.lower()):
            return None
        raw = b32decode(folded.upper() + "======")
        attempt_id = UUID(bytes=raw[:16])
        right = [k for k in MAIL_KINDS if hmac.compare_digest(self._mail_mac(k, attempt_id), raw[16:])]
        return (right[0], attempt_id) if right else None

    def _mail_mac(self, kind: MailKind, attempt_id: UUID) -> bytes:
        return hmac.digest(self._secrets.key(f"mail/{kind}"), attempt_id.bytes, sha256)[:10]

    def press(self, attempt_id: UUID, action: str) -> str:
        """What a button in a chat holds: the attempt, signed for this action."""
        return f"{attempt_id.hex}.{self._secrets.sign('chat-buttons', _pressing(attempt_id, action))}"

    def read_press(self, value: str, action: str) -> UUID | None:
        """The attempt of such a button; None for one that we never made."""
        found = PRESS.fullmatch(value)
        if found is None:
            return None
        attempt_id = UUID(hex=found[1])
        right = self._secrets.verify("chat-buttons", _pressing(attempt_id, action), found[2])
        return attempt_id if right else None

    def webhook_key(self, webhook_id: int, generation: int) -> bytes:
        """32 bytes with which requests to a webhook are signed; every generation has others."""
        return self._secrets.key(f"webhook/{webhook_id}/{generation}")

    def webhook_keys(
        self, webhook_id: int, generation: int, former_until: Sequence[datetime], now: datetime
    ) -> list[bytes]:
        """Those that count now, newest first. `former_until`: when the generations before cease to, the last first."""
        count = 1 + sum(until > now for until in former_until)
        return [self.webhook_key(webhook_id, generation - n) for n in range(count)]

    def unsealed(self, label: str, sealed: bytes) -> str | None:
        """What a secret is that people entered (`sealing.py`); None: it was sealed under another secret key."""
        try:
            return unseal(self._secrets, label, sealed)
        except Unsealable:
            return None

    def handshake(self, handshake_id: int, user_id: int) -> str:
        """What the link holds by which this person confirms a handoff: `<handshake>-<user>-<signature>`."""
        return f"{handshake_id}-{user_id}-{self._signed(handshake_id, user_id)}"

    def read_handshake(self, token: str) -> tuple[int, int] | None:
        """Handshake and user of such a link; None for one that we never made."""
        found = HANDSHAKE.fullmatch(token)
        if found is None:
            return None
        handshake_id, user_id = int(found[1]), int(found[2])
        right = hmac.compare_digest(self._signed(handshake_id, user_id), found[3])
        return (handshake_id, user_id) if right else None

    def _signed(self, handshake_id: int, user_id: int) -> str:
        signed = hmac.digest(self._secrets.key("handshakes"), f"{handshake_id}-{user_id}".encode(), sha256)
        return urlsafe_b64encode(signed[:16]).decode().rstrip("=")

    @staticmethod
    def hash(token: str) -> bytes:
        return sha256(token.encode()).digest()

    def action_token(self, token: str, action: str, view: str) -> str:
        """What a button on a link's screen posts: signed for this link, this action and what the screen showed."""
        return self._secrets.sign("link-actions", f"{token}\n{action}\n{view}")

    def acknowledges(self, token: str, action: str = "acknowledge") -> dict[str, str]:
        """The form by which a message itself acknowledges: posted to the link, it acts as the button on its screen.
        `action`: or `acknowledge_all`, where the message is about several incidents."""
        return {"action": action, "view": MESSAGE, "signature": self.action_token(token, action, MESSAGE)}

    def allows(self, token: str, action: str, view: str, signature: str) -> bool:
        return self._secrets.verify("link-actions", f"{token}\n{action}\n{view}", signature)


def _pressing(attempt_id: UUID, action: str) -> str:
    return f"{attempt_id.hex}\n{action}"


def _short(key: bytes, attempt_id: UUID) -> str:
    return urlsafe_b64encode(hmac.digest(key, attempt_id.bytes, sha256)[:16]).decode().rstrip("=")


async def find(conn: AsyncConnection, token: str) -> Link | None:
    """The link of a token, expired or not; None for one that we never sent."""
    if not TOKEN.fullmatch(token):
        return None
    row = (await conn.execute(LINK, {"hash": Links.hash(token)})).first()
    return None if row is None else Link(*row)

"""Addresses that are secrets: whoever knows a push subscription or the topic of an ntfy server can write there or read.

Such an address is kept sealed, under the key of the installation. Everywhere else (screens, API, audit records, export,
logs, other tables) stands its *name*: the host, and eight digits of a keyed hash that tell two of them apart.
"""

from __future__ import annotations

import hmac
import re
from hashlib import sha256
from typing import Final, Protocol, runtime_checkable

from app.channels.channel import Message, SendFailed

NAME: Final = re.compile(r"[^\s#/]{1,260} #[0-9a-f]{8}")


class Sealing(Protocol):
    """The secrets of the installation, as far as channels need them."""

    def key(self, purpose: str) -> bytes:
        """32 bytes for one purpose, equal on all replicas."""
        ...

    def seal(self, label: str, secret: str) -> bytes: ...

    def unseal(self, label: str, sealed: bytes) -> str | None:
        """None: it was sealed under another key or for something else."""
        ...


@runtime_checkable
class HasSecretAddresses(Protocol):
    """A channel whose `normalise` gives the name of an address."""

    def seal(self, address: str) -> bytes:
        """The address itself, sealed. Raises `errors.Invalid`, also for what is only a name."""
        ...


class Keeper:
    """Names, seals and opens the addresses of one channel."""

    def __init__(self, channel: str, sealing: Sealing) -> None:
        self._channel = channel
        self._sealing = sealing

    def name(self, host: str, address: str) -> str:
        """`push.example.net #3f9a2c1b`: the same for the same address, and telling nothing about it but the host."""
        digest = hmac.new(self._sealing.key(f"addresses/{self._channel}"), address.encode(), sha256).hexdigest()
        return f"{host.lower()} #{digest[:8]}"

    def seal(self, name: str, address: str) -> bytes:
        return self._sealing.seal(f"{self._channel}/{name}", address)

    def unsealed(self, name: str, sealed: bytes) -> str | None:
        """The address of this name; None: it was sealed under another key."""
        return self._sealing.unseal(f"{self._channel}/{name}", sealed) if sealed else None

    def open(self, message: Message) -> str:
        """The address that `message.to` names. Raises `SendFailed` when it was sealed under another key."""
        found = self.unsealed(message.to, message.sealed)
        if found is None:
            lost = "its address cannot be read any more: it was kept under another TOCSIN_SECRET_KEY"
            raise SendFailed(lost, permanent=True, code="sealed", broken_address=True)
        return found

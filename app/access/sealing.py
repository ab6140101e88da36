"""Secrets that we must use and that people enter: kept encrypted under the installation's secret key (behaviour.md 11).

AES-256-GCM (NIST SP 800-38D) by the library `cryptography`. The label says what the secret is for and is authenticated
with it, so that a sealed value cannot be moved to another row.
"""

from __future__ import annotations

from secrets import token_bytes
from typing import TYPE_CHECKING

from app.access.secrets import Secrets

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_VERSION = b"\x01"
_NONCE = 12


class Unsealable(Exception):
    """It was sealed under another secret key or for something else, or it was damaged."""


def seal(secrets: Secrets, label: str, secret: str) -> bytes:
    """`secret`, encrypted. `label`: what it is for, e.g. `integration/7`."""
    nonce = token_bytes(_NONCE)
    return _VERSION + nonce + _cipher(secrets).encrypt(nonce, secret.encode(), label.encode())


def unseal(secrets: Secrets, label: str, sealed: bytes) -> str:
    """What was sealed. Raises `Unsealable`."""
    from cryptography.exceptions import InvalidTag  # noqa: PLC0415  # as below

    nonce, hidden = sealed[1 : 1 + _NONCE], sealed[1 + _NONCE :]
    if sealed[:1] != _VERSION or len(nonce) < _NONCE:
        raise Unsealable
    try:
        return _cipher(secrets).decrypt(nonce, hidden, label.encode()).decode()
    except InvalidTag as e:
        raise Unsealable from e


class AddressSealing:
    """What channels whose addresses are secrets are given to keep them (channels/secret_addresses.py)."""

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets

    def key(self, purpose: str) -> bytes:
        """32 bytes for this purpose alone."""
        return self._secrets.key(purpose)

    def seal(self, label: str, secret: str) -> bytes:
        return seal(self._secrets, label, secret)

    def unseal(self, label: str, sealed: bytes) -> str | None:
        """None: it was sealed under another secret key or for something else."""
        try:
            return unseal(self._secrets, label, sealed)
        except Unsealable:
            return None


def _cipher(secrets: Secrets) -> AESGCM:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415  # few installations seal anything

    return AESGCM(secrets.key("sealing"))

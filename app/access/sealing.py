"""Secrets that we must use and that people enter: kept encrypted under the installation's secret key (behaviour.md 11).

Encrypt, then authenticate: HMAC-SHA-256 in counter mode as the key stream, a nonce of 128 random bits, HMAC-SHA-256
over label, nonce and ciphertext as the tag (docs/decisions/0012-sealed-secrets.md). The label says what the secret is
for, so that a sealed value cannot be moved to another row.
"""

from __future__ import annotations

import hmac
from hashlib import sha256
from secrets import token_bytes

from app.access.secrets import Secrets

_VERSION = b"\x01"
_NONCE, _TAG = 16, 32


class Unsealable(Exception):
    """It was sealed under another secret key or for something else, or it was damaged."""


def seal(secrets: Secrets, label: str, secret: str) -> bytes:
    """`secret`, encrypted. `label`: what it is for, e.g. `integration/7`."""
    plain, nonce = secret.encode(), token_bytes(_NONCE)
    hidden = _mixed(secrets, nonce, plain)
    return _VERSION + nonce + hidden + _tag(secrets, label, nonce + hidden)


def unseal(secrets: Secrets, label: str, sealed: bytes) -> str:
    """What was sealed. Raises `Unsealable`."""
    inner, tag = sealed[1:-_TAG], sealed[-_TAG:]
    if sealed[:1] != _VERSION or len(inner) < _NONCE or not hmac.compare_digest(tag, _tag(secrets, label, inner)):
        raise Unsealable
    return _mixed(secrets, inner[:_NONCE], inner[_NONCE:]).decode()


def _tag(secrets: Secrets, label: str, inner: bytes) -> bytes:
    name = label.encode()
    return hmac.digest(secrets.key("sealing/tag"), len(name).to_bytes(4, "big") + name + inner, sha256)


def _mixed(secrets: Secrets, nonce: bytes, text: bytes) -> bytes:
    key, blocks = secrets.key("sealing/stream"), range((len(text) + 31) // 32)
    stream = b"".join(hmac.digest(key, nonce + n.to_bytes(8, "big"), sha256) for n in blocks)
    return bytes(a ^ b for a, b in zip(text, stream, strict=False))

"""Web push on the wire: content encryption by RFC 8291 (over RFC 8188, aes128gcm) and VAPID by RFC 8292. Pure.

Held against the examples of both RFCs. The primitives are those of the library `cryptography`, imported when the first
message is encrypted.
"""

from __future__ import annotations

import hmac
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from secrets import token_bytes
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

MOST_BYTES: Final = 4096
"""What every push service takes (RFC 8030, 7.2)."""
_HEADER: Final = 16 + 4 + 1 + 65
_TAG: Final = 16
MOST_PLAIN: Final = MOST_BYTES - _HEADER - _TAG - 1
"""What is left for the plain text: its last record ends with a delimiter of one byte."""
TOKEN_LASTS: Final = timedelta(hours=12)
"""RFC 8292 allows 24 hours; half of it forgives clocks."""
_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""Of the group of P-256 (SP 800-186, 3.2.1.3)."""


def b64(data: bytes) -> str:
    """base64url without padding, as RFC 7515 has it."""
    return urlsafe_b64encode(data).decode().rstrip("=")


def unb64(text: str) -> bytes:
    """Raises ValueError for what is not base64url; padding may be there or not."""
    if not set(text) <= _ALPHABET:
        raise ValueError("not base64url")
    bare = text.rstrip("=")
    return urlsafe_b64decode(bare + "=" * (-len(bare) % 4))


_ALPHABET: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=")


@dataclass(frozen=True, slots=True)
class Subscription:
    """A browser that may be written to: where, its public key (65 bytes, uncompressed) and its secret (16 bytes)."""

    endpoint: str = field(repr=False)
    public_key: bytes = field(repr=False)
    auth: bytes = field(repr=False)


def is_point(public_key: bytes) -> bool:
    """Whether this is a point of P-256, uncompressed (SEC 1, 2.3.3)."""
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415  # see above

    try:
        ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), public_key)
    except ValueError:
        return False
    return len(public_key) == 65


def encrypt(
    plain: bytes, to: Subscription, *, salt: bytes = b"", own_key: EllipticCurvePrivateKey | None = None
) -> bytes:
    """The body of a push message, one record. `salt` (16 bytes) and `own_key` are fresh ones unless a test gives them.

    Raises ValueError for more than `MOST_PLAIN` bytes, and for a public key that is none.
    """
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415  # see above
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415  # see above

    if len(plain) > MOST_PLAIN:
        raise ValueError(f"{len(plain)} bytes are too many for a push message")
    salt = salt or token_bytes(16)
    own_key = own_key or ec.generate_private_key(ec.SECP256R1())
    own_public = public_bytes(own_key)
    theirs = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), to.public_key)
    shared = own_key.exchange(ec.ECDH(), theirs)
    secret = _hkdf(to.auth, shared, b"WebPush: info\0" + to.public_key + own_public, 32)
    key = _hkdf(salt, secret, b"Content-Encoding: aes128gcm\0", 16)
    nonce = _hkdf(salt, secret, b"Content-Encoding: nonce\0", 12)
    sealed = AESGCM(key).encrypt(nonce, plain + b"\x02", None)
    return salt + MOST_BYTES.to_bytes(4, "big") + bytes([len(own_public)]) + own_public + sealed


def _hkdf(salt: bytes, secret: bytes, info: bytes, length: int) -> bytes:
    """The first block of RFC 5869 with SHA-256; `length` <= 32."""
    return hmac.digest(hmac.digest(salt, secret, sha256), info + b"\x01", sha256)[:length]


def public_bytes(key: EllipticCurvePrivateKey) -> bytes:
    """The public half, 65 bytes: what a browser takes as `applicationServerKey`."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat  # noqa: PLC0415  # see above

    return key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def key_of(seed: bytes) -> EllipticCurvePrivateKey:
    """The private key that these 32 bytes stand for, always the same one."""
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415  # see above

    return ec.derive_private_key(int.from_bytes(seed, "big") % (_ORDER - 1) + 1, ec.SECP256R1())


def authorization(origin: str, subject: str, at: datetime, key: EllipticCurvePrivateKey) -> str:
    """The header by which the push service of this origin knows us: `vapid t=<JWT>, k=<public key>`."""
    claims = {"aud": origin, "exp": int((at + TOKEN_LASTS).timestamp()), "sub": subject}
    signed = ".".join(b64(json.dumps(part, separators=(",", ":")).encode()) for part in (_JWT_HEADER, claims))
    return f"vapid t={signed}.{b64(_signature(signed.encode(), key))}, k={b64(public_bytes(key))}"


_JWT_HEADER: Final = {"typ": "JWT", "alg": "ES256"}


def _signature(signed: bytes, key: EllipticCurvePrivateKey) -> bytes:
    """ES256 (RFC 7518, 3.4): r and s, 32 bytes each."""
    from cryptography.hazmat.primitives import hashes  # noqa: PLC0415  # see above
    from cryptography.hazmat.primitives.asymmetric import ec, utils  # noqa: PLC0415  # see above

    r, s = utils.decode_dss_signature(key.sign(signed, ec.ECDSA(hashes.SHA256())))
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")

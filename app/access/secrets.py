"""The one secret of an installation and the keys derived from it (behaviour.md 11). Equal on all replicas."""

from __future__ import annotations

import hmac
import os
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from secrets import token_urlsafe

from app.errors import Invalid
from app.settings import Settings

_FILE = "secret_key"


@dataclass(frozen=True, slots=True)
class Secrets:
    """Never shown, logged or stored; what is derived from it is bound to a purpose."""

    root: bytes = field(repr=False)

    @classmethod
    def load(cls, settings: Settings) -> Secrets:
        """`TOCSIN_SECRET_KEY`, else the file `secret_key` in the data directory, made on first use with mode 0600.

        Several processes may start at once: the first one to link its file in wins, the others read it. Raises
        `Invalid` when the file is there and cannot be the key.
        """
        if settings.secret_key:
            return cls(settings.secret_key.encode())
        path = settings.data_dir / _FILE
        if not path.exists():
            _make(path)
        text = path.read_text().strip()
        if len(text) < 32:
            raise Invalid(f"{path} holds no secret key; restore it from a backup, or remove it to make a new one")
        return cls(text.encode())

    @classmethod
    def known(cls, settings: Settings) -> Secrets | None:
        """The same, and None where it would be made. Raises `Invalid`."""
        there = settings.secret_key or (settings.data_dir / _FILE).exists()
        return cls.load(settings) if there else None

    def key(self, purpose: str) -> bytes:
        """32 bytes for one purpose, e.g. `links`: HKDF-SHA-256 (RFC 5869) without salt, first block of output."""
        pseudorandom = hmac.digest(bytes(32), self.root, sha256)
        return hmac.digest(pseudorandom, b"tocsin/" + purpose.encode() + b"\x01", sha256)

    def sign(self, purpose: str, message: str) -> str:
        """HMAC-SHA-256 of `message` under the key of `purpose`, 64 hex digits."""
        return hmac.new(self.key(purpose), message.encode(), sha256).hexdigest()

    def verify(self, purpose: str, message: str, signature: str) -> bool:
        """Compares in constant time."""
        return hmac.compare_digest(self.sign(purpose, message).encode(), signature.encode())


def _make(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{_FILE}.{os.getpid()}.{token_urlsafe(6)}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as f:
        f.write(token_urlsafe(48) + "\n")
        f.flush()
        os.fsync(f.fileno())
    try:
        os.link(draft, path)
    except FileExistsError:
        pass  # another process was faster, its key counts
    finally:
        draft.unlink()

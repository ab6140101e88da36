"""Passwords: Argon2id with 19 MiB, two passes, one lane (OWASP's choice), in a thread: one takes some 30 ms."""

from __future__ import annotations

import asyncio
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError

from app.errors import Invalid

MIN_LENGTH: Final = 10
MAX_LENGTH: Final = 200

_hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
_OF_NOBODY: Final = "$argon2id$v=19$m=19456,t=2,p=1$jx29AdtkGTtZZZ4Yel4GoQ$gOtD1xgBKavR8OUvtAm3JNvOs/Dr3GGWNko8FaY3GQ4"
"""Of 32 random bytes. Compared with when there is no such user, so that the answer takes as long."""


def check(password: str, field: str = "password") -> None:
    """Raises `Invalid`. Length is all that is asked for (NIST SP 800-63B, 3.1.1.2)."""
    if MIN_LENGTH <= len(password) <= MAX_LENGTH:
        return
    message = f"{MIN_LENGTH} to {MAX_LENGTH} characters are needed"
    raise Invalid(f"{field}: {message}", errors=[{"field": field, "message": message}])


async def hash_of(password: str) -> str:
    """The encoded hash, salt and parameters included. Raises `Invalid` for a length that is not allowed."""
    check(password)
    return await asyncio.to_thread(_hasher.hash, password)


async def matches(password: str, password_hash: str | None) -> bool:
    """Whether this is the password; takes as long where there is none."""
    right = await asyncio.to_thread(_verify, password[: MAX_LENGTH + 1], password_hash or _OF_NOBODY)
    return right and password_hash is not None


def outdated(password_hash: str) -> bool:
    """True when it was made with other parameters than today's: to be made again at the next login."""
    return _hasher.check_needs_rehash(password_hash)


def _verify(password: str, password_hash: str) -> bool:
    try:
        return _hasher.verify(password_hash, password)
    except (VerifyMismatchError, InvalidHashError):
        return False

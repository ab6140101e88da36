"""Identities of rows of the road: uuid v7 (RFC 9562, 5.7), made in Python so that a batch knows them before it writes.

They sort by the `now` of their transaction, and within one process by the order in which they were made: the twelve
bits of `rand_a` are a counter that starts again with every millisecond.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from os import urandom
from random import Random
from uuid import UUID

from asyncpg.pgproto import pgproto

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_last = [0, 0]
_bits = Random(urandom(32)).getrandbits  # noqa: S311  # unique, not secret: a system call for each id costs more


def new(now: datetime) -> UUID:
    """A fresh uuid v7 of the instant `now`."""
    ms = (now - _EPOCH) // _MILLISECOND
    if ms == _last[0]:
        _last[1] = (_last[1] + 1) & 0xFFF
    else:
        _last[0], _last[1] = ms, 0
    value = (ms & 0xFFFFFFFFFFFF) << 80 | 0x7 << 76 | _last[1] << 64 | 0b10 << 62 | _bits(62)
    return pgproto.UUID(value.to_bytes(16))  # type: ignore[no-any-return]  # asyncpg's subclass, made in C


def instant_of(identity: UUID) -> datetime:
    """The instant, in whole milliseconds, of which a uuid v7 was made."""
    return _EPOCH + (identity.int >> 80) * _MILLISECOND


def first_of(at: datetime) -> UUID:
    """The smallest uuid v7 of the instant `at`: a bound for partitions and for slices by time."""
    return UUID(int=(((at - _EPOCH) // _MILLISECOND) & 0xFFFFFFFFFFFF) << 80)

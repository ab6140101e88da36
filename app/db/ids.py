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
_bits = Random(urandom(32)).getrandbits  # noqa: S311  # unique, not secret: a system call for each id costs more


class _Last:
    """Of the id that was made last: its instant, the bits that all ids of its millisecond have, and the counter."""

    now = _EPOCH
    fixed = -1
    count = 0


def new(now: datetime) -> UUID:
    """A fresh uuid v7 of the instant `now`."""
    if now is not _Last.now:  # a batch makes hundreds of one and the same `now`
        _Last.now = now
        fixed = _milliseconds(now) << 80 | 0x7 << 76 | 0b10 << 62
        if fixed != _Last.fixed:
            _Last.fixed, _Last.count = fixed, -1
    _Last.count = count = (_Last.count + 1) & 0xFFF
    value = _Last.fixed | count << 64 | _bits(62)
    return pgproto.UUID(value.to_bytes(16))  # type: ignore[no-any-return]  # asyncpg's subclass, made in C


def instant_of(identity: UUID) -> datetime:
    """The instant, in whole milliseconds, of which a uuid v7 was made."""
    return _EPOCH + (identity.int >> 80) * _MILLISECOND


def first_of(at: datetime) -> UUID:
    """The smallest uuid v7 of the instant `at`: a bound for partitions and for slices by time."""
    return UUID(int=_milliseconds(at) << 80)


def _milliseconds(at: datetime) -> int:
    return ((at - _EPOCH) // _MILLISECOND) & 0xFFFFFFFFFFFF

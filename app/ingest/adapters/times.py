"""Instants as senders write them: Go's RFC 3339 up to nanoseconds with any offset, or unix seconds and milliseconds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from app.ingest.adapters.bounds import Unusable, cut

_ZERO_YEARS = ("0001-", "0000-")
"""Go's zero time, in UTC or in a zone west of it: no time was set."""
_FIRST_YEAR, _LAST_YEAR = 1971, 2200
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECONDS_FROM = 1e11
"""A number this large is milliseconds: as seconds it would be the year 5138, as milliseconds it is 1973."""


def instant(value: Any, name: str) -> datetime | None:
    """An aware instant in UTC, cut to microseconds; None for a missing one.

    Go's zero time and years no alert can come from (unix 0, 9999) count as missing: a sender's unset clock must not
    cost an alert. Raises `Unusable` for what is no time at all.
    """
    if type(value) is not str:
        if value is None:
            return None
        raise Unusable(f"{name} must be an RFC 3339 time such as 2026-03-01T08:00:00Z")
    if value.startswith(_ZERO_YEARS) or not value:
        return None
    try:
        at = datetime.fromisoformat(value)
        if at.tzinfo is not UTC:
            if at.tzinfo is None:
                raise ValueError
            at = at.astimezone(UTC)
    except ValueError:
        if value[17:19] == "60":  # a leap second, which RFC 3339 has and Python has not
            return instant(f"{value[:17]}59{value[19:]}", name)
        raise Unusable(f"{name} is not an RFC 3339 time with an offset: {cut(value, 60)!r}") from None
    except OverflowError:
        return None
    return at if _FIRST_YEAR <= at.year <= _LAST_YEAR else None


def instant_or_unix(value: Any, name: str) -> datetime | None:
    """Like `instant`; numbers, also as text, are unix seconds or milliseconds."""
    if type(value) is str and value.isascii() and value.isdigit() and len(value) <= 20:
        value = int(value)
    if type(value) not in (int, float):
        return instant(value, name)
    try:
        at = _EPOCH + timedelta(seconds=value / 1000 if value >= _MILLISECONDS_FROM else value)
    except OverflowError:
        return None
    return at if _FIRST_YEAR <= at.year <= _LAST_YEAR else None


def start_of(starts_at: datetime | None, ends_at: datetime | None, now: datetime) -> datetime:
    """When a problem began: as told, else now, and never after its end.

    Alertmanager takes the end for a missing start even when it lies ahead; we take now, or a resolve would be stale.
    """
    start = starts_at or now
    return start if ends_at is None or start <= ends_at else ends_at

"""How often one contact method may be written to: smoothed windows, as data. Pure.

A limit is a bucket of `burst` messages that fills up with one message `every` so often (the generic cell rate algorithm
of ITU-T I.371, 2004, Annex A): an instant per contact method, `spent_until`, says how full it is. What does not fit is
never dropped: it waits, and goes out together with whatever else waits, as one message (`bundling.py`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from msgspec import Struct
from msgspec.structs import replace


class Limit(Struct, frozen=True, gc=False):
    """`burst` messages at once, then one `every` so often."""

    every: timedelta
    burst: int


LIMITS: Final[Mapping[str, Limit]] = {
    "sms": Limit(timedelta(seconds=60), 3),
    "voice": Limit(timedelta(seconds=120), 1),
    "mail": Limit(timedelta(seconds=30), 5),
    "push": Limit(timedelta(seconds=30), 5),
    "ntfy": Limit(timedelta(seconds=30), 5),
    "slack": Limit(timedelta(seconds=30), 5),
    "chat": Limit(timedelta(seconds=30), 5),
    "webhook": Limit(timedelta(seconds=10), 10),
}
"""By channel, for each contact method of it."""

IN_A_STORM: Final = timedelta(seconds=125)
"""While a storm lasts, a contact method gets at most one page in this time, whatever its channel (behaviour.md 12). It
counts from claim to claim: five seconds more than two minutes, because a busy machine may be slow to send the first."""

LONG_AGO: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Pace(Struct, frozen=True, gc=False):
    """How much of its limit a contact method has used: full again at `spent_until`, written to last at `sent_at`."""

    spent_until: datetime = LONG_AGO
    sent_at: datetime = LONG_AGO


def fits(channel: str, pace: Pace, now: datetime, *, storm: bool) -> int:
    """How many messages may go now."""
    if storm:
        return int(now - pace.sent_at >= IN_A_STORM)
    limit = LIMITS[channel]
    used = math.ceil(max(pace.spent_until - now, timedelta()) / limit.every)
    return max(limit.burst - used, 0)


def opens_at(channel: str, pace: Pace, *, storm: bool) -> datetime:
    """When the next message may go, for one that does not fit now."""
    if storm:
        return pace.sent_at + IN_A_STORM
    limit = LIMITS[channel]
    return pace.spent_until - (limit.burst - 1) * limit.every


def spend(channel: str, pace: Pace, now: datetime, messages: int) -> Pace:
    """After so many messages. What bypasses its limit empties the bucket, never below: else one bad minute would keep
    the next hour quiet."""
    if not messages:
        return pace
    limit = LIMITS[channel]
    until = max(pace.spent_until, now) + messages * limit.every
    return replace(pace, spent_until=min(until, now + limit.burst * limit.every), sent_at=now)

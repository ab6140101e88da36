"""When a provider is asked what became of a message that it took, and what it cost. Pure.

Callbacks are quicker where they come. Asked is about what stays silent for some minutes, ever more rarely, until there
is nothing more to find out or it is days old.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

FIRST_ASKED: Final[Mapping[str, timedelta]] = {"sms": timedelta(minutes=3), "voice": timedelta(seconds=90)}
"""After the provider took it, by channel. A text is delivered or lost within its validity of 5 to 10 minutes; a call
rings for up to 25 s and is over soon after. Source: Twilio, "Message resource" (status values, ValidityPeriod) and
"Call resource" (Timeout, about 5 s are added)."""
_OTHERS: Final = timedelta(minutes=5)
MOST: Final = timedelta(hours=1)
"""Between two questions; of what is older than two hours, half its age."""
GIVEN_UP_AFTER: Final = timedelta(days=3)
"""Whoever has not said by then what became of it, or what it cost, will not."""

STUCK_AFTER: Final = timedelta(minutes=10)
"""The longest validity that a message is given: what its provider has not even passed on by then will not arrive."""


def first_asked(channel: str, now: datetime) -> datetime:
    """When a provider is asked first about what it has just taken."""
    return now + FIRST_ASKED.get(channel, _OTHERS)


def asked_next(channel: str, asks: int, started_at: datetime, now: datetime) -> datetime | None:
    """When it is asked again after it has been asked `asks` times; None: not any more."""
    ends = started_at + GIVEN_UP_AFTER
    if now >= ends:
        return None
    pause = min(FIRST_ASKED.get(channel, _OTHERS) * (1 << asks), max(MOST, (now - started_at) / 2))
    return min(now + pause, ends)

"""What became of a canary: a marked message along the real way, whose arrival is measured. Pure.

Where a provider tells later what became of a message, only its `delivered` counts; where it does not (mail), that it
was taken is all one can know.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from app.notifications.watch import duration

EVERY: Final = timedelta(hours=1)
LONGEST: Final = timedelta(minutes=55)
"""A canary that has not arrived by then is lost: the next one is due."""

Wrong = Literal["", "missing", "late", "lost"]
_LOST: Final = frozenset({"undelivered", "failed", "cancelled"})


@dataclass(frozen=True, slots=True)
class Flight:
    """One canary. `state`: of its notification; `finished_at`: when it came to it; `accepted_at`: when the provider
    took it. `tells`: the provider says later whether it arrived."""

    channel: str
    provider: str
    made_at: datetime
    state: str
    because: str
    accepted_at: datetime | None
    finished_at: datetime | None
    tells: bool


@dataclass(frozen=True, slots=True)
class Verdict:
    """`over`: nothing more will be heard of it. `wrong`: what to hold wrong; None: that is not known yet. `words`: the
    title of what is wrong. `took_s`: until it arrived."""

    over: bool
    wrong: Wrong | None
    words: str = ""
    took_s: float | None = None


def judge(flight: Flight, now: datetime, within: timedelta) -> Verdict:
    who = f"Provider {flight.provider} for {flight.channel}" if flight.provider else f"The channel {flight.channel}"
    if flight.state in _LOST:
        return Verdict(True, "lost", f"{who} lost a canary: {flight.because or flight.state}")
    arrived = flight.finished_at if flight.state == "delivered" else None
    if arrived is None and flight.state == "sent" and not flight.tells:
        arrived = flight.accepted_at or flight.finished_at
    if arrived is not None:
        took = arrived - flight.made_at
        if took <= within:
            return Verdict(True, "", took_s=took.total_seconds())
        words = f"{who} took {duration(took.total_seconds())} for a canary"
        return Verdict(True, "late", words, took.total_seconds())
    waited = now - flight.made_at
    if waited >= LONGEST:
        return Verdict(True, "lost", f"{who} has not delivered a canary within {duration(waited.total_seconds())}")
    if waited > within:
        taken = "took a canary and has not delivered it" if flight.accepted_at else "has not taken a canary"
        return Verdict(False, "missing", f"{who} {taken} within {duration(within.total_seconds())}")
    return Verdict(False, None)

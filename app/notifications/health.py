"""Is a provider worth asking for a number of this prefix? Pure; how it fared is kept in PostgreSQL for all workers.

A provider that refuses for a reason of its own, or does not answer, is passed over at once by the messages behind; so
is one that takes messages and delivers none. After a while one message tries it again. Whoever has no other provider is
not passed over: a small chance is more than none.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final, Literal

from msgspec import Struct
from msgspec.structs import replace

from app.channels.channel import SendFailed

Outcome = Literal["accepted", "failed", "delivered", "undelivered"]
Fault = Literal["", "taking", "delivering"]
State = Literal["working", "passed over", "to be tried"]

KEPT: Final = 10
"""Outcomes that are remembered, by their first letters, the newest last."""
LIES_AFTER: Final = 3
"""So many messages in a row that it took and nobody got."""
FIRST_PAUSE: Final = timedelta(seconds=30)
LONGEST_PAUSE: Final = timedelta(minutes=10)


class Health(Struct, frozen=True):
    """How one provider fares with one prefix. `over_until`: passed over until then, and then tried with one message;
    None: it works. `fault`: why it is passed over. `pauses`: how often in a row."""

    outcomes: str = ""
    over_until: datetime | None = None
    over_since: datetime | None = None
    fault: Fault = ""
    pauses: int = 0
    code: str = ""
    because: str = ""

    def state(self, now: datetime) -> State:
        if self.over_until is None:
            return "working"
        return "passed over" if now < self.over_until else "to be tried"


WORKING: Final = Health()


def pause(pauses: int) -> timedelta:
    """How long it is passed over, after so many pauses before."""
    return min(FIRST_PAUSE * (1 << min(pauses, 10)), LONGEST_PAUSE)


def is_its_own(failed: SendFailed) -> bool:
    """Whether the failure tells something of the provider, and not of an address or of one message."""
    if failed.broken_address or failed.opted_out:
        return False
    return failed.configuration or not failed.permanent


def is_its_own_loss(channel: str, fault: SendFailed) -> bool:
    """Whether a message that was taken and did not arrive tells something of the provider. A call that nobody answered
    with a key arrived."""
    answered_by_nobody = channel == "voice" and fault.code in ("no-key", "machine")
    return not (fault.broken_address or fault.opted_out or answered_by_nobody)


def may_go_elsewhere(failed: SendFailed) -> bool:
    """Whether another provider may do what this one could not. What an owner stopped (STOP) stays stopped, and an
    address that does not exist does not exist anywhere."""
    return not (failed.broken_address or failed.opted_out)


def after(health: Health, outcome: Outcome, now: datetime, code: str = "", because: str = "") -> Health:
    """The same object's equal when nothing worth keeping has changed, so that nobody need write it."""
    if outcome == "accepted":
        if "f" not in health.outcomes[-1:] and health.fault != "taking":
            return health  # the rule, and nothing to remember
        kept = (health.outcomes + "a")[-KEPT:]
        return replace(_well(health) if health.fault == "taking" else health, outcomes=kept)
    kept = (health.outcomes + outcome[0])[-KEPT:]
    if outcome == "delivered":
        return replace(_well(health), outcomes=kept)
    seen = replace(health, outcomes=kept, code=code, because=because)
    if outcome == "failed":
        return _passed_over(seen, "taking", now)
    words = [w for w in kept if w in "du"]
    lies = len(words) >= LIES_AFTER and set(words[-LIES_AFTER:]) == {"u"}
    return _passed_over(seen, "delivering", now) if lies else seen


def tried(health: Health, now: datetime) -> Health:
    """One message tries it: the others go on passing it over, until that one has told."""
    return replace(health, over_until=now + pause(health.pauses), pauses=min(health.pauses + 1, 100))


def choose(
    names: Sequence[str],
    healths: Mapping[str, Health],
    now: datetime,
    *,
    used: Collection[str] = (),
    stalled: Collection[str] = (),
) -> str:
    """The provider for a message, out of `names` in their order. `used`: it failed there already; `stalled`: they have
    kept other messages waiting for seconds."""

    def rank(name: str) -> tuple[bool, bool, bool, int]:
        health = healths.get(name, WORKING)
        over = health.state(now) == "passed over" or (health.over_until is not None and bool(used))
        return name in used, over, name in stalled, names.index(name)

    return min(names, key=rank)


def _well(health: Health) -> Health:
    return Health(outcomes=health.outcomes)


def _passed_over(health: Health, fault: Fault, now: datetime) -> Health:
    """What is being passed over already (many were in flight) is not passed over for longer."""
    if health.over_until is not None and now < health.over_until:
        return health
    since = health.over_since or now
    return replace(tried(health, now), fault=health.fault or fault, over_since=since)

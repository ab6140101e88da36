"""How well a person can be reached, why, and what to do. Pure: the one definition, for lint, API, screens and doctor.

- *ready*: at least two independent contact methods that count, of which one wakes (SMS, voice, push, ntfy) and one can
  be answered, and which work as far as anybody knows: they never failed, or were proven since, and lately.
- *partly*: at least one contact method that counts: a page is sent, but one failure is enough to miss it.
- *not reachable*: none, or the user is not active.

A contact method counts while it is verified, not broken, and on a configured channel. SMS and voice of one number are
one phone, and not independent. It is *proven* by its verification, by a message that was delivered, and by an answer to
one: a drill is the way to get one. A mail is never known to be delivered; opening it and acknowledging proves it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

Level = Literal["ready", "partly", "not_reachable"]
ORDER: Final[tuple[Level, ...]] = ("not_reachable", "partly", "ready")
"""From the worst to the best."""
WORDS: Final[Mapping[Level, str]] = {"ready": "ready", "partly": "partly reachable", "not_reachable": "not reachable"}
WAKES: Final = frozenset({"sms", "voice", "push", "ntfy"})
LATELY: Final = timedelta(days=90)
"""A proof that is older says nothing about a contact method that failed before it."""
CHANNELS: Final = {
    "sms": "SMS", "voice": "call", "mail": "mail", "push": "push", "ntfy": "ntfy", "slack": "Slack", "chat": "chat",
    "apprise": "Apprise",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Method:
    """A contact method of a person. `proven_at`: verified, delivered or answered last; `failed_at`: last message that
    did not arrive. `configured`: its channel is. `answerable`: what goes out by it has a link, or can be answered."""

    id: int
    channel: str
    address: str
    label: str
    configured: bool
    verified_at: datetime | None
    broken_because: str | None
    proven_at: datetime | None = None
    failed_at: datetime | None = None
    answerable: bool = True

    @property
    def counts(self) -> bool:
        return self.configured and self.verified_at is not None and self.broken_because is None

    def doubtful(self, now: datetime) -> bool:
        """It counts, but failed, and nothing has proven it since; or what did is long ago."""
        if self.failed_at is None:
            return False
        return self.proven_at is None or self.proven_at < self.failed_at or self.proven_at < now - LATELY

    @property
    def name(self) -> str:
        said = CHANNELS.get(self.channel, self.channel)
        return f"{said} ({self.label})" if self.label else said


@dataclass(frozen=True, slots=True)
class Reachability:
    """`reasons` say why it is no better; `todo` what to do; both empty for who is ready."""

    level: Level
    reasons: tuple[str, ...] = ()
    todo: tuple[str, ...] = ()


def assess(active: bool, methods: Sequence[Method], now: datetime) -> Reachability:
    """How well somebody with these contact methods can be reached."""
    if not active:
        return Reachability("not_reachable", ("not active",), ("somebody else takes their place",))
    counting = [m for m in methods if m.counts]
    reasons, todo = _unusable(methods)
    if not counting:
        what = "none of the contact methods counts" if methods else "no contact method"
        return Reachability("not_reachable", (what, *reasons), todo or ("add a contact method and verify it",))
    good = [m for m in counting if not m.doubtful(now)]
    wakes, answerable = any(m.channel in WAKES for m in good), any(m.answerable for m in good)
    if len(independent(good)) >= 2 and wakes and answerable:
        return Reachability("ready")
    because, advice = zip(*_lacks(counting, good), strict=True)
    return Reachability("partly", (*because, *reasons), (*advice, *todo))


def _lacks(counting: Sequence[Method], good: Sequence[Method]) -> Iterable[tuple[str, str]]:
    """(reason, what to do) for everything that keeps somebody from being ready."""
    doubtful = [m for m in counting if m not in good]
    for m in doubtful:
        yield f"the last message by {m.name} failed", f"prove {m.name} with a drill, or verify it again"
    if len(independent(counting)) < 2:
        named = counting[0].name if len(counting) == 1 else " and ".join(m.name for m in counting) + " of one phone"
        yield f"only {named}", "add a second contact method on another channel, and verify it"
    if not any(m.channel in WAKES for m in counting):
        yield "nothing that wakes", "add a phone, for SMS or calls, and verify it"
    if not any(m.answerable for m in counting):
        yield "nothing that can be answered", "add a call, a mail or a push notification, and verify it"


def _unusable(methods: Sequence[Method]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    reasons, todo = [], []
    for m in methods:
        if m.broken_because is not None:
            reasons.append(f"{m.name} is broken: {m.broken_because}")
            todo.append(f"mend {m.name} and verify it again")
        elif m.verified_at is None:
            reasons.append(f"{m.name} is not verified")
            todo.append(f"verify {m.name}")
        elif not m.configured:
            reasons.append(f"{m.name} is on a channel that is not configured")
            todo.append(f"an admin configures {CHANNELS.get(m.channel, m.channel)}, or another contact method is added")
    return tuple(reasons), tuple(dict.fromkeys(todo))


def independent(methods: Iterable[Method]) -> set[tuple[str, str]]:
    """Their ways: SMS and voice of one number are one."""
    return {("phone" if m.channel in ("sms", "voice") else m.channel, m.address) for m in methods}


def worst(levels: Iterable[Level]) -> Level:
    """Of several people; nobody at all cannot be reached."""
    return min(levels, key=ORDER.index, default="not_reachable")


def counts(levels: Iterable[Level]) -> dict[Level, int]:
    """How many are at each level, all levels named."""
    listed = list(levels)
    return {level: listed.count(level) for level in reversed(ORDER)}

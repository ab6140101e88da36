"""Where a ladder stands, what its incident looks like, and whom a climb asks: the values of `ladder.py`. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from msgspec import Struct

from app.escalation.policy_copy import PolicyCopy, Target
from app.hours import WeeklyHours


class Ladder(Struct, frozen=True, gc=False):
    """`step` is the index of the step that falls due next; as many as the policy has: the end of the round. `leg`: 0
    for the policy itself, else the place in its chain; `leg_round`: the round in which that leg began. `tier`: the
    support tier that has it."""

    id: UUID
    incident_id: UUID
    purpose: str
    policy: PolicyCopy
    epoch: int
    round: int
    step: int
    reached: int
    next_step_at: datetime | None
    leg: int = 0
    leg_round: int = 1
    tier: int = 1

    @property
    def climbed(self) -> PolicyCopy:
        """The policy of the leg that it is on."""
        return self.policy.legs[self.leg]

    @property
    def lap(self) -> int:
        """The round of this leg, from 1: what people call the round."""
        return self.round - self.leg_round + 1

    @property
    def informs(self) -> bool:
        return self.purpose == "inform"

    @property
    def sends(self) -> str:
        """The purpose of its orders."""
        return "drill" if self.policy.drill else self.purpose


class Situation(Struct, frozen=True, gc=False):
    """The incident as the claim sees it."""

    state: str
    epoch: int
    loudness: str
    hours: WeeklyHours | None = None
    assigned_to_id: int | None = None
    held_before: tuple[int, ...] = ()
    """Who had it until this epoch began: an expired acknowledgement pages them too."""
    withheld: bool = False
    """A storm lasts, and another incident speaks for this one: it waits for the end of the storm."""
    priority: int = 3
    acknowledged: tuple[int, ...] = ()
    """Who acknowledged in this epoch, while others still have to."""


NAMED: Final = "named in the policy"
HANDED: Final = "the one it was handed to"


class Reach(Struct, frozen=True, gc=False):
    """What targets come to at an instant: the people who can be paged with the reason why each, and why others not."""

    people: tuple[tuple[int, str, str], ...] = ()
    """(user id, name, because), each person once."""
    because: str = ""
    webhooks: tuple[tuple[int, str], ...] = ()
    """(id, name) of webhooks among the targets: they are called, and are nobody who could answer."""
    shadows: tuple[tuple[int, str], ...] = ()
    """(user id, names of whom they shadow): they are told, and are nobody who was reached."""
    mornings: Mapping[int, datetime] = {}
    """By user id, when those learn of what is quiet who asked for digests: they sleep until then."""

    @property
    def told_at(self) -> datetime | None:
        """When the last of the people learns of what is quiet; None: all at once. Not the first of them: whoever is
        asked has the whole delay before somebody else is."""
        return max((self.mornings[user] for user, _, _ in self.people if user in self.mornings), default=None)


FindReach = Callable[[Sequence[Target]], Reach]


class PageOrder(Struct, frozen=True, gc=False):
    """One person to page, or webhook to call: what `notifications.plan` turns into messages. `purpose`: `page`,
    `inform`, `drill`, or `nudge` for a reminder. `lasts`: also of use when somebody has the incident."""

    ladder_id: UUID
    incident_id: UUID
    purpose: str
    epoch: int
    round: int
    step: int
    user_id: int | None
    loudness: str
    because: str
    webhook_id: int | None = None
    lasts: bool = False
    expires_at: datetime | None = None
    """Of the acknowledgement that a reminder is about."""


class Shadowing(Struct, frozen=True, gc=False):
    """Somebody looks on while `names` are paged about an incident."""

    ladder_id: UUID
    incident_id: UUID
    epoch: int
    user_id: int
    names: str


def orders(ladder: Ladder, reach: Reach, loudness: str, *, lasts: bool) -> list[PageOrder]:
    """An order for everybody, and every webhook, that the ladder's step has reached."""
    whom: list[tuple[int | None, str, int | None]] = [(u, because, None) for u, _, because in reach.people]
    whom += [(None, NAMED, webhook) for webhook, _ in reach.webhooks]
    return [
        PageOrder(
            ladder.id, ladder.incident_id, ladder.sends, ladder.epoch, ladder.round, ladder.step, user_id, loudness,
            because, webhook_id, lasts,
        )
        for user_id, because, webhook_id in whom
    ]  # fmt: skip

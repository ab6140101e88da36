"""The copy of a policy that a ladder keeps (decision 0005), as values. Pure.

`{"key", "name", "version", "repeats", "steps": [{"delay_s", "targets": [{"type", "id"}]}]}`, where a step may also
have `whom` (`round_robin`), `acknowledge` (`all`) and `when`. `id` is the policy's, by which turns are kept; `chain`
holds the copies of the policies that it hands over to, one after the other, of which the last may have
`hand_over_to_tier`; `inform` is what the escalation matrix
said; `drill` marks the copy of a test page. Copies that were made before any of this existed have none of it, and mean
what they meant.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any

import msgspec
from msgspec import Struct

from app import hours
from app.hours import WeeklyHours


class Target(Struct, frozen=True, gc=False):
    """`type`: `user`, `schedule`, `team`, `webhook`, or `tier`: `id` 2 or 3 of the incident's service."""

    type: str
    id: int


class Condition(Struct, frozen=True, gc=False):
    """When a step is taken; what is None or empty does not matter. `at_least` 2: P1 and P2. `support_hours`: `inside`
    or `outside` those of the service. `state`: `not_acknowledged` or `not_resolved`; None: as usual for the ladder's
    purpose."""

    at_least: int | None = None
    only: tuple[int, ...] = ()
    support_hours: str | None = None
    state: str | None = None

    def fails(self, priority: int, support: WeeklyHours | None, now: datetime) -> str:
        """Why a step is skipped, in words; empty: it is not. The state is no part of it."""
        if self.at_least is not None and priority > self.at_least:
            return f"it is for P{self.at_least} and more important, and this is P{priority}"
        if self.only and priority not in self.only:
            named = ", ".join(f"P{p}" for p in self.only)
            return f"it is for {named} only, and this is P{priority}"
        if self.support_hours is not None and hours.within(support, now) != (self.support_hours == "inside"):
            return f"it is for times {self.support_hours} support hours"
        return ""


ALWAYS = Condition()


class Rung(Struct, frozen=True, gc=False):
    """A step. `delay_s`: seconds before the next. `round_robin`: one person a time. `all`: all whom it reached must
    acknowledge."""

    delay_s: int
    targets: tuple[Target, ...]
    round_robin: bool = False
    all: bool = False
    when: Condition = ALWAYS

    @property
    def lasts(self) -> bool:
        """Whether it is taken although somebody has the incident."""
        return self.when.state == "not_resolved"


class Informing(Struct, frozen=True, gc=False):
    """What the escalation matrix says for a priority: how loud, and seconds until updates are due."""

    priority: int
    loudness: str
    first_update_s: int | None = None
    update_interval_s: int | None = None
    reopened: int = 0
    """How often the incident had been reopened when its ladder began."""


class PolicyCopy(Struct, frozen=True, gc=False):
    """The policy as it was when the ladder started. `chain`: those that it hands over to."""

    name: str
    repeats: int
    steps: tuple[Rung, ...]
    id: int | None = None
    chain: tuple[PolicyCopy, ...] = ()
    inform: Informing | None = None
    drill: bool = False
    """A test page: it ends with its last step, pages no last resort, and takes nobody's turn."""
    hand_over_to_tier: int | None = None
    """The support tier that follows its rounds."""

    @classmethod
    def of(cls, copied: Mapping[str, Any]) -> PolicyCopy:
        inform = copied.get("inform")
        return cls(
            copied.get("name", ""),
            copied.get("repeats", 0),
            tuple(_rung(s) for s in copied["steps"]),
            copied.get("id"),
            tuple(cls.of(c) for c in copied.get("chain", ())),
            None if inform is None else Informing(**inform),
            copied.get("drill", False),
            copied.get("hand_over_to_tier"),
        )

    @property
    def legs(self) -> tuple[PolicyCopy, ...]:
        """Itself, and the policies that follow it."""
        return (self, *self.chain)

    @property
    def rungs(self) -> tuple[Rung, ...]:
        """The steps of all legs."""
        return tuple(rung for leg in self.legs for rung in leg.steps)


@lru_cache(1024)
def parsed(text: str) -> PolicyCopy:
    """From its JSON. Ladders of one policy have equal copies: 500 of a claim are parsed once."""
    return PolicyCopy.of(msgspec.json.decode(text))


def _rung(step: Mapping[str, Any]) -> Rung:
    when = step.get("when") or {}
    return Rung(
        step["delay_s"],
        tuple(Target(t["type"], t["id"]) for t in step["targets"]),
        step.get("whom") == "round_robin",
        step.get("acknowledge") == "all",
        Condition(
            when.get("priority_at_least"),
            tuple(when.get("priority_only", ())),
            when.get("support_hours"),
            when.get("state"),
        )
        if when
        else ALWAYS,
    )

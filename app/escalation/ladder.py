"""Who is woken next, and when. Pure: a ladder, its incident and who can be reached in; pages and the next due time out.

behaviour.md 7: a step that reaches nobody goes to the next one at once; a round that reached nobody goes straight to
the last resort; an exhausted policy repeats, then pages the last resort, and again after a while until somebody
acknowledges. If even the last resort cannot be reached, the ladder tries again every 60 s and the second path speaks.
Whenever a ladder that has reached nobody of its policy tries again, it looks at the policy first: a shift may have
begun since. Silence is never the outcome, nor is spinning.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from app.hours import WeeklyHours, advance_open
from app.incidents.timeline import Entry

QUIET_DELAY_S = 8 * 3600
"""A quiet incident climbs after so many seconds of support hours, whatever the policy's delays."""
LAST_RESORT_AGAIN = timedelta(minutes=30)
UNREACHABLE_AGAIN = timedelta(seconds=60)
ASSIGNED_DELAY_S = 300
ASSIGNED_STEP = -1
LAST_RESORT_LOST = -1
"""What `reached` says when not even the messages to the last resort arrived."""


class Target(Struct, frozen=True, gc=False):
    """`type`: `user`, `schedule` or `team`."""

    type: str
    id: int


class Rung(Struct, frozen=True, gc=False):
    delay_s: int
    targets: tuple[Target, ...]


class PolicyCopy(Struct, frozen=True, gc=False):
    """The policy as it was when the ladder started."""

    name: str
    repeats: int
    steps: tuple[Rung, ...]

    @classmethod
    def of(cls, copied: Mapping[str, Any]) -> PolicyCopy:
        return cls(copied.get("name", ""), copied["repeats"], tuple(_rung(s) for s in copied["steps"]))


def _rung(step: Mapping[str, Any]) -> Rung:
    return Rung(step["delay_s"], tuple(Target(t["type"], t["id"]) for t in step["targets"]))


class Ladder(Struct, frozen=True, gc=False):
    """`step` is the index of the step that falls due next; as many as the policy has: the end of the round."""

    id: UUID
    incident_id: UUID
    purpose: str
    policy: PolicyCopy
    epoch: int
    round: int
    step: int
    reached: int
    next_step_at: datetime | None


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


class Reach(Struct, frozen=True, gc=False):
    """What targets come to at an instant: the people who can be paged with the reason why each, and why others not."""

    people: tuple[tuple[int, str, str], ...] = ()
    """(user id, name, because), each person once."""
    because: str = ""


FindReach = Callable[[Sequence[Target]], Reach]


class PageOrder(Struct, frozen=True, gc=False):
    """One person to page: what `notifications.plan` turns into messages."""

    ladder_id: UUID
    incident_id: UUID
    purpose: str
    epoch: int
    round: int
    step: int
    user_id: int
    loudness: str
    because: str


@dataclass(slots=True)
class Climb:
    """What a claim decided. `ladder.next_step_at` None: parked."""

    ladder: Ladder
    pages: list[PageOrder] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    unreachable: bool = False


def climb(ladder: Ladder, incident: Situation, find: FindReach, last_resort: Sequence[Target], now: datetime) -> Climb:
    """One claim of one ladder."""
    if incident.state != "triggered" or incident.withheld:
        return Climb(replace(ladder, next_step_at=None))
    extra: tuple[int, ...] = ()
    if ladder.epoch != incident.epoch:
        ladder = replace(ladder, epoch=incident.epoch, round=1, step=0, reached=0)
        extra = incident.held_before
        if incident.assigned_to_id is not None and not extra:
            ladder = replace(ladder, step=ASSIGNED_STEP)
        elif incident.assigned_to_id is not None:
            # Somebody had it and it came back: whoever it was handed to is paged along with who is on call now.
            extra = (*extra, incident.assigned_to_id)
    return _Climber(ladder, incident, find, now).run(extra, last_resort)


class _Climber:
    def __init__(self, ladder: Ladder, incident: Situation, find: FindReach, now: datetime) -> None:
        self.result = Climb(ladder)
        self.incident = incident
        self.find = find
        self.now = now

    def run(self, extra: tuple[int, ...], last_resort: Sequence[Target]) -> Climb:
        if self.result.ladder.step == ASSIGNED_STEP and self._assigned():
            return self.result
        steps = self.result.ladder.policy.steps
        self.result.unreachable = self.result.ladder.reached == LAST_RESORT_LOST
        while True:
            ladder = self.result.ladder
            if ladder.step < len(steps):
                rung = steps[ladder.step]
                targets = (*rung.targets, *(Target("user", u) for u in extra))
                extra = ()
                if self._step(rung, targets):
                    return self.result
            elif ladder.reached > 0 and ladder.round <= ladder.policy.repeats:
                self.result.ladder = replace(ladder, round=ladder.round + 1, step=0, reached=0)
            elif ladder.reached <= 0 and (step := self._reachable_by_now()) is not None:
                self.result.ladder = replace(ladder, step=step, reached=0)
            else:
                return self._last_resort((*last_resort, *(Target("user", u) for u in extra)))

    def _reachable_by_now(self) -> int | None:
        """The first step that reaches somebody, of a policy that reached nobody when it was climbed."""
        steps = enumerate(self.result.ladder.policy.steps)
        return next((n for n, rung in steps if self.find(rung.targets).people), None)

    def _assigned(self) -> bool:
        """A person it was handed to is paged alone, before the policy's first step."""
        ladder = self.result.ladder
        delay = ladder.policy.steps[0].delay_s if ladder.policy.steps else ASSIGNED_DELAY_S
        assigned = self.incident.assigned_to_id
        return assigned is not None and self._step(Rung(delay, ()), (Target("user", assigned),))

    def _step(self, rung: Rung, targets: Sequence[Target]) -> bool:
        """Pages a step; False when it reached nobody."""
        ladder = self.result.ladder
        reach = self.find(targets)
        after = replace(ladder, step=ladder.step + 1, reached=ladder.reached + len(reach.people))
        if not reach.people:
            self._say("nobody_reached", step=max(ladder.step + 1, 0), because=reach.because)
            self.result.ladder = after
            return False
        self._page(reach)
        names = [name for _, name, _ in reach.people]
        self._say("step", step=max(ladder.step + 1, 0), round=ladder.round, names=names, policy=ladder.policy.name)
        self.result.ladder = replace(after, next_step_at=self._after(rung.delay_s))
        return True

    def _last_resort(self, targets: Sequence[Target]) -> Climb:
        ladder = self.result.ladder
        reach = self.find(targets)
        if not reach.people:
            self.result.unreachable = True
            self._say("last_resort_unreachable", because=reach.because or "there is none")
            self.result.ladder = replace(ladder, next_step_at=self.now + UNREACHABLE_AGAIN)
            return self.result
        self._page(reach)
        self._say("last_resort", names=[name for _, name, _ in reach.people])
        again = self.now + LAST_RESORT_AGAIN if self.incident.loudness == "loud" else self._after(QUIET_DELAY_S)
        # The next round has a number of its own, so that its pages are not taken for these.
        self.result.ladder = replace(ladder, round=ladder.round + 1, reached=max(ladder.reached, 0), next_step_at=again)
        return self.result

    def _after(self, delay_s: int) -> datetime:
        if self.incident.loudness == "loud":
            return self.now + timedelta(seconds=delay_s)
        return advance_open(self.incident.hours, self.now, QUIET_DELAY_S)

    def _page(self, reach: Reach) -> None:
        ladder = self.result.ladder
        for user_id, _, because in reach.people:
            self.result.pages.append(
                PageOrder(
                    ladder.id,
                    ladder.incident_id,
                    ladder.purpose,
                    ladder.epoch,
                    ladder.round,
                    ladder.step,
                    user_id,
                    self.incident.loudness,
                    because,
                )
            )

    def _say(self, kind: str, **data: Any) -> None:
        self.result.entries.append(Entry(self.result.ladder.incident_id, kind, data=data))

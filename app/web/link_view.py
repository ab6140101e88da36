"""What the screen behind a link showed, what it offers, and what is still right to do from it. Pure.

A button is signed for what its screen showed (behaviour.md 6). How much of that must still hold differs by action:

* *acknowledge* holds from any view. It says "I am awake and look at it", which is right whatever changed, and at 3 a.m.
  nobody shall press twice. If somebody was faster nothing changes, and the screen says who.
* *escalate* and *resolve* act on others: they take the incident from somebody, page somebody, or end it. They hold
  while the epoch, the state and whoever has it are what the person saw; *escalate* also while the ladder stands on the
  same step, so that pressing twice pages one step and not two.
* *resolve anyway*, the answer to being asked, holds while no more alerts fire than the person was told of.

Otherwise nothing is done: the screen says what happened meanwhile and offers what makes sense now.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Literal

from app.escalation.answering import Standing
from app.incidents.states import ends_soon

Action = Literal["acknowledge", "escalate", "resolve", "resolve_anyway"]
ForAll = Literal["acknowledge_all"]
"""Of a message about several incidents; whatever changed, it is right as *acknowledge* is."""

ESCALATED: Final = "The next step is being paged now."
ESCALATED_QUIETLY: Final = (
    "The next step is paged quietly, which may wait for somebody's morning. Raise the priority to wake them."
)


@dataclass(frozen=True, slots=True)
class View:
    """What a screen showed. Travels in the form, under the signature."""

    epoch: int
    state: str
    holder: int
    round: int
    step: int
    due_ms: int
    firing: int

    @classmethod
    def of(cls, seen: Standing) -> View:
        due = int(seen.next_step_at.timestamp() * 1000) if seen.next_step_at else 0
        return cls(seen.epoch, seen.state, seen.acknowledged_by_id or 0, seen.round, seen.step, due, seen.firing)

    def __str__(self) -> str:
        """`1.triggered.0.1.0.1763777640000.2`"""
        return f"{self.epoch}.{self.state}.{self.holder}.{self.round}.{self.step}.{self.due_ms}.{self.firing}"

    @classmethod
    def read(cls, text: str) -> View:
        """Of a text whose signature is right."""
        epoch, state, holder, *ladder, firing = text.split(".")
        round_, step, due_ms = (int(part) for part in ladder)
        return cls(int(epoch), state, int(holder), round_, step, due_ms, int(firing))

    def _same_hands(self, now: View) -> bool:
        return (self.epoch, self.state, self.holder) == (now.epoch, now.state, now.holder)

    def allows(self, action: Action, now: View) -> bool:
        """Whether the action is still right, given how things are `now`."""
        if action == "acknowledge":
            return True
        if action == "escalate" and self.state == "triggered":
            return replace(self, firing=0) == replace(now, firing=0)
        if action == "resolve_anyway" and now.firing > self.firing:
            return False
        return self._same_hands(now)


def offered(seen: Standing, user_id: int, now: datetime) -> Sequence[Action]:
    """The buttons, the most likely one first."""
    if seen.state == "triggered":
        return ("acknowledge",) if seen.drill else ("acknowledge", "escalate", "resolve")
    if not seen.is_open:
        return ()
    if seen.acknowledged_by_id != user_id:
        return ("escalate", "resolve")
    return (
        ("acknowledge", "resolve", "escalate")
        if ends_soon(seen.state, seen.wakes_because, seen.wakes_at, now)
        else ("resolve", "escalate")
    )


def said(pressed: str, seen: Standing, user_id: int) -> str:
    """One sentence on what became of a pressed button, told from how things are now; empty where the state says it."""
    match pressed:
        case "acknowledge" if seen.drill and seen.acknowledged_by_id == user_id:
            return "Thank you. This was a drill, and it is over."
        case "acknowledge" if not seen.is_open:
            return "It was over before you pressed."
        case "acknowledge" if seen.state != "triggered" and seen.acknowledged_by_id != user_id:
            return f"{seen.holder or 'Somebody'} was faster."
        case "acknowledge" if seen.missing:
            return "Thank you. It goes on paging until the others have acknowledged, too."
        case "acknowledge" if seen.acknowledged_by_id == user_id:
            return "Thank you. Nobody else is paged."
        case "escalate" if seen.state == "triggered":
            return ESCALATED_QUIETLY if seen.loudness == "quiet" else ESCALATED
        case "escalate" if not seen.is_open:
            return "It was over before you pressed. Nobody was paged."
        case "resolve" if seen.is_open and seen.reopened:
            return "It is open again."
    return ""

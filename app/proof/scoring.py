"""What a drill showed: who was reached, by what, after how long; who answered; who was missed. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

Result = Literal["acknowledged", "delivered", "sent", "missed", "spared"]
"""`sent`: handed over, and nobody can say whether it arrived, as with mail. `spared`: it was over before any message
to this person was due."""

_BEST: Final = {"delivered": 0, "sent": 1, "sending": 1}


@dataclass(frozen=True, slots=True)
class Told:
    """One message of a drill. `at`: when it was planned; `finished_at`: when it got to `state`."""

    user: str
    name: str
    channel: str
    state: str
    because: str
    step: int
    tried: bool
    at: datetime
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class Answered:
    """An acknowledgement. `channel`: that of the message whose link was followed; None: through another door."""

    user: str
    name: str
    at: datetime
    channel: str | None


@dataclass(frozen=True, slots=True)
class PersonScore:
    """Seconds count from the person's first message, for who answered unasked from the beginning. `by`: the channel
    that reached; `because`: why nothing did."""

    user: str
    name: str
    step: int | None
    result: Result
    by: str | None
    reached_after_s: float | None
    acknowledged_after_s: float | None
    because: str


def score(began: datetime, messages: Sequence[Told], answers: Iterable[Answered]) -> list[PersonScore]:
    """Of everybody who was told or answered, in the order of the steps."""
    own: dict[str, list[Told]] = {}
    for message in sorted(messages, key=lambda m: (m.at, m.step)):
        own.setdefault(message.user, []).append(message)
    answered = {a.user: a for a in answers}
    found = [_person(told, answered.get(user)) for user, told in own.items()]
    strangers = (a for user, a in answered.items() if user not in own)
    return found + [
        PersonScore(a.user, a.name, None, "acknowledged", a.channel, None, _after(began, a.at), "") for a in strangers
    ]


def _person(told: Sequence[Told], answer: Answered | None) -> PersonScore:
    first = told[0]
    arrived = sorted((m for m in told if m.state in _BEST), key=lambda m: (_BEST[m.state], m.finished_at or m.at))
    best = arrived[0] if arrived else None
    by = best.channel if best else None
    reached = _after(first.at, best.finished_at) if best and best.finished_at else None
    if answer is not None:
        took = _after(first.at, answer.at)
        sooner = took if reached is None else min(reached, took)
        by = answer.channel or by
        return PersonScore(first.user, first.name, first.step, "acknowledged", by, sooner, took, "")
    if best is not None:
        result: Result = "delivered" if best.state == "delivered" else "sent"
        return PersonScore(first.user, first.name, first.step, result, by, reached, None, "")
    failed = [f"{m.channel}: {m.because}" for m in told if m.tried or m.state == "failed"]
    if not failed:
        return PersonScore(first.user, first.name, first.step, "spared", None, None, None, "")
    return PersonScore(first.user, first.name, first.step, "missed", None, None, None, "; ".join(dict.fromkeys(failed)))


def _after(began: datetime, at: datetime) -> float:
    return round(max(0.0, (at - began).total_seconds()), 1)


def tally(people: Sequence[PersonScore], unreachable: Sequence[str]) -> dict[str, Any]:
    """How many were paged, reached, missed and answered; `first_answer_s`: seconds from the first of them's page."""
    took = [p.acknowledged_after_s for p in people if p.acknowledged_after_s is not None]
    return {
        "paged": sum(p.result != "spared" and p.step is not None for p in people),
        "reached": sum(p.result in ("acknowledged", "delivered", "sent") for p in people),
        "acknowledged": len(took),
        "missed": sum(p.result == "missed" for p in people) + len(unreachable),
        "first_answer_s": min(took, default=None),
    }

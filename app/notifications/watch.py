"""When the second path speaks, and what it says (behaviour.md 17). Pure: a look, what stands and the time give words.

Bad news is told at once, then once in ten minutes while it lasts. The all-clear follows when it has been gone for
two looks. What comes back within ten minutes of its all-clear is told at once too, for "all clear" is no longer true;
but then the next all-clear waits for ten calm minutes, so that what flaps is not told a hundred times.
Times are seconds on the monotonic clock of the process: they are compared with one another only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final, Literal

Reason = Literal["ladder_overdue", "notification_overdue", "database_unreadable", "last_resort_unreachable"]

LATE_S: Final = 60
"""Overdue by more than this, or unreadable for as long, is trouble."""
REPEAT_S: Final = 600
CALM_S: Final = 10
"""Less than the time between two looks: gone in two of them is calm."""
UNREACHABLE_LASTS_S: Final = 120
"""A ladder whose last resort cannot be reached tries again every 60 s; two silent minutes mean that it could."""


@dataclass(frozen=True, slots=True)
class Overdue:
    """Rows that are due: how many by more than `LATE_S`, and how long the oldest of all has waited."""

    late: int = 0
    oldest_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What one look found. `ladders` and `notifications` are None when the database could not say."""

    ladders: Overdue | None = None
    notifications: Overdue | None = None
    unreadable_s: float = 0.0
    unreachable: Overdue = Overdue()


@dataclass(frozen=True, slots=True)
class Seen:
    """The last look, for whoever else asks how things stand. `at`: when, on the monotonic clock. `clock`: the
    database's at the last look that could read it, and when that was, in s on the monotonic clock."""

    look: Look
    at: float
    clock: tuple[datetime, float] | None


@dataclass(frozen=True, slots=True)
class Standing:
    """What has been told about one reason."""

    since: float
    told_at: float
    gone_since: float | None = None
    cleared_at: float | None = None
    """When the all-clear was given; None while the last word is that it is wrong."""
    came_back: bool = False


State = Mapping[Reason, Standing]


@dataclass(frozen=True, slots=True)
class Word:
    """One message to send. An all-clear has no `count` and `oldest_s`, but `lasted_s`: how long it was wrong."""

    reason: Reason
    clear: bool
    count: int = 0
    oldest_s: float = 0.0
    lasted_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Decision:
    """What stands once every word has been sent, and the words. For a word that could not be sent the caller keeps the
    reason's former standing, so that the next look says it again."""

    state: State
    words: list[Word] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Process:
    """Who says it: the roles of this process, the host's name, its id, and the address people know the service by."""

    roles: tuple[str, ...]
    host: str
    pid: int
    public_url: str


def found(look: Look) -> dict[Reason, Overdue | None]:
    """By reason: what is wrong (`late` > 0), what is not (0), or None where it cannot be known now."""
    unreadable = look.unreadable_s >= LATE_S
    return {
        "ladder_overdue": look.ladders,
        "notification_overdue": look.notifications,
        "database_unreadable": Overdue(int(unreadable), look.unreadable_s),
        "last_resort_unreachable": look.unreachable,
    }


def decide(look: Look, before: State, at: float) -> Decision:
    """What to say now."""
    state: dict[Reason, Standing] = dict(before)
    words: list[Word] = []
    for reason, overdue in found(look).items():
        if overdue is None:
            continue
        standing, word = _one(reason, before.get(reason), overdue, at)
        if standing is not None:
            state[reason] = standing
        if word is not None:
            words.append(word)
    return Decision(state, words)


def _one(reason: Reason, before: Standing | None, overdue: Overdue, at: float) -> tuple[Standing | None, Word | None]:
    if overdue.late:
        return _wrong(before, Word(reason, False, overdue.late, overdue.oldest_s), at)
    if before is None or before.cleared_at is not None:
        return before, None
    gone_since = at if before.gone_since is None else before.gone_since
    if at - gone_since < (REPEAT_S if before.came_back else CALM_S):
        return replace(before, gone_since=gone_since), None
    return replace(before, gone_since=gone_since, cleared_at=at), Word(reason, True, lasted_s=gone_since - before.since)


def _wrong(before: Standing | None, word: Word, at: float) -> tuple[Standing, Word | None]:
    if before is None or before.cleared_at is not None:
        came_back = before is not None and before.cleared_at is not None and at - before.cleared_at < REPEAT_S
        return Standing(since=at, told_at=at, came_back=came_back), word
    if at - before.told_at >= REPEAT_S:
        return replace(before, told_at=at, gone_since=None), word
    return replace(before, gone_since=None), None


def title(word: Word) -> str:
    """One line: what is wrong, or right again, with the count and the oldest age."""
    age, n = duration(word.oldest_s), word.count
    if word.clear:
        return f"All clear: {_RIGHT_AGAIN[word.reason]}"
    if word.reason == "ladder_overdue":
        return f"Tocsin is not escalating: {_count(n, 'ladder')} overdue, the oldest by {age}"
    if word.reason == "notification_overdue":
        return f"Tocsin is not sending: {_count(n, 'notification')} overdue, the oldest by {age}"
    if word.reason == "database_unreadable":
        return f"Tocsin cannot read its database, for {age} now"
    times = "once" if n == 1 else f"{n} times"
    return f"Tocsin reached nobody, not even the last resort, {times} in the last {duration(UNREACHABLE_LASTS_S)}"


_RIGHT_AGAIN: Final[Mapping[Reason, str]] = {
    "ladder_overdue": "ladders climb on time again",
    "notification_overdue": "notifications are sent on time again",
    "database_unreadable": "the database can be read again",
    "last_resort_unreachable": "no ladder has failed to reach the last resort for a while",
}

_ADVICE: Final[Mapping[Reason, str]] = {
    "ladder_overdue": "Incidents are open and the next person is not being paged. Is a process with the role worker "
    "running, and does its log show errors?",
    "notification_overdue": "People are not getting their pages. Is a process with the role worker running, and do the "
    "providers of SMS and mail answer?",
    "database_unreadable": "Nothing is accepted (senders are told to retry) and nobody is paged until it is back.",
    "last_resort_unreachable": "There are open incidents that nobody has been told about. Look at them now, and give "
    "the last resort a verified contact method.",
}


def text(word: Word, process: Process) -> str:
    """The whole message: what, what to do, and who says so."""
    if word.clear:
        middle = f"It was wrong for about {duration(word.lasted_s)}."
    else:
        middle = f"{_ADVICE[word.reason]} This is said again every {REPEAT_S // 60} minutes while it lasts."
    roles = " and ".join(process.roles)
    return f"{title(word)}.\n{middle}\nSeen by {process.host} ({roles}, process {process.pid}) for {process.public_url}"


def document(word: Word, process: Process) -> dict[str, Any]:
    """The JSON that is posted. `key` stays the same from the trouble to its all-clear; `text` is what chats show."""
    return {
        "key": f"tocsin/{process.public_url}/{word.reason}",
        "status": "resolved" if word.clear else "firing",
        "reason": word.reason,
        "title": title(word),
        "text": text(word, process),
        "count": word.count,
        "oldest_s": round(word.oldest_s, 1),
        "process": {"roles": list(process.roles), "host": process.host, "pid": process.pid},
        "public_url": process.public_url,
    }


def duration(seconds: float) -> str:
    """`75` is `1 min 15 s`, `120` is `2 min`; from an hour on minutes are enough."""
    minutes, s = divmod(round(max(0.0, seconds)), 60)
    hours, m = divmod(minutes, 60)
    if hours:
        return f"{hours} h {m} min"
    if m:
        return f"{m} min {s} s" if s else f"{m} min"
    return f"{s} s"


def _count(n: int, what: str) -> str:
    return f"{n} {what} is" if n == 1 else f"{n} {what}s are"

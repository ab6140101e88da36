"""Which entry of a feed is which: the same shift keeps its UID through edits, and says how often it changed. Pure.

A calendar program knows an entry by its UID, and takes another version of it only when SEQUENCE has grown (RFC 5546,
2.1.5). So what a feed said last is kept, and what it says now is matched with it: the same person, and time in common;
of several the one with most of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class Told:
    """An entry as a feed tells it: `user_id` (None: a gap) during `[starts_at, ends_at)`, and why."""

    uid: str
    user_id: int | None
    starts_at: datetime
    ends_at: datetime
    because: str
    sequence: int
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class Shown:
    """What is to be told now."""

    user_id: int | None
    starts_at: datetime
    ends_at: datetime
    because: str


def followed(
    before: Sequence[Told], shown: Sequence[Shown], t0: datetime, now: datetime, uid: Callable[[], str]
) -> list[Told]:
    """What is told now, by its start. Entries of one person do not overlap, in `before` as in `shown`. `t0`: where the
    window begins; what was told to begin before it still does. `uid` makes a new one."""
    known = _matched(before, shown)
    result = []
    for n, one in enumerate(shown):
        if (told := known.get(n)) is None:
            result.append(Told(uid(), one.user_id, one.starts_at, one.ends_at, one.because, 0, now))
            continue
        starts_at = told.starts_at if told.starts_at < t0 == one.starts_at else one.starts_at
        result.append(_changed(told, replace(one, starts_at=starts_at), now))
    return sorted(result, key=lambda told: (told.starts_at, told.user_id or 0, told.uid))


def _matched(before: Sequence[Told], shown: Sequence[Shown]) -> dict[int, Told]:
    """By place in `shown` what was told of it; those with most time in common first."""
    pairs = sorted(_overlapping(before, shown), key=lambda pair: (-pair[0], pair[1].starts_at, pair[2]))
    found: dict[int, Told] = {}
    taken: set[str] = set()
    for _, told, n in pairs:
        if n not in found and told.uid not in taken:
            found[n] = told
            taken.add(told.uid)
    return found


def _overlapping(before: Sequence[Told], shown: Sequence[Shown]) -> Iterator[tuple[timedelta, Told, int]]:
    own: dict[int | None, list[Told]] = {}
    for told in sorted(before, key=lambda told: told.starts_at):
        own.setdefault(told.user_id, []).append(told)
    begun: dict[int | None, int] = {}
    for n, one in sorted(enumerate(shown), key=lambda pair: pair[1].starts_at):
        candidates, i = own.get(one.user_id, []), begun.get(one.user_id, 0)
        while i < len(candidates) and candidates[i].ends_at <= one.starts_at:
            i += 1
        begun[one.user_id] = i
        while i < len(candidates) and candidates[i].starts_at < one.ends_at:
            told = candidates[i]
            yield min(told.ends_at, one.ends_at) - max(told.starts_at, one.starts_at), told, n
            i += 1


def _changed(told: Told, shown: Shown, now: datetime) -> Told:
    same = (told.starts_at, told.ends_at, told.because) == (shown.starts_at, shown.ends_at, shown.because)
    if same:
        return told
    return Told(told.uid, told.user_id, shown.starts_at, shown.ends_at, shown.because, told.sequence + 1, now)

"""Who is named by a calendar when, and what is kept of it. Pure.

The past is never rewritten: what a calendar says today about yesterday does not change who was on call then.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime


@dataclass(frozen=True, slots=True, order=True)
class Named:
    """A user is named during `[starts_at, ends_at)`; `user_id` 0: somebody whom we do not know, as `said`."""

    starts_at: datetime
    ends_at: datetime
    user_id: int
    said: str


def succeeded(old: Iterable[Named], new: Iterable[Named], now: datetime) -> list[Named]:
    """What is kept from now on, of `old`, which all end after now, and of what a calendar says now: the past of `old`
    with the future of `new`. An entry that goes on is one."""
    past = {(o.user_id, o.said): replace(o, ends_at=now) for o in sorted(old, reverse=True) if o.starts_at < now}
    kept: list[Named] = []
    for one in sorted(new):
        if one.ends_at <= now:
            continue
        begun = past.pop((one.user_id, one.said), None) if one.starts_at <= now else None
        kept.append(replace(one, starts_at=begun.starts_at if begun else max(one.starts_at, now)))
    return sorted([*kept, *past.values()])

"""Handoffs of a schedule: when the people on call change, and to whom; what becomes of a handshake. Pure."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from app.oncall import shifts
from app.oncall.shifts import Schedule

LOOK_AHEAD = timedelta(days=128)
_HORIZONS = (timedelta(days=2), timedelta(days=8), timedelta(days=32), LOOK_AHEAD)
"""Most handoffs are near: looking far ahead at once would compute months for nothing."""
_A_MOMENT = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Handoff:
    """At `at` these users take over; none: a gap begins."""

    at: datetime
    user_ids: tuple[int, ...]


def next_handoff(schedule: Schedule, at: datetime) -> Handoff | None:
    """The first instant after `at` at which other people are on call; None when there is none in `LOOK_AHEAD`."""
    holding = {entry.user_id for entry in shifts.who(schedule, at)}
    for horizon in _HORIZONS:
        coming = shifts.final(schedule, at, at + horizon)
        marks = {mark for shift in coming for mark in (shift.starts_at, shift.ends_at)}
        for mark in sorted(mark for mark in marks if at < mark < at + horizon):
            users = tuple(entry.user_id for entry in shifts.who(schedule, mark))
            if set(users) != holding:
                return Handoff(mark, users)
    return None


@dataclass(frozen=True, slots=True)
class ChangeOfHands:
    """At `at` some come on call and some leave. Whoever stays on call is neither, whatever the cause."""

    at: datetime
    incoming: tuple[int, ...]
    outgoing: tuple[int, ...]


def changes_of_hands(schedule: Schedule, t0: datetime, t1: datetime) -> list[ChangeOfHands]:
    """Those after `t0` and up to `t1`, oldest first. A turn without time, or after another of the same person, is
    none."""
    incoming: dict[datetime, list[int]] = {}
    outgoing: dict[datetime, list[int]] = {}
    for user, own in shifts.by_user(shifts.final(schedule, t0, t1 + _A_MOMENT)).items():
        for start, end in own:
            if t0 < start <= t1:
                incoming.setdefault(start, []).append(user)
            if t0 < end <= t1:
                outgoing.setdefault(end, []).append(user)
    marks = sorted(incoming.keys() | outgoing.keys())
    return [ChangeOfHands(at, tuple(incoming.get(at, ())), tuple(outgoing.get(at, ()))) for at in marks]


def on_call_until(schedule: Schedule, user_ids: Collection[int], at: datetime) -> datetime | None:
    """When the last of these users who are on call at `at` leaves; `at` itself when none of them is; None when nobody
    leaves in `LOOK_AHEAD`."""
    for horizon in _HORIZONS:
        own = shifts.by_user(shifts.final(schedule, at, at + horizon))
        ends = [own[user][0][1] for user in user_ids if user in own and own[user][0][0] == at]
        if not ends:
            return at
        if max(ends) < at + horizon:
            return max(ends)
    return None


@dataclass(frozen=True, slots=True)
class Handshake:
    """Whoever comes at `starts_at` has not confirmed yet, so `outgoing` stay on call beside them until `ends_at`, at
    which the incoming shift is over."""

    starts_at: datetime
    ends_at: datetime
    incoming: tuple[int, ...]
    outgoing: tuple[int, ...]


def gone_on(plan: Schedule, handshake: Handshake, now: datetime) -> Handshake | None:
    """The handshake as it must be by now: schedules are edited, shifts swapped, other handoffs confirmed. None: there
    is no such handoff any more. `plan`: the schedule without those who stay because of this very handshake."""
    at = handshake.starts_at
    outgoing = handshake.outgoing
    if at > now:
        change = next((c for c in changes_of_hands(plan, at - _A_MOMENT, at) if c.at == at), None)
        if change is None or not change.outgoing or set(change.incoming) != set(handshake.incoming):
            return None
        outgoing = change.outgoing
    ends_at = on_call_until(plan, handshake.incoming, at) or at + LOOK_AHEAD
    return None if ends_at == at else Handshake(at, ends_at, handshake.incoming, outgoing)

"""What stands on the paper, as plain values; and whether it says something new. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from app import hours

AHEAD: Final = timedelta(hours=72)
MOST_INCIDENTS: Final = 200
ANYWAY_AFTER: Final = timedelta(hours=24)
"""A mail that is older shows less than two days ahead."""


@dataclass(frozen=True, slots=True)
class Turn:
    """Somebody is on call during `[starts_at, ends_at)`, cut to the sheet; `who` None: nobody is."""

    starts_at: datetime
    ends_at: datetime
    who: str | None


@dataclass(frozen=True, slots=True)
class Roster:
    """A schedule: its turns in its own zone."""

    key: str
    name: str
    zone: str
    turns: Sequence[Turn]


@dataclass(frozen=True, slots=True)
class Contact:
    name: str
    email: str
    methods: Sequence[tuple[str, str]]
    """(channel, address) pairs that work."""


@dataclass(frozen=True, slots=True)
class Tree:
    """An escalation policy: whom it pages for which services, a line for every step."""

    key: str
    name: str
    services: Sequence[str]
    steps: Sequence[str]


@dataclass(frozen=True, slots=True)
class Trouble:
    """An open incident."""

    number: int
    title: str
    priority: int
    state: str
    service: str
    opened_at: datetime
    held_by: str | None


@dataclass(frozen=True, slots=True)
class Sheet:
    """All of it. `zone`: the organisation's, for what has none of its own."""

    organisation: str
    zone: str
    public_url: str
    written_at: datetime
    rosters: Sequence[Roster]
    contacts: Sequence[Contact]
    trees: Sequence[Tree]
    last_resort: str
    incidents: Sequence[Trouble]

    @property
    def until(self) -> datetime:
        return self.written_at + AHEAD


def when(at: datetime, zone: str) -> str:
    """`Mon 23 Nov 06:00` on the clocks of a zone."""
    return f"{hours.local(at, hours.zone(zone)):%a %d %b %H:%M}"


def substance(sheet: Sheet) -> dict[str, Any]:
    """What a later sheet is compared with: plain JSON."""
    return {
        "written_at": sheet.written_at.isoformat(),
        "until": sheet.until.isoformat(),
        "turns": {
            roster.key: [[t.starts_at.isoformat(), t.ends_at.isoformat(), t.who] for t in roster.turns]
            for roster in sheet.rosters
        },
        "rest": [
            [[c.name, c.email, [list(m) for m in c.methods]] for c in sheet.contacts],
            [[t.key, t.name, list(t.services), list(t.steps)] for t in sheet.trees],
            sheet.last_resort,
            [[i.number, i.title, i.priority, i.state, i.held_by] for i in sheet.incidents],
            [[r.key, r.name, r.zone] for r in sheet.rosters],
        ],
    }


def changed(before: Mapping[str, Any], sheet: Sheet) -> bool:
    """True when whoever holds the former sheet (its `substance`; empty: there was none) should get this one. That time
    went on, so that a turn ended and another came in sight, is no change; that a day has passed is."""
    if not before:
        return True
    after = substance(sheet)
    if sheet.written_at - datetime.fromisoformat(before["written_at"]) >= ANYWAY_AFTER:
        return True
    if before["rest"] != after["rest"]:
        return True
    span = (sheet.written_at, datetime.fromisoformat(before["until"]))
    return any(_within(before["turns"].get(key, []), span) != _within(now, span) for key, now in after["turns"].items())


def _within(turns: Sequence[Any], span: tuple[datetime, datetime]) -> list[tuple[datetime, datetime, Any]]:
    cut = [
        (max(datetime.fromisoformat(start), span[0]), min(datetime.fromisoformat(end), span[1]), who)
        for start, end, who in turns
    ]
    return [turn for turn in cut if turn[0] < turn[1]]


def step_lines(steps: Sequence[Any], hand_over_to: str | None, repeats: int, said: Any) -> list[str]:
    """A policy's steps in words. `said`: the words for a target. A step's delay passes after it."""
    lines, after_s = [], 0
    for n, step in enumerate(steps, 1):
        at = "at once" if after_s == 0 else f"after {_minutes(after_s)}"
        whom = ", ".join(said(target) for target in step.targets)
        lines.append(f"{n}. {at}: {whom}")
        after_s += step.delay_s
    if steps:
        last = f"after {_minutes(after_s)}"
        if repeats:
            lines.append(f"{last}: all of it again, {repeats} more time{'' if repeats == 1 else 's'}")
        if hand_over_to:
            lines.append(f"{'then' if repeats else last}: policy {hand_over_to} goes on")
    return lines


def _minutes(seconds: int) -> str:
    hours_, minutes = divmod(seconds // 60, 60)
    parts = [f"{hours_} h"] * bool(hours_) + [f"{minutes} min"] * bool(minutes)
    return " ".join(parts) or f"{seconds} s"

"""What will go wrong in the next 48 hours of a schedule, and what of it is news. Pure.

A danger is told once. It is the same danger while it overlaps what was found before; a gap that comes back at the same
hours of the day within 8 days of one that was told and came to pass is meant, as far as anybody can tell, and is told
of no more (the weekly mail goes on naming it).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal
from zoneinfo import ZoneInfo

from app import hours
from app.oncall.shifts import Schedule, by_user, final, gaps

AHEAD: Final = timedelta(hours=48)
SAME_WITHIN: Final = timedelta(days=8)

Code = Literal["gap", "unreachable"]


@dataclass(frozen=True, slots=True)
class Danger:
    """Nobody is on call in `[starts_at, ends_at)`, or somebody who cannot be reached is, from their first shift to the
    end of their last."""

    code: Code
    user_id: int | None
    starts_at: datetime
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class Known:
    """A danger as it was found before. `told`: somebody was told, or it came back after one that was."""

    id: int
    danger: Danger
    state: str
    told: bool


@dataclass(frozen=True, slots=True)
class News:
    """`new`: each with the id of the one that it repeats, of which nobody is told. `longer`: known ones with the bounds
    that they have now. `untold`: known, and nobody could be told so far."""

    new: tuple[tuple[Danger, int | None], ...]
    longer: tuple[tuple[int, Danger], ...]
    untold: tuple[Known, ...]
    mended: tuple[Known, ...]
    passed: tuple[Known, ...]


def dangers(schedule: Schedule, now: datetime, unreachable: Collection[int]) -> list[Danger]:
    """Of the next 48 hours."""
    until = now + AHEAD
    found = [Danger("gap", None, *gap) for gap in gaps(schedule, now, until)]
    for user, own in sorted(by_user(final(schedule, now, until)).items()):
        if user in unreachable:
            found.append(Danger("unreachable", user, own[0][0], own[-1][1]))
    return found


def on_duty(schedule: Schedule, now: datetime) -> set[int]:
    """Everybody who has a shift in the next 48 hours."""
    return {shift.user_id for shift in final(schedule, now, now + AHEAD)}


def news(found: Sequence[Danger], known: Sequence[Known], now: datetime, where: ZoneInfo) -> News:
    """What is new, what is as before, and what is over. `known`: those open, and those that passed lately; `where`:
    the schedule's zone."""
    being = [k for k in known if k.state == "open"]
    matched: dict[int, Danger] = {}
    new: list[tuple[Danger, int | None]] = []
    for danger in found:
        same = next((k for k in being if k.id not in matched and _touch(k.danger, danger)), None)
        if same is None:
            new.append((danger, _repeated(danger, known, now, where)))
        else:
            before = same.danger
            matched[same.id] = Danger(before.code, before.user_id, before.starts_at, danger.ends_at)
    over = [k for k in being if k.id not in matched]
    return News(
        tuple(new),
        tuple((k.id, matched[k.id]) for k in being if k.id in matched and matched[k.id] != k.danger),
        tuple(k for k in being if k.id in matched and not k.told),
        tuple(k for k in over if k.danger.ends_at > now),
        tuple(k for k in over if k.danger.ends_at <= now),
    )


def _touch(a: Danger, b: Danger) -> bool:
    same = (a.code, a.user_id) == (b.code, b.user_id)
    return same and a.starts_at <= b.ends_at and b.starts_at <= a.ends_at


def _repeated(danger: Danger, known: Iterable[Known], now: datetime, where: ZoneInfo) -> int | None:
    """The newest one at these hours that was told and has begun."""
    if danger.code != "gap":
        return None
    hour = hours.local(danger.starts_at, where).time()
    same = [
        k.id
        for k in known
        if k.told
        and k.danger.code == "gap"
        and k.state in ("open", "passed")
        and k.danger.starts_at <= now
        and k.danger.starts_at > danger.starts_at - SAME_WITHIN
        and hours.local(k.danger.starts_at, where).time() == hour
    ]
    return max(same, default=None)


def subject(found: Sequence[Danger], schedule: str) -> str:
    """Every kind that there is, with how many: `Primary: 2 gaps and somebody unreachable within 48 h`."""
    gaps_found = sum(danger.code == "gap" for danger in found)
    people = len({danger.user_id for danger in found if danger.code == "unreachable"})
    counts = ((gaps_found, "a gap", "gaps"), (people, "somebody unreachable", "people unreachable"))
    kinds = [one if count == 1 else f"{count} {many}" for count, one, many in counts if count]
    return f"{schedule}: {' and '.join(kinds)} within 48 h"


def in_words(danger: Danger, schedule: str, who: str, because: str, where: ZoneInfo) -> str:
    """One sentence: what, when on the schedule's clocks, and why. `because`: of somebody who cannot be reached."""
    if danger.code == "gap":
        return f"{schedule}: nobody is on call {_span(danger, where)}"
    return f"{schedule}: {who} has shifts {_span(danger, where)} and cannot be reached: {because}"


def mended(danger: Danger, schedule: str, who: str, where: ZoneInfo) -> str:
    """The same when it is over before its time."""
    if danger.code == "gap":
        return f"Mended. {schedule}: there is no gap any more {_span(danger, where)}"
    return f"Mended. {schedule}: {who} can be reached now, or has no shift any more {_span(danger, where)}"


def _span(danger: Danger, where: ZoneInfo) -> str:
    first, last = hours.local(danger.starts_at, where), hours.local(danger.ends_at, where)
    end = f"{last:%H:%M %Z}" if first.date() == last.date() else f"{last:%a %d %b %H:%M %Z}"
    return f"from {first:%a %d %b} {hours.clock(first)} to {end}"


TO_DO: Final[dict[Code, str]] = {
    "gap": "Put somebody in with an override, if it is not meant.",
    "unreachable": "They verify a contact method, or somebody else takes the shift.",
}

"""The last resort before it is needed: whom of it can be paged now, and what would leave it empty."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from app.directory.contacts import Person
from app.errors import Invalid
from app.escalation import policies, reach
from app.escalation.policy_copy import Target as ById
from app.escalation.policy_document import Target
from app.escalation.positions import Reach
from app.oncall import shifts
from app.oncall import store as oncall_store
from app.oncall.shifts import Schedule

LOOKED_AHEAD: Final = timedelta(days=28)
WAKING: Final = frozenset({"sms", "voice", "push"})


@dataclass(frozen=True, slots=True)
class Reached:
    """Somebody who would be paged now, why, and by which channels."""

    name: str
    because: str
    channels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LookedAt:
    """`because`: why others of it cannot be reached now. `findings`: what is wrong with it, in sentences; empty: it
    holds."""

    reached: tuple[Reached, ...]
    because: str
    findings: tuple[str, ...]


async def look(conn: AsyncConnection, targets: Sequence[Target], channels: Collection[str], now: datetime) -> LookedAt:
    """Raises `Invalid` for a target that does not exist."""
    ids, errors = await policies.find(conn, {"": list(targets)})
    if errors:
        raise Invalid("; ".join(f"{e['field']}: {e['message']}" for e in errors), errors=errors)
    named = [ById(target.type, ids[target]) for target in targets]
    town = await reach.town(conn, named, channels, now)
    found = town.find(named)
    ahead = (now, now + LOOKED_AHEAD)
    schedules = await oncall_store.schedules(conn, [t.id for t in named if t.type == "schedule"], window=ahead)
    only_schedules = all(t.type == "schedule" for t in named)
    findings = [*_of_people(found, town.people), *(_gaps(list(schedules.values()), ahead) if only_schedules else ())]
    reached = tuple(Reached(name, why, _channels(town.people[user])) for user, name, why in found.people)
    return LookedAt(reached, found.because, tuple(findings))


def _channels(person: Person) -> tuple[str, ...]:
    return tuple(dict.fromkeys(method.channel for method in person.methods))


def _of_people(found: Reach, people: Mapping[int, Person]) -> Iterator[str]:
    if not found.people:
        yield "Nobody of it can be reached now"
        return
    if found.because:
        yield f"Not everybody of it can be reached now: {found.because}"
    if len(found.people) == 1:
        yield f"It is one person now, {found.people[0][1]}: nobody is left when they are away"
    if not any(WAKING & set(_channels(people[user])) for user, _, _ in found.people):
        yield "None of them has a contact method that wakes somebody: a text, a call or a push message"


def _gaps(schedules: Sequence[Schedule], ahead: tuple[datetime, datetime]) -> Iterator[str]:
    """When in none of the schedules, of which it is made alone, anybody is on call."""
    own = [shifts.gaps(schedule, *ahead) for schedule in schedules]
    empty = own[0] if own else []
    for others in own[1:]:
        empty = [(max(a, c), min(b, d)) for a, b in empty for c, d in others if max(a, c) < min(b, d)]
    if empty:
        names = ", ".join(schedule.name for schedule in schedules)
        at = empty[0][0].strftime("%Y-%m-%d %H:%M UTC")
        more = f", and {len(empty) - 1} more times in the next 28 days" if len(empty) > 1 else ""
        yield f"Nobody is on call in {names} from {at}{more}: name somebody besides"

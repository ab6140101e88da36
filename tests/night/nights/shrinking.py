"""Makes a night that failed shorter: what can be taken out while it still fails the same rule is taken out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from nights.script import Happening, Night

Fails = Callable[[Night], Awaitable[bool]]
T = TypeVar("T")
TRIES_AT_MOST = 60


async def shrink(night: Night, fails: Fails, tries: int = TRIES_AT_MOST) -> Night:
    """Delta debugging (Zeller and Hildebrandt, 2002) over the happenings, then over people who answer, webhooks that
    listen and templates."""
    left = tries

    async def still(candidate: Night) -> bool:
        nonlocal left
        left -= 1
        return left >= 0 and await fails(candidate)

    async def without(happenings: Sequence[Happening]) -> bool:
        return await still(replace(night, happenings=tuple(happenings)))

    night = replace(night, happenings=tuple(await _smallest(night.happenings, without)))
    for fewer in ({"templates": ()}, {"hooks": tuple(replace(h, happens=()) for h in night.organisation.hooks)}):
        simpler = replace(night, organisation=replace(night.organisation, **fewer))
        if simpler != night and await still(simpler):
            night = simpler
    for place, person in enumerate(night.organisation.people):
        people = list(night.organisation.people)
        people[place] = replace(person, temper="never")
        quieter = replace(night, organisation=replace(night.organisation, people=tuple(people)))
        if person.temper != "never" and await still(quieter):
            night = quieter
    return night


async def _smallest(parts: Sequence[T], fails: Callable[[Sequence[T]], Awaitable[bool]]) -> Sequence[T]:
    size = max(len(parts) // 2, 1)
    while parts:
        for start in range(0, len(parts), size):
            fewer = [*parts[:start], *parts[start + size :]]
            if await fails(fewer):
                parts = fewer
                break
        else:
            if size == 1:
                return parts
            size = max(size // 2, 1)
            continue
        size = max(min(size, len(parts) // 2), 1)
    return parts

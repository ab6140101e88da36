"""What answers about shifts are made of, and the window they are asked for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated

from fastapi import Depends, Query

from app.errors import Invalid
from app.oncall.commands import MAX_WINDOW
from app.oncall.intervals import Interval
from app.oncall.shifts import Change, Shift
from app.web.dependencies import Tx
from app.web.models import Answer, Instant

Names = Mapping[int, tuple[str, str]]
"""Key and name of users by id."""


class Person(Answer):
    key: str
    name: str


class IntervalAnswer(Answer):
    """`[starts_at, ends_at)`."""

    starts_at: datetime
    ends_at: datetime

    @classmethod
    def of(cls, interval: Interval) -> IntervalAnswer:
        return cls(starts_at=interval[0], ends_at=interval[1])


class ShiftAnswer(Answer):
    """One user is on call during `[starts_at, ends_at)`, by a layer or by an override."""

    schedule: str
    user: Person
    starts_at: datetime
    ends_at: datetime
    layer: str | None
    override: int | None
    because: str


class HoursChanged(Answer):
    """What one user would gain and lose."""

    user: Person
    gained_seconds: int
    lost_seconds: int
    gained: list[IntervalAnswer]
    lost: list[IntervalAnswer]


def person(user_id: int, names: Names) -> Person:
    """Somebody who was removed meanwhile is still a person in a schedule."""
    key, name = names.get(user_id, ("", "somebody who was removed"))
    return Person(key=key, name=name)


def shift_answers(shifts: Iterable[Shift], names: Names, key: str) -> list[ShiftAnswer]:
    return [
        ShiftAnswer(
            schedule=key,
            user=person(shift.user_id, names),
            starts_at=shift.starts_at,
            ends_at=shift.ends_at,
            layer=None if shift.layer_id is None else shift.because.removeprefix("layer "),
            override=shift.override_id,
            because=shift.because,
        )
        for shift in shifts
    ]


def change_answers(changes: Iterable[Change], names: Names) -> list[HoursChanged]:
    return [
        HoursChanged(
            user=person(change.user_id, names),
            gained_seconds=change.gained_seconds,
            lost_seconds=change.lost_seconds,
            gained=[IntervalAnswer.of(interval) for interval in change.gained],
            lost=[IntervalAnswer.of(interval) for interval in change.lost],
        )
        for change in changes
    ]


@dataclass(frozen=True, slots=True)
class Window:
    """`[t0, t1)`, at most 400 days."""

    t0: datetime
    t1: datetime


def this_era(at: datetime, field: str) -> datetime:
    """Zone arithmetic must never leave the years that Python has. Raises `Invalid`."""
    if not 1970 <= at.year < 3000:
        message = "give a year from 1970 to 2999"
        raise Invalid(f"{field}: {message}", errors=[{"in": "query", "field": field, "message": message}])
    return at


async def _window(
    tx: Tx,
    t0: Annotated[Instant | None, Query(alias="from", description="Start; now if left out.")] = None,
    t1: Annotated[Instant | None, Query(alias="to", description="End; 28 days after the start if left out.")] = None,
) -> Window:
    start = this_era(t0 or tx.now, "from")
    end = this_era(t1 or start + timedelta(days=28), "to")
    if not start < end <= start + MAX_WINDOW:
        message = f"a window ends after it starts and lasts {MAX_WINDOW.days} days at most"
        raise Invalid(f"to: {message}", errors=[{"in": "query", "field": "to", "message": message}])
    return Window(start, end)


WindowWanted = Annotated[Window, Depends(_window)]

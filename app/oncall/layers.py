"""A layer: one repeating pattern of a schedule. Its turns: `rotations.py`; which of them count: `coverage.py`."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Literal
from zoneinfo import ZoneInfo

from app import hours
from app.errors import Invalid
from app.hours import Span, Week
from app.oncall.coverage import covered_before
from app.oncall.rotations import Rotation, Unit

Mode = Literal["replace", "add", "shadow"]
Order = Literal["rotation", "rested"]


@dataclass(frozen=True, slots=True)
class OnCall:
    """One user who is on call, and why: by a layer or by an override, exactly one of the two ids is set."""

    user_id: int
    layer_id: int | None
    override_id: int | None
    because: str


@dataclass(frozen=True, slots=True)
class Given:
    """Shifts that somebody else decided: from the UTC instant `marks[i]` on, the turn `members[i]` of its layer.
    `unknown`: when somebody is named whom nobody knows, and how."""

    marks: tuple[datetime, ...] = ()
    unknown: tuple[tuple[datetime, datetime, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Holidays:
    """Days on which alone a layer counts (`only`), or on which it does not: the wall seconds at which they begin."""

    days: frozenset[int]
    only: bool

    def refuse(self, wall: int) -> bool:
        return (wall - wall % hours.DAY in self.days) != self.only


@dataclass(frozen=True, slots=True)
class Queue:
    """Who has the turns from the counted turn `first` on: indices of a layer's turns, again and again in this order."""

    first: int
    order: tuple[int, ...]
    rested_since: tuple[datetime | None, ...] = ()
    """By index, when those of a turn were last on call before `first`; None: never."""


@dataclass(frozen=True, slots=True)
class Layer:
    """One repeating pattern: from its anchor on, `members` take turns of `length` units each.

    `anchor` is the naive local date and time of the first handoff, in `zone` (none: the schedule's); before it, and
    outside the UTC bounds `[starts_at, ends_at)`, the layer covers nothing; the count of turns begins at the anchor all
    the same. `handoffs`: several a week, see `Rotation`. `members` has one entry per turn: the user ids on call
    together; `()` and `(None,)` are nobody, then lower layers show through. `restrictions` are the only hours covered;
    empty: all. They are cut out after the turns are decided; with `skips_uncovered` turns without any covered time do
    not count, so that the next member has the next turn that has some. `mode`: it takes the place of what lower layers
    say, wherever it has somebody; or adds to it; or names who only looks on. `holidays`: days that are told apart, on
    its clocks; turns go on being counted. With `given` its shifts are those, and nothing of the rotation counts; the
    other members do. `order`: with `rested` the turns go to whoever is longest rested, by `queues` (`resting.py`), and
    uncovered turns never count. Raises `Invalid`.
    """

    id: int
    name: str
    position: int
    unit: Unit
    length: int
    anchor: datetime
    members: tuple[tuple[int | None, ...], ...]
    restrictions: tuple[Span, ...] = ()
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    handoffs: tuple[int, ...] = ()
    mode: Mode = "replace"
    skips_uncovered: bool = False
    zone: str | None = None
    holidays: Holidays | None = None
    given: Given | None = None
    order: Order = "rotation"
    queues: tuple[Queue, ...] = ()
    turns: tuple[tuple[OnCall, ...], ...] = field(init=False, repr=False, compare=False)
    week: Week = field(init=False, repr=False, compare=False)
    rotation: Rotation = field(init=False, repr=False, compare=False)
    where: ZoneInfo | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if any(bound is not None and bound.tzinfo is None for bound in (self.starts_at, self.ends_at)):
            raise Invalid("the start and the end of a layer are instants with a zone", layer=self.name)
        because = f"layer {self.name}"
        turns = tuple(
            tuple(OnCall(user, self.id, None, because) for user in dict.fromkeys(turn) if user is not None)
            for turn in self.members
        )
        for bound in ("starts_at", "ends_at"):
            if (at := getattr(self, bound)) is not None:
                object.__setattr__(self, bound, at.astimezone(UTC))
        try:
            rotation = Rotation(self.unit, self.length, self.anchor, self.handoffs)
        except Invalid as wrong:
            raise Invalid(wrong.message, layer=self.name) from wrong
        object.__setattr__(self, "turns", turns)
        object.__setattr__(self, "week", hours.week(self.restrictions))
        object.__setattr__(self, "rotation", rotation)
        object.__setattr__(self, "where", None if self.zone is None else hours.zone(self.zone))


def shifted(layer: Layer, turns: int) -> Layer:
    """The same layer with everybody's turn `turns` earlier: by 1, whoever has the next turn has this one."""
    k = turns % len(layer.members) if layer.members and layer.given is None else 0
    return replace(layer, members=layer.members[k:] + layer.members[:k])


def covering(layer: Layer, zone: ZoneInfo, at: datetime, second: int, wall: int) -> tuple[OnCall, ...]:
    """Who is on call by this layer alone at `at`; `second` and `wall` are that instant as `Rotation.turn` takes it,
    `zone` that of the schedule."""
    if layer.starts_at is not None and at < layer.starts_at:
        return ()
    if layer.ends_at is not None and at >= layer.ends_at:
        return ()
    if layer.where is not None:
        zone, wall = layer.where, hours.reached(second, layer.where)
    if not layer.turns or not layer.week.is_open(wall) or (layer.holidays and layer.holidays.refuse(wall)):
        return ()
    if layer.given is not None:
        k = bisect_right(layer.given.marks, at) - 1
        return layer.turns[k] if k >= 0 else ()
    k = layer.rotation.turn(zone, second, wall)
    if k < 0:
        return ()
    k = counted(layer, zone, k)
    if layer.queues:
        queue = layer.queues[bisect_right(layer.queues, k, key=_first) - 1]
        return layer.turns[queue.order[(k - queue.first) % len(queue.order)]]
    return layer.turns[k % len(layer.turns)]


def counted(layer: Layer, zone: ZoneInfo, k: int) -> int:
    """How many turns before turn `k` count."""
    if layer.restrictions and (layer.skips_uncovered or layer.order == "rested"):
        return covered_before(layer.rotation, layer.week, zone, k)
    return k


def _first(queue: Queue) -> int:
    return queue.first


def changes(layer: Layer, zone: ZoneInfo, t0: datetime, t1: datetime) -> Iterator[datetime]:
    """Every instant after `t0` and up to `t1` at which `covering` changes; unsorted, and some at which it does not."""
    zone, rotation = layer.where or zone, layer.rotation
    t0, t1 = max(t0, layer.starts_at or t0), min(t1, layer.ends_at or t1)
    if t0 > t1:
        return
    yield from layer.week.edges(zone, t0, t1)
    yield from (bound for bound in (layer.starts_at, layer.ends_at) if bound is not None)
    for day in layer.holidays.days if layer.holidays else ():
        yield from (hours.wall_instant(wall, zone) for wall in (day, day + hours.DAY))
    if layer.given is not None:
        yield from layer.given.marks[bisect_right(layer.given.marks, t0) : bisect_right(layer.given.marks, t1)]
        return
    seconds = map(hours.utc_second, (t0, t1))
    first, last = (rotation.turn(zone, second, hours.reached(second, zone)) for second in seconds)
    if len(layer.turns) > 1:
        yield from (rotation.start(zone, k) for k in range(max(0, first + 1), last + 1))
    elif first < 0 <= last:
        yield rotation.start(zone, 0)

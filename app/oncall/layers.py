"""A layer: one repeating pattern of a schedule. Turns are computed from the anchor, never stepped (behaviour.md 9).

Turn k of a layer in days, weeks or months begins when the clocks of the schedule's zone show the anchor's date plus
k lengths, at the anchor's time of day: the handoff stays at 09:00 over daylight saving. Month k is the anchor's month
plus k lengths, its day clamped to the length of that month.

Turns in *hours* are elapsed time from the anchor's instant. Whoever writes "8 hours" means an amount of work: on the
wall clock a night's turn would last 7 or 9 of them when clocks change, and a turn of one hour would vanish or double.
The price is that such handoffs move by an hour on the wall clock twice a year; a layer that must hand off at the same
local time has days and restrictions.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Literal
from zoneinfo import ZoneInfo

from app import hours
from app.errors import Invalid
from app.hours import Span, Week

Unit = Literal["hour", "day", "week", "month"]

_SECONDS = {"hour": 3600, "day": 86_400, "week": 604_800, "month": 0}


@dataclass(frozen=True, slots=True)
class OnCall:
    """One user who is on call, and why: by a layer or by an override, exactly one of the two ids is set."""

    user_id: int
    layer_id: int | None
    override_id: int | None
    because: str


@dataclass(frozen=True, slots=True)
class Layer:
    """One repeating pattern: from its anchor on, `members` take turns of `length` units each.

    `anchor` is the naive local date and time of the first handoff, in the schedule's zone; before it, and outside the
    UTC bounds `[starts_at, ends_at)`, the layer covers nothing; the count of turns begins at the anchor all the same.
    `members` has one entry per turn: the user ids on call together; `()` and `(None,)` are nobody, then lower layers
    show through. `restrictions` are the only hours covered, cut out after the turns are decided; empty: all.
    Raises `Invalid`.
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
    turns: tuple[tuple[OnCall, ...], ...] = field(init=False, repr=False, compare=False)
    week: Week = field(init=False, repr=False, compare=False)
    anchor_wall: int = field(init=False, repr=False, compare=False)
    turn_seconds: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        self._check()
        because = f"layer {self.name}"
        turns = tuple(
            tuple(OnCall(user, self.id, None, because) for user in dict.fromkeys(turn) if user is not None)
            for turn in self.members
        )
        for bound in ("starts_at", "ends_at"):
            if (at := getattr(self, bound)) is not None:
                object.__setattr__(self, bound, at.astimezone(UTC))
        object.__setattr__(self, "turns", turns)
        object.__setattr__(self, "week", hours.week(self.restrictions))
        object.__setattr__(self, "anchor_wall", hours.wall_second(self.anchor))
        object.__setattr__(self, "turn_seconds", _SECONDS[self.unit] * self.length)

    def _check(self) -> None:
        if self.unit not in _SECONDS:
            raise Invalid(f"a turn is counted in {', '.join(_SECONDS)}, not {self.unit!r}", layer=self.name)
        if self.length < 1:
            raise Invalid("a turn lasts at least one unit", layer=self.name)
        if self.anchor.tzinfo is not None or self.anchor.microsecond:
            raise Invalid("the anchor is local time in whole seconds, without a zone of its own", layer=self.name)
        if any(bound is not None and bound.tzinfo is None for bound in (self.starts_at, self.ends_at)):
            raise Invalid("the start and the end of a layer are instants with a zone", layer=self.name)


def turn(layer: Layer, zone: ZoneInfo, second: int, wall: int) -> int:
    """The number of the turn that runs at `second` (`hours.utc_second`), when the clocks of `zone` have reached the
    wall second `wall` (`hours.reached`); negative before the anchor."""
    if layer.unit == "hour":
        return (second - _anchor_second(layer.anchor, zone)) // layer.turn_seconds
    if layer.unit != "month":
        return (wall - layer.anchor_wall) // layer.turn_seconds
    day = hours.wall_time(wall)
    months = (day.year - layer.anchor.year) * 12 + day.month - layer.anchor.month
    k, rest = divmod(months, layer.length)
    return k if rest or _month_wall(layer, k) <= wall else k - 1


def turn_start(layer: Layer, zone: ZoneInfo, k: int) -> datetime:
    """The handoff (UTC) at which turn `k` begins; it ends where turn `k + 1` begins."""
    if layer.unit == "hour":
        return datetime.fromtimestamp(_anchor_second(layer.anchor, zone) + k * layer.turn_seconds, UTC)
    wall = _month_wall(layer, k) if layer.unit == "month" else layer.anchor_wall + k * layer.turn_seconds
    return hours.wall_instant(wall, zone)


def covering(layer: Layer, zone: ZoneInfo, at: datetime, second: int, wall: int) -> tuple[OnCall, ...]:
    """Who is on call by this layer alone at `at`; `second` and `wall` are that instant as `turn` takes it."""
    if layer.starts_at is not None and at < layer.starts_at:
        return ()
    if layer.ends_at is not None and at >= layer.ends_at:
        return ()
    if not layer.turns or not layer.week.is_open(wall):
        return ()
    k = turn(layer, zone, second, wall)
    return layer.turns[k % len(layer.turns)] if k >= 0 else ()


def changes(layer: Layer, zone: ZoneInfo, t0: datetime, t1: datetime) -> Iterator[datetime]:
    """Every instant after `t0` and up to `t1` at which `covering` changes; unsorted, and some at which it does not."""
    first, last = (turn(layer, zone, second, hours.reached(second, zone)) for second in map(hours.utc_second, (t0, t1)))
    if len(layer.turns) > 1:
        yield from (turn_start(layer, zone, k) for k in range(max(0, first + 1), last + 1))
    elif first < 0 <= last:
        yield turn_start(layer, zone, 0)
    yield from layer.week.edges(zone, t0, t1)
    yield from (bound for bound in (layer.starts_at, layer.ends_at) if bound is not None)


@lru_cache(maxsize=4096)
def _anchor_second(anchor: datetime, zone: ZoneInfo) -> int:
    return hours.utc_second(hours.instant(anchor, zone))


def _month_wall(layer: Layer, k: int) -> int:
    months = layer.anchor.year * 12 + layer.anchor.month - 1 + k * layer.length
    year, month = divmod(months, 12)
    day = min(layer.anchor.day, monthrange(year, month + 1)[1]) if layer.anchor.day > 28 else layer.anchor.day
    return hours.wall_second(layer.anchor.replace(year=year, month=month + 1, day=day))

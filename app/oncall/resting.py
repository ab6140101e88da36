"""Turns that go to whoever is longest rested. Pure; decision 0014 says why it is done so.

Before any override, whoever is longest rested is whoever comes next in the rotation: each turn takes the head of a
queue, which then goes to its end. Only overrides change that: whoever took a turn goes to the end, whoever was spared
one keeps their place. So the queue is known after every turn that an override touches, and in between it is counted,
not stepped: the work grows with the overrides since the anchor, not with the turns.

What counts is what was so while it was so: an override from when it was made on. So a turn is decided by what was known
when it began, and the past stays what it was.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from app import hours
from app.oncall.layers import Layer, Queue, counted
from app.oncall.places import Override, overridden


def with_queues(layer: Layer, zone: ZoneInfo, overrides: Sequence[Override]) -> Layer:
    """The layer with the queues of its turns, given all overrides since its anchor; `zone`: the schedule's."""
    if layer.order != "rested" or len(layer.turns) < 2:
        return layer
    zone = layer.where or zone
    known = [o for override in overrides if (o := _as_known(override)) is not None]
    queues = [Queue(0, tuple(range(len(layer.turns))), (None,) * len(layer.turns))]
    for k in sorted({k for override in known for k in _touched(layer, zone, override)}):
        queues.append(_after(layer, zone, queues[-1], k, known))
    return replace(layer, queues=tuple(queues))


def _as_known(override: Override) -> Override | None:
    """Without the time before it was made."""
    starts_at = max(override.starts_at, override.made_at or override.starts_at)
    return replace(override, starts_at=starts_at) if starts_at < override.ends_at else None


def _touched(layer: Layer, zone: ZoneInfo, override: Override) -> range:
    first, last = (_turn_at(layer, zone, at) for at in (override.starts_at, override.ends_at))
    if last >= 0 and layer.rotation.start(zone, last) == override.ends_at:
        last -= 1
    return range(max(first, 0), last + 1)


def _turn_at(layer: Layer, zone: ZoneInfo, at: datetime) -> int:
    second = hours.utc_second(at)
    return layer.rotation.turn(zone, second, hours.reached(second, zone))


def _after(layer: Layer, zone: ZoneInfo, queue: Queue, k: int, overrides: Sequence[Override]) -> Queue:
    """The queue after turn `k`, which overrides touch."""
    number, following = counted(layer, zone, k), counted(layer, zone, k + 1)
    current, since = _queue_at(layer, zone, queue, number)
    holder = current[0] if following > number else None
    worked = _worked(layer, zone, k, holder, overrides)
    had = {
        i: max(worked[e.user_id] for e in turn if e.user_id in worked)
        for i, turn in enumerate(layer.turns)
        if any(e.user_id in worked for e in turn)
    }
    if holder is not None and not layer.turns[holder]:  # a turn of nobody is over like any other
        had[holder] = layer.rotation.start(zone, k + 1)
    order = [i for i in current if i not in had] + sorted((i for i in current if i in had), key=lambda i: had[i])
    return Queue(following, tuple(order), tuple(had.get(i, since[i]) for i in range(len(since))))


def _queue_at(
    layer: Layer, zone: ZoneInfo, queue: Queue, number: int
) -> tuple[tuple[int, ...], tuple[datetime | None, ...]]:
    """The order, the head first, before counted turn `number`, and since when each has rested."""
    size, past = len(queue.order), number - queue.first
    shift = past % size
    since = list(queue.rested_since)
    for place, i in enumerate(queue.order):
        if place < past:
            since[i] = _ended(layer, zone, number - 1 - (past - 1 - place) % size)
    return queue.order[shift:] + queue.order[:shift], tuple(since)


def _ended(layer: Layer, zone: ZoneInfo, number: int) -> datetime:
    """When the layer's time in this counted turn was over."""
    k = _real(layer, zone, number)
    start, end = layer.rotation.start(zone, k), layer.rotation.start(zone, k + 1)
    if not layer.restrictions or layer.week.is_open(hours.reached(hours.utc_second(end) - 1, zone)):
        return end
    return max((edge for edge in layer.week.edges(zone, start, end) if edge < end), default=end)


def _real(layer: Layer, zone: ZoneInfo, number: int) -> int:
    """The turn that is this counted one."""
    low, high = number, max(number, 1)
    while counted(layer, zone, high + 1) <= number:
        low, high = high, 2 * high
    while low < high:
        middle = (low + high) // 2
        if counted(layer, zone, middle + 1) > number:
            high = middle
        else:
            low = middle + 1
    return low


def _worked(
    layer: Layer, zone: ZoneInfo, k: int, holder: int | None, overrides: Iterable[Override]
) -> dict[int, datetime]:
    """By user, until when they were on call in turn `k`, by the layer or by an override."""
    start, end = layer.rotation.start(zone, k), layer.rotation.start(zone, k + 1)
    active = [o for o in overrides if o.starts_at < end and o.ends_at > start]
    marks = {start, end} | {at for o in active for at in (o.starts_at, o.ends_at) if start < at < end}
    marks |= {at for at in layer.week.edges(zone, start, end) if start < at < end}
    own = layer.turns[holder] if holder is not None else ()
    worked: dict[int, datetime] = {}
    for first, last in pairwise(sorted(marks)):
        now = [o for o in active if o.starts_at <= first < o.ends_at]
        is_open = layer.week.is_open(hours.reached(hours.utc_second(first), zone))
        worked |= {entry.user_id: last for entry in overridden(own if is_open else (), now)}
    return worked


@dataclass(frozen=True, slots=True)
class Rested:
    """The people of one turn, and when they were last on call before the turn that runs; None: never."""

    user_ids: tuple[int, ...]
    since: datetime | None


def explained(layer: Layer, zone: ZoneInfo, at: datetime) -> tuple[datetime, list[Rested]] | None:
    """When the turn began that runs at `at`, and everybody's rest then, whoever has the turn first; None for a layer
    whose turns go by rotation, before it begins, and for a turn that covers nothing. `layer`: of a `Schedule.stack`."""
    if not layer.queues:
        return None
    zone = layer.where or zone
    k = _turn_at(layer, zone, at)
    if k < 0:
        return None
    number = counted(layer, zone, k)
    if counted(layer, zone, k + 1) == number:
        return None
    queue = next(q for q in reversed(layer.queues) if q.first <= number)
    order, since = _queue_at(layer, zone, queue, number)
    people = [Rested(tuple(entry.user_id for entry in layer.turns[i]), since[i]) for i in order]
    return layer.rotation.start(zone, k), people


def said(began: datetime, rested: Sequence[Rested], names: Mapping[int, str]) -> str:
    """`Cho: last on call 21 days ago; Ben 14, Ana 7`, as it was when the turn began."""
    told = []
    for n, one in enumerate(rested):
        who = " and ".join(names.get(user, "somebody who was removed") for user in one.user_ids) or "nobody"
        days = None if one.since is None else (began - one.since) // timedelta(days=1)
        if n == 0:
            ago = "never on call before" if days is None else f"last on call {days} day{'s' * (days != 1)} ago"
            told.append(f"{who}: {ago}")
        else:
            told.append(f"{who} {'never' if days is None else days}")
    return "; ".join(filter(None, [told[0], ", ".join(told[1:])]))

"""Versions of a schedule: what each says, for the time it is in force. Pure.

Whoever computes over a window gets the layers of every version that is in force in it, each bounded to its time. So an
edit changes nothing before it takes effect, and "who was on call on 3 March at 02:30" is answered by the version that
was in force then.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from app import hours
from app.oncall.given import Calendars, filled
from app.oncall.layers import Layer, shifted
from app.oncall.schedule_document import AnyLayer, CalendarLayerDocument, LayerDocument, ScheduleDocument

REMOVED = "removed"
BELOW = 100
"""So much lower than its own are the layers of the schedule that it is like."""


@dataclass(frozen=True, slots=True)
class Version:
    """What a schedule says during `[starts_at, ends_at)`; None: since ever, for ever. `like`: the id of the schedule
    whose layers, everybody `like_turns` turns on, lie under its own. `key`: the schedule's."""

    schedule_id: int
    key: str
    number: int
    zone: str
    layers: tuple[Layer, ...]
    like: int | None = None
    like_turns: int = 0
    starts_at: datetime | None = None
    ends_at: datetime | None = None


def laid(versions: Iterable[Version], others: Mapping[int, Sequence[Version]]) -> tuple[Layer, ...]:
    """The layers of these versions of one schedule, bounded; `others`: the versions of schedules they are like."""
    return tuple(layer for version in versions for layer in _of(version, others))


def _of(version: Version, others: Mapping[int, Sequence[Version]]) -> Iterator[Layer]:
    for other in others.get(version.like, ()) if version.like is not None else ():
        for layer in other.layers:
            named = replace(shifted(layer, version.like_turns), name=f"{layer.name} of {other.key}")
            below = replace(named, id=layer.id - BELOW, position=layer.position - BELOW, zone=layer.zone or other.zone)
            yield _bounded(below, other, version)
    for layer in version.layers:
        yield _bounded(layer if layer.zone else replace(layer, zone=version.zone), version)


def _bounded(layer: Layer, *versions: Version) -> Layer:
    """Counting only while all of the versions are in force."""
    bounds: tuple[Layer | Version, ...] = (layer, *versions)
    starts_at = max((b.starts_at for b in bounds if b.starts_at is not None), default=None)
    ends_at = min((b.ends_at for b in bounds if b.ends_at is not None), default=None)
    same = (layer.starts_at, layer.ends_at) == (starts_at, ends_at)
    return layer if same else replace(layer, starts_at=starts_at, ends_at=ends_at)


def decided_since(layers: Iterable[Layer]) -> datetime | None:
    """Since when overrides decide turns: the earliest anchor of a layer whose turns go by rest; None: there is none."""
    anchors = [layer.anchor.replace(tzinfo=UTC) - timedelta(days=1) for layer in layers if layer.order == "rested"]
    return min(anchors, default=None)


def drafted(
    document: ScheduleDocument,
    users: Mapping[str, int],
    schedule_id: int,
    like: int | None,
    starts_at: datetime | None,
    calendars: Mapping[str, int] = {},
    held: Calendars = ({}, {}),
) -> Version:
    """A version that nobody has saved. `users`: the ids of all members; `like`: that of the schedule it is like;
    `calendars`: those of all that its layers name, `held`: what those hold."""
    zone, turns = document.time_zone, document.like.turns if document.like else 0
    stored = [stored_layer(layer, users, calendars) for layer in document.layers]
    layers = tuple(layer_of(layer, n, zone, held) for n, layer in enumerate(stored, start=1))
    return Version(schedule_id, document.key, 0, zone, layers, like, turns, starts_at)


def followed(versions: Iterable[Version], by: Version) -> list[Version]:
    """The versions up to where `by` begins, then that one for ever."""
    at = by.starts_at
    if at is None:
        return [by]
    earlier = [v for v in versions if v.starts_at is None or v.starts_at < at]
    return [replace(v, ends_at=min(v.ends_at or at, at)) for v in earlier] + [by]


def layer_of(stored: Mapping[str, Any], position: int, zone: str, calendars: Calendars = ({}, {})) -> Layer:
    """From a layer as a version stores it: a document with the ids of users and calendars in place of keys. `zone`: the
    version's."""
    layer = Layer(
        id=position,
        name=stored["name"],
        position=position,
        unit=stored.get("unit", "hour"),
        length=stored.get("length", 1),
        anchor=datetime.fromisoformat(stored.get("anchor", "1970-01-01T00:00")),
        members=tuple(tuple(turn) for turn in stored["members"]),
        restrictions=hours.parse_spans(stored["restrictions"]),
        starts_at=_instant(stored.get("starts_at")),
        ends_at=_instant(stored.get("ends_at")),
        handoffs=tuple(hours.week_minute(f"{h['day']} {h['at']}") for h in stored.get("handoffs", ())),
        mode=stored.get("mode", "replace"),
        skips_uncovered=stored.get("uncovered_turns", "pass") == "skip",
        zone=stored.get("time_zone") or zone,
        order=stored.get("order", "rotation"),
    )
    return filled(layer, stored, calendars)


def _instant(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def stored_layer(layer: AnyLayer, users: Mapping[str, int], calendars: Mapping[str, int] = {}) -> dict[str, Any]:
    """A layer as a version stores it. `users` has the ids of all members, `calendars` those of all that it names."""
    members = [[users[key] for key in turn] for turn in layer.members]
    found = layer.model_dump(mode="json", exclude_none=True) | {"members": members}
    if isinstance(layer, CalendarLayerDocument):
        found["calendar"] = calendars[layer.calendar]
    if layer.holidays is not None:
        found["holidays"] = {"calendar": calendars[layer.holidays.calendar], "counts": layer.holidays.counts}
    return found


def layer_document(
    stored: Mapping[str, Any],
    users: Mapping[int, str],
    calendars: Mapping[int, str] = {},
) -> AnyLayer:
    """A stored layer by keys again; `users` and `calendars` by id. Which user is not among them is left out; a calendar
    that there is no more is called `removed`."""
    found = dict(stored)
    members = [[users[user] for user in turn if user in users] for turn in found.pop("members")]
    if (told := found.get("holidays")) is not None:
        found["holidays"] = told | {"calendar": calendars.get(told["calendar"], REMOVED)}
    if (calendar := found.get("calendar")) is not None:
        return CalendarLayerDocument.model_validate(found | {"calendar": calendars.get(calendar, REMOVED)})
    return LayerDocument.model_validate(found | {"members": members})

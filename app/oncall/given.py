"""Layers whose shifts a calendar gives, and days that a calendar tells apart, out of what is kept of it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any, Protocol

from app import hours
from app.oncall.layers import Given, Holidays, Layer


class Entry(Protocol):
    """`user_id` None: somebody is named, as `said`, whom nobody knows."""

    @property
    def starts_at(self) -> datetime: ...
    @property
    def ends_at(self) -> datetime: ...
    @property
    def user_id(self) -> int | None: ...
    @property
    def said(self) -> str: ...


Calendars = tuple[Mapping[int, Sequence[Any]], Mapping[int, Mapping[date, str]]]
"""By calendar id the entries of a window, and the holidays."""


def given(entries: Iterable[Entry]) -> tuple[Given, tuple[tuple[int, ...], ...]]:
    """The shifts of a calendar and the turns of a layer that takes them. Who is named together is on call together."""
    entries = list(entries)
    known = [entry for entry in entries if entry.user_id is not None]
    unknown = ((e.starts_at, e.ends_at, e.said) for e in entries if e.user_id is None)
    starting: dict[datetime, list[int]] = {}
    ending: dict[datetime, list[int]] = {}
    for entry in known:
        starting.setdefault(entry.starts_at, []).append(entry.user_id or 0)
        ending.setdefault(entry.ends_at, []).append(entry.user_id or 0)
    running: list[int] = []
    marks: list[datetime] = []
    turns: list[tuple[int, ...]] = []
    for mark in sorted(starting.keys() | ending.keys()):
        for user in ending.get(mark, ()):
            running.remove(user)
        running += starting.get(mark, ())
        turn = tuple(sorted(set(running)))
        if not turns or turns[-1] != turn:
            marks.append(mark)
            turns.append(turn)
    return Given(tuple(marks), tuple(sorted(set(unknown)))), tuple(turns)


def filled(layer: Layer, stored: Mapping[str, Any], calendars: Calendars) -> Layer:
    """The layer with what its calendars hold. `stored`: as a version stores it, calendars by id."""
    entries, days = calendars
    told = stored.get("holidays")
    if told is not None:
        off = frozenset(_wall(day) for day in days.get(told["calendar"], {}))
        layer = replace(layer, holidays=Holidays(off, told["counts"] == "only"))
    if (calendar := stored.get("calendar")) is not None:
        shifts, members = given(list(entries.get(calendar, ())))
        layer = replace(layer, given=shifts, members=members)
    return layer


@dataclass(frozen=True, slots=True)
class Unknown:
    """The calendar of a layer names somebody during `[starts_at, ends_at)`, as `said`, whom nobody knows."""

    layer: str
    starts_at: datetime
    ends_at: datetime
    said: str


def unknown(layers: Iterable[Layer], t0: datetime, t1: datetime) -> list[Unknown]:
    """Within `[t0, t1)` and while the layers count, by their start. Lower layers show through meanwhile."""
    found = set()
    for layer in layers:
        first, end = max(t0, layer.starts_at or t0), min(t1, layer.ends_at or t1)
        for starts_at, ends_at, said in layer.given.unknown if layer.given else ():
            if max(first, starts_at) < min(end, ends_at):
                found.add((max(first, starts_at), min(end, ends_at), layer.name, said))
    return [Unknown(name, start, end, said) for start, end, name, said in sorted(found)]


def _wall(day: date) -> int:
    return hours.wall_second(datetime(day.year, day.month, day.day))


def named(stored: Iterable[Mapping[str, Any]]) -> tuple[set[int], set[int]]:
    """The ids of calendars whose shifts, and of those whose days, these stored layers take."""
    layers = list(stored)
    shifts = {layer["calendar"] for layer in layers if layer.get("calendar") is not None}
    return shifts, {layer["holidays"]["calendar"] for layer in layers if layer.get("holidays") is not None}

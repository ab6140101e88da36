"""A schedule as its screen draws and lists it: bands of boxes, and the same facts as sentences. Pure.

Boxes lie by percent of the axis, since screens may have no style of their own; each leads to its line in a list below,
which says in words who, from when, to when and why.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from app.oncall.intervals import Interval
from app.oncall.override_store import StoredOverride
from app.oncall.rows import Rows
from app.oncall.shifts import Shift
from app.oncall.swap_store import StoredSwap
from app.web.api.on_call_answers import Names, Person, person
from app.web.screens.taking import Preset, presets
from app.web.screens.time_axis import Axis, lanes, percent

COLOURS: Final = 8
LANE: Final = 34
"""Height of a box and its margin, in px."""
OFFERED: Final = 40
"""So many shifts at most can be taken over from one screen; of more one looks at a shorter period."""


@dataclass(frozen=True, slots=True)
class Line:
    """One shift, gap or override in a list. `user` None: nobody. `starts_at`, `ends_at` None: beyond what was looked
    at. `swap`: an open one that asks for it."""

    anchor: str
    user: Person | None
    colour: str
    starts_at: datetime | None
    ends_at: datetime | None
    because: str
    state: Literal["over", "running", "coming"]
    mine: bool = False
    swap: StoredSwap | None = None
    override: StoredOverride | None = None
    presets: tuple[Preset, ...] = ()

    @property
    def name(self) -> str:
        return self.user.name if self.user else "Nobody"


@dataclass(frozen=True, slots=True)
class Box:
    """Where a line lies: x and width in percent, y in px."""

    line: Line
    x: str
    width: str
    y: int


@dataclass(frozen=True, slots=True)
class Band:
    """One row of the drawing, and the list that says the same."""

    name: str
    kind: Literal["final", "overrides", "layer", "shadows"]
    lines: tuple[Line, ...]
    boxes: tuple[Box, ...]
    height: int


@dataclass(frozen=True, slots=True)
class Seen:
    """Who looks, and when. `names`: of users by id; `keys`: of users by key."""

    now: datetime
    axis: Axis
    names: Names
    keys: Mapping[str, str]
    user_key: str | None
    may: bool
    """Whether the reader may make overrides."""


def bands(found: Rows, overrides: Sequence[StoredOverride], swaps: Sequence[StoredSwap], seen: Seen) -> list[Band]:
    """From what counts in the end down to the lowest layer; without rows that have nothing."""
    drawn = [_band("On call", "final", _final(found, overrides, swaps, seen), seen)]
    if overrides:
        drawn.append(_band("Overrides", "overrides", _overrides(overrides, seen), seen))
    for n, row in enumerate(found.layers):
        drawn.append(_band(row.name, "layer", _plain(row.shifts, found, seen, f"layer-{n}"), seen))
    if found.shadows:
        drawn.append(_band("Looking on", "shadows", _plain(found.shadows, found, seen, "shadow"), seen))
    return drawn


def _band(name: str, kind: Literal["final", "overrides", "layer", "shadows"], lines: list[Line], seen: Seen) -> Band:
    spans = [(line.starts_at or seen.axis.t0, line.ends_at or seen.axis.t1) for line in lines]
    tracks = lanes(spans)
    boxes = [_box(line, span, lane, seen.axis) for line, span, lane in zip(lines, spans, tracks, strict=True)]
    return Band(name, kind, tuple(lines), tuple(boxes), LANE * (max(tracks, default=0) + 1))


def _box(line: Line, span: Interval, lane: int, axis: Axis) -> Box:
    x = axis.share(span[0])
    return Box(line, percent(x), percent(axis.share(span[1]) - x), lane * LANE)


def _final(found: Rows, overrides: Sequence[StoredOverride], swaps: Sequence[StoredSwap], seen: Seen) -> list[Line]:
    by_id = {override.id: override for override in overrides}
    parts: list[tuple[Interval, Shift | None]] = [((shift.starts_at, shift.ends_at), shift) for shift in found.final]
    parts += [(gap, None) for gap in found.gaps]
    lines, left = [], OFFERED
    for n, (span, shift) in enumerate(sorted(parts, key=lambda part: part[0])):
        line = _line(f"shift-{n}", span, shift, found, seen)
        override = by_id.get(shift.override_id or 0) if shift else None
        swap = _asked(line.user, span, swaps)
        offered: list[Preset] = []
        if seen.may and line.state != "over" and left:
            offered, left = presets(seen.now, span[0], line.ends_at, seen.axis.zone), left - 1
        lines.append(_with(line, override, swap, tuple(offered), seen))
    return lines


def _with(
    line: Line, override: StoredOverride | None, swap: StoredSwap | None, offered: tuple[Preset, ...], seen: Seen
) -> Line:
    because = line.because if override is None else override_words(override, seen.keys)
    return Line(
        line.anchor, line.user, line.colour, line.starts_at, line.ends_at, because, line.state, line.mine, swap,
        override, offered,
    )  # fmt: skip


def _line(anchor: str, span: Interval, shift: Shift | None, found: Rows, seen: Seen) -> Line:
    user = None if shift is None else person(shift.user_id, seen.names)
    return Line(
        anchor,
        user,
        "gap" if shift is None else colour(shift.user_id),
        None if found.is_open(span[0]) else span[0],
        None if found.is_open(span[1]) else span[1],
        "a gap" if shift is None else shift.because,
        _state(span, seen.now),
        user is not None and user.key == seen.user_key,
    )


def _state(span: Interval, now: datetime) -> Literal["over", "running", "coming"]:
    if span[1] <= now:
        return "over"
    return "coming" if span[0] > now else "running"


def _plain(shifts: Iterable[Shift], found: Rows, seen: Seen, anchor: str) -> list[Line]:
    return [
        _line(f"{anchor}-{n}", (shift.starts_at, shift.ends_at), shift, found, seen) for n, shift in enumerate(shifts)
    ]


def _overrides(overrides: Sequence[StoredOverride], seen: Seen) -> list[Line]:
    ids = {key: user_id for user_id, (key, _) in seen.names.items()}
    return [
        Line(
            f"override-{override.id}",
            Person(key=override.user, name=seen.keys.get(override.user, override.user)) if override.user else None,
            colour(ids.get(override.user, 0)) if override.user else "gap",
            override.starts_at,
            override.ends_at,
            override_words(override, seen.keys),
            _state((override.starts_at, override.ends_at), seen.now),
            override=override,
        )
        for override in sorted(overrides, key=lambda o: (o.starts_at, o.id))
    ]


def _asked(user: Person | None, span: Interval, swaps: Sequence[StoredSwap]) -> StoredSwap | None:
    """The open swap in which this person asks for somebody to take this shift, or a part of it."""
    if user is None:
        return None
    return next((s for s in swaps if s.user == user.key and s.starts_at < span[1] and s.ends_at > span[0]), None)


def override_words(override: StoredOverride, names: Mapping[str, str]) -> str:
    """What an override does, and because of what."""
    by = f"swap {override.swap}" if override.swap else f"override {override.id}"
    if override.kind == "add":
        return f"in addition, by {by}"
    of = names.get(override.replaces, override.replaces) if override.replaces else "everybody"
    return f"in place of {of}, by {by}"


def colour(user_id: int) -> str:
    """A person has the same colour on every screen; never the only thing that tells people apart."""
    return f"who{user_id % COLOURS}"

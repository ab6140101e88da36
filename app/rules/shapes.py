"""The parts of a JSON value that expressions read, so that no more of it is handed to the library than they need.

What is missing or null is an empty text, an empty list where it is looped over: expressions need not ask whether it is
there. Texts are cut to 4,096 characters, lists and objects to their first 100 entries.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from app.rules.facts import TAG_LIMIT, clean

Step = str | int
Path = tuple[Step, ...]
"""`("event", "tags", 0, "name")`; the first step is the name of a variable."""

EACH: Final = -1
"""The step to every entry of a list."""
_DEPTH = 2
_INTEGERS = 1 << 63


@dataclass(slots=True)
class Shape:
    """What is read of one value: members by name, entries by index or all of them, or the value itself (`whole`).
    `looped`: it is looked through as a list."""

    members: dict[str, Shape] = field(default_factory=dict)
    entries: dict[int, Shape] = field(default_factory=dict)
    whole: bool = False
    looped: bool = False

    def add(self, path: Path, *, looped: bool = False) -> None:
        """Adds what one path reads."""
        if not path:
            self.looped = self.looped or looped
            self.whole = self.whole or not looped
            return
        step, rest = path[0], path[1:]
        children: dict[Any, Shape] = self.members if isinstance(step, str) else self.entries
        children.setdefault(step, Shape()).add(rest, looped=looped)

    def ambiguous(self, at: Path = ()) -> Iterator[Path]:
        """Members that are read of what is looked at as a value, too: when it is missing it cannot be both empty and
        have them."""
        as_value = self.whole or self.looped
        children: list[tuple[Step, Shape]] = [*self.members.items(), *self.entries.items()]
        for step, shape in children:
            if as_value and step != EACH:
                yield (*at, step)
            yield from shape.ambiguous((*at, step))

    def of(self, value: Any) -> Any:
        """The value with nothing in it that is not read, and everything that is."""
        if self.entries:
            return self._list(value)
        if self.members:
            return self._object(value)
        if value is None:
            return [] if self.looped else ""
        if self.looped and type(value) not in (list, dict):
            return [_plain(value, _DEPTH)]
        return _plain(value, _DEPTH)

    def _object(self, value: Any) -> Any:
        known = value if type(value) is dict else {}
        return {name: shape.of(known.get(name)) for name, shape in self.members.items()}

    def _list(self, value: Any) -> Any:
        if type(value) is dict:
            return _plain(value, _DEPTH)  # a loop over an object goes over the names of its members
        every, entries = self.entries.get(EACH), value if type(value) is list else []
        kept = [every.of(entry) if every else _plain(entry, _DEPTH) for entry in entries[:TAG_LIMIT]]
        for index, shape in self.entries.items():
            if index >= 0:
                kept += [""] * (index + 1 - len(kept))
                kept[index] = shape.of(entries[index] if index < len(entries) else None)
        return kept


def read(value: Any, path: Path) -> Any:
    """What is found there, as it is; None for what is missing."""
    for step in path:
        if isinstance(step, str):
            value = value.get(step) if type(value) is dict else None
        else:
            value = value[step] if type(value) is list and 0 <= step < len(value) else None
    return value


def text(path: Path) -> str:
    """As people write it: `event.tags[0]["the name"]`."""
    shown = ""
    for step in path:
        if step == EACH:
            shown += "[*]"
        elif isinstance(step, int):
            shown += f"[{step}]"
        elif step.isidentifier():
            shown += f".{step}" if shown else step
        else:
            shown += f'["{step}"]'
    return shown


def _plain(value: Any, depth: int) -> Any:
    if value is None:
        return ""
    if type(value) is str:
        return clean(value)
    if type(value) is int:
        return value if -_INTEGERS <= value < _INTEGERS else str(value)
    if type(value) is list:
        return [_plain(entry, depth - 1) for entry in value[:TAG_LIMIT]] if depth else ""
    if type(value) is dict:
        first = list(value.items())[:TAG_LIMIT]
        return {clean(name): _plain(member, depth - 1) for name, member in first} if depth else ""
    return value

"""The language of message templates: text with named values in braces, nothing that runs. Pure.

    P{priority} #{number} {title} on {labels.instance|default "some host"}{labels.zone|before " in "}

A name is one of those that the place allows, `labels.<name>` or `annotations.<name>`. Behind it come filters,
each after a bar: `truncate N`, `default "text"`, `upper`, `lower`, and `before "text"` and `after "text"`, which add a
text where there is a value. What is absent is empty. `{{` and `}}` are braces. A text in quotes
knows \\n, \\" and \\\\.

What a value says is never looked at again. Text, values and result are bounded, so that rendering takes a time that
is bounded too; a template that was parsed can be rendered with whatever values there are.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from app.errors import Invalid

LONGEST: Final = 4000
"""Characters of a template."""
LONGEST_VALUE: Final = 2000
"""So much of a value is used."""
MOST_PLACES: Final = 60
MOST_FILTERS: Final = 5
TABLES: Final = ("labels", "annotations")

_TOKEN: Final = re.compile(r"\{\{|\}\}|\{|\}")
_NAME: Final = re.compile(r"[a-z_]+(?:\.[^\s{}|\"]{1,200})?")
_FILTER: Final = re.compile(r"([a-z]+)(?:\s+(?:(\d{1,4})|\"((?:[^\"\\]|\\.)*)\"))?", re.DOTALL)
_ESCAPES: Final = {"n": "\n", '"': '"', "\\": "\\"}

_WITH_TEXT: Final[Mapping[str, Callable[[str, str], str]]] = {
    "default": lambda value, text: value or text,
    "before": lambda value, text: text + value if value else "",
    "after": lambda value, text: value + text if value else "",
}
_BARE: Final[Mapping[str, Callable[[str], str]]] = {"upper": str.upper, "lower": str.lower}
FILTERS: Final = ("truncate", *_WITH_TEXT, *_BARE)


@dataclass(frozen=True, slots=True)
class Filter:
    """`number` is of `truncate`, `text` of those that have one."""

    name: str
    number: int = 0
    text: str = ""

    def of(self, value: str) -> str:
        if self.name == "truncate":
            return cut(value, self.number)
        if self.name in _WITH_TEXT:
            return _WITH_TEXT[self.name](value, self.text)
        return _BARE[self.name](value)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value goes. `at`: where it stands in the template, counted from 0."""

    name: str
    filters: tuple[Filter, ...]
    at: int

    @property
    def has_default(self) -> bool:
        """What is absent is provided for: by a text in its place, or by leaving out what goes with it."""
        return any(f.name in _WITH_TEXT for f in self.filters)


@dataclass(frozen=True)
class Template:
    """A template that was parsed."""

    parts: tuple[str | Place, ...]

    @property
    def places(self) -> list[Place]:
        return [part for part in self.parts if isinstance(part, Place)]

    @cached_property
    def names(self) -> frozenset[str]:
        """`labels.instance` as it is written; see `roots` for what has to be known."""
        return frozenset(place.name for place in self.places)

    @cached_property
    def roots(self) -> frozenset[str]:
        return frozenset(name.partition(".")[0] for name in self.names)

    @property
    def own(self) -> str:
        """What it says itself, texts of filters included, a line for each."""
        texts = [f.text for place in self.places for f in place.filters if f.text]
        return "\n".join([*(part for part in self.parts if isinstance(part, str)), *texts])

    def render(self, values: Callable[[str], str], most: int) -> str:
        """At most `most` characters. `values`: of a name; never raises for what is absent, which is empty."""
        said: list[str] = []
        room = most + 1
        for part in self.parts:
            said.append(part if isinstance(part, str) else _filled(part, values))
            room -= len(said[-1])
            if room <= 0:
                break
        return cut("".join(said), most)


def cut(text: str, most: int) -> str:
    """At most so many characters, the last of them an ellipsis where something is left out."""
    return text if len(text) <= most else f"{text[: max(most - 1, 0)]}…"[:most]


def _filled(place: Place, values: Callable[[str], str]) -> str:
    value = values(place.name)[:LONGEST_VALUE]
    for one in place.filters:
        value = one.of(value)
    return value


def parse(text: str, names: Collection[str], refused: Mapping[str, str] | None = None) -> Template:
    """Raises `Invalid` that says where what is wrong stands. `names`: those that the place allows, without the tables'.
    `refused`: names that one may look for, and why they are none."""
    if len(text) > LONGEST:
        raise _wrong(text, LONGEST, f"a template has {LONGEST} characters at most")
    parts: list[str | Place] = []
    at = 0
    while (found := _TOKEN.search(text, at)) is not None:
        _add(parts, text[at : found.start()])
        at = found.end()
        if found[0] in ("{{", "}}"):
            _add(parts, found[0][0])
        elif found[0] == "}":
            raise _wrong(text, found.start(), "this brace closes nothing; write }} for a brace")
        else:
            place, at = _place(text, found.start(), names, refused or {})
            parts.append(place)
    _add(parts, text[at:])
    if sum(isinstance(part, Place) for part in parts) > MOST_PLACES:
        raise _wrong(text, 0, f"a template has {MOST_PLACES} values at most")
    return Template(tuple(parts))


def _add(parts: list[str | Place], text: str) -> None:
    """Neighbouring texts are one."""
    if text and parts and isinstance(parts[-1], str):
        parts[-1] += text
    elif text:
        parts.append(text)


def _place(text: str, start: int, names: Collection[str], refused: Mapping[str, str]) -> tuple[Place, int]:
    """The place whose brace opens at `start`, and where the text goes on."""
    name = _NAME.match(text, _blank(text, start + 1))
    if name is None:
        raise _wrong(text, start, "a name is expected after the brace, like {title}; write {{ for a brace")
    _check(text, name, names, refused)
    at, filters = _blank(text, name.end()), []
    while text[at : at + 1] == "|":
        one = _FILTER.match(text, _blank(text, at + 1))
        if one is None:
            raise _wrong(text, at, f"a filter is expected after the bar: {', '.join(FILTERS)}")
        filters.append(_filter(text, one))
        at = _blank(text, one.end())
    if text[at : at + 1] != "}":
        raise _wrong(text, at, f"the brace of {{{name[0]}}} is not closed here")
    if len(filters) > MOST_FILTERS:
        raise _wrong(text, start, f"a value has {MOST_FILTERS} filters at most")
    return Place(name[0], tuple(filters), start), at + 1


def _check(text: str, name: re.Match[str], names: Collection[str], refused: Mapping[str, str]) -> None:
    root, dot, _ = name[0].partition(".")
    if name[0] in refused:
        raise _wrong(text, name.start(), f"{{{name[0]}}} {refused[name[0]]}")
    if (root in TABLES) != bool(dot) or (not dot and name[0] not in names):
        known = ", ".join([*sorted(names), "labels.<name>", "annotations.<name>"])
        raise _wrong(text, name.start(), f"there is no {{{name[0]}}} here; there are {known}")


def _filter(text: str, found: re.Match[str]) -> Filter:
    name, number, quoted = found[1], found[2], found[3]
    if name == "truncate":
        if number is None or not 1 <= int(number) <= LONGEST_VALUE:
            raise _wrong(text, found.start(), f"truncate takes a number from 1 to {LONGEST_VALUE}, like truncate 40")
        return Filter(name, number=int(number))
    if name in _WITH_TEXT:
        if quoted is None:
            raise _wrong(text, found.start(), f'{name} takes a text in quotes, like {name} "none"')
        return Filter(name, text=re.sub(r"\\(.)", lambda m: _ESCAPES.get(m[1], m[0]), quoted, flags=re.DOTALL))
    if name not in _BARE:
        raise _wrong(text, found.start(), f"there is no filter {name}; there are {', '.join(FILTERS)}")
    if number is not None or quoted is not None:
        raise _wrong(text, found.start(), f"{name} takes nothing")
    return Filter(name)


def _blank(text: str, at: int) -> int:
    while text[at : at + 1] == " ":
        at += 1
    return at


def _wrong(text: str, at: int, message: str) -> Invalid:
    line, column = text.count("\n", 0, at) + 1, at - (text.rfind("\n", 0, at) + 1) + 1
    where = f"line {line}, column {column}: {message}"
    return Invalid(f"text: {where}", errors=[{"field": "text", "message": where}])

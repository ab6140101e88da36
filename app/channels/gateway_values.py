"""Named values put into a request, and values read out of an answer. Pure; nothing is evaluated or formatted.

`{to}` stands for a value with that name, and for nothing else: braces around anything else stay as they are. A place in
an answer is a path into its JSON (`messages.0.id`; numbers count from 0) or, between slashes, a regular expression over
its text, whose first group is the value (`/OK: (\\S+)/`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec

VALUES: Final[Mapping[str, str]] = {
    "to": "the number in E.164, +491701234567",
    "to_digits": "the same without the plus",
    "text": "what is said; for SMS shortened to two segments, with the link",
    "reference": "our name for this attempt, the same for every request about it",
    "valid_for_s": "after so many seconds it is to be given up",
    "callback_url": "where the gateway tells what became of it",
    "id": "the gateway's own name for the message, in `status` only",
}
_NAME: Final = re.compile(r"\{([a-z_]+(?:\.[A-Za-z0-9_./-]+)?)\}")
_NUMBERS: Final = frozenset({"valid_for_s"})
_LONGEST_TEXT: Final = 20_000
"""So much of an answer a regular expression is tried on."""

Values = Mapping[str, str]


def names_in(template: Any) -> Iterator[str]:
    """The names that a template, or any string inside it, asks for."""
    if isinstance(template, str):
        yield from _NAME.findall(template)
    elif isinstance(template, Mapping):
        for inner in template.values():
            yield from names_in(inner)
    elif isinstance(template, list | tuple):
        for inner in template:
            yield from names_in(inner)


def fill(template: str, values: Values, quote: Callable[[str], str] = str) -> str:
    """The template with its values; what a value says is not looked at again.

    >>> fill("{to}: {text} {x}", {"to": "+49", "text": "{to}"})
    '+49: {to} {x}'
    """
    return _NAME.sub(lambda m: quote(values[m[1]]) if m[1] in values else m[0], template)


def fill_all(template: Any, values: Values, numbers: Collection[str] = _NUMBERS) -> Any:
    """The same for every string inside a tree of JSON. A string that is one of `numbers` and nothing else becomes one,
    or null where there is none."""
    if isinstance(template, str):
        whole = _NAME.fullmatch(template)
        if whole and whole[1] in numbers and whole[1] in values:
            return int(values[whole[1]]) if values[whole[1]] else None
        return fill(template, values)
    if isinstance(template, Mapping):
        return {name: fill_all(inner, values, numbers) for name, inner in template.items()}
    if isinstance(template, list | tuple):
        return [fill_all(inner, values, numbers) for inner in template]
    return template


class Document:
    """An answer or the body of a callback: JSON, a form, or mere text."""

    def __init__(self, body: bytes, *, form: bool = False) -> None:
        self.text = body.decode("utf-8", "replace")
        try:
            self.tree: Any = dict(parse_qsl(self.text, keep_blank_values=True)) if form else msgspec.json.decode(body)
        except (msgspec.DecodeError, ValueError, RecursionError):
            self.tree = None

    def read(self, place: str) -> str:
        """The value at a place, as text; empty when there is none."""
        if not place:
            return ""
        if place.startswith("/"):
            found = re.search(place[1:-1], self.text[:_LONGEST_TEXT])
            return (found[1] if found.re.groups else found[0]) or "" if found else ""
        value = self.tree
        for part in place.split("."):
            if isinstance(value, dict):
                value = value.get(part)
            elif isinstance(value, list) and part.isdecimal() and int(part) < len(value):
                value = value[int(part)]
            else:
                return ""
        return _as_text(value)

    def holds(self, when: Mapping[str, Any]) -> bool:
        """Whether every place has (one of) the values that are named for it; `*` is any but an empty one."""
        return all(_is_one_of(self.read(place), wanted) for place, wanted in when.items())


def _is_one_of(value: str, wanted: Any) -> bool:
    several = wanted if isinstance(wanted, list | tuple) else [wanted]
    return any(value != "" if w == "*" else value == _as_text(w) for w in several)


def _as_text(value: Any) -> str:
    if value is None or isinstance(value, dict | list):
        return ""
    return ("true" if value else "false") if isinstance(value, bool) else str(value)


def place_mistake(place: str) -> str:
    """What is wrong with a place; empty when nothing is."""
    if not place.startswith("/"):
        return "" if re.fullmatch(r"[^\s/]+", place) else "is neither a path like messages.0.id nor a /pattern/"
    if not place.endswith("/") or len(place) < 3:
        return "is a pattern without its second slash"
    try:
        re.compile(place[1:-1])
    except re.error as e:
        return f"is no regular expression: {e}"
    return ""

"""A plan of changes as somebody reads it in a terminal. Pure."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Final

_SIGNS: Final = {"create": "+", "edit": "~", "delete": "-", "deactivate": "-"}
_COLOURS: Final = {"+": "32", "~": "33", "-": "31"}
_DONE: Final = {"create": "made", "edit": "changed", "delete": "deleted", "deactivate": "deactivated"}
_LONGEST: Final = 100


def lines(plan: Mapping[str, Any], *, coloured: bool = False) -> Iterator[str]:
    """Every change with what differs, then what stays although it should go.

    `plan`: the answer of `/configuration/plan` or `/apply`.
    """
    for change in plan["changes"]:
        sign = _SIGNS[change["action"]]
        yield _paint(f"{sign} {change['kind'].replace('_', ' ')} {_name(change)}", _COLOURS[sign], coloured)
        if change["action"] in ("create", "edit"):
            for difference in _telling(change):
                yield f"    {difference['field']}: {_difference(change['action'], difference)}"
        if change["kind"] == "webhook" and (waits := plan.get("calls_given_up", {}).get(change["key"])):
            yield f"    calls that wait and are given up: {waits}"
    for kept in plan["kept"]:
        yield f"! {kept['kind'].replace('_', ' ')} {kept['key']} stays: {kept['because']}"


def summary(plan: Mapping[str, Any], *, done: bool) -> str:
    """`2 to create, 1 to edit`, or `2 made, 1 changed`."""
    counts = Counter(change["action"] for change in plan["changes"])
    if not counts:
        return "Nothing to change." if not done else "Nothing was changed."
    words = _DONE if done else {action: f"to {action}" for action in _SIGNS}
    return ", ".join(f"{n} {words[action]}" for action in _SIGNS if (n := counts[action])) + "."


def _telling(change: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Of what is made, not the key, which is in the line above, and not what is empty."""
    if change["action"] != "create":
        return list(change["differences"])
    return [d for d in change["differences"] if d["field"] != "key" and d["after"] not in ("", [], {})]


def _name(change: Mapping[str, Any]) -> str:
    return "" if change["key"] == change["kind"] else str(change["key"])


def _difference(action: str, difference: Mapping[str, Any]) -> str:
    after = _value(difference["after"])
    return after if action == "create" else f"{_value(difference['before'])} -> {after}"


def _value(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _paint(text: str, code: str, coloured: bool) -> str:
    return f"\x1b[{code}m{text.rstrip()}\x1b[0m" if coloured else text.rstrip()

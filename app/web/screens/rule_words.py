"""What a rule sets, in words for people. Pure: drafts may hold anything, so nothing is taken for granted."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

Say = Callable[[Any], str]

_LEVELS: Final = {
    "impact": {1: "wide", 2: "some", 3: "one or none"},
    "urgency": {1: "now", 2: "soon", 3: "can wait"},
}


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _labels(value: Any) -> str:
    if not isinstance(value, dict):
        return f"labels {_plain(value)}"
    return "adds " + ", ".join(f"{name}={_plain(text)}" for name, text in value.items())


def _key(value: Any) -> str:
    parts = [_plain(part) for part in value] if isinstance(value, list) else [_plain(value)]
    return "one incident for the same " + " and ".join(parts)


def _threshold(value: Any) -> str:
    if isinstance(value, dict) and {"count", "within_minutes"} <= value.keys():
        return f"counts from {_plain(value['count'])} alerts in {_plain(value['within_minutes'])} min on"
    return f"threshold {_plain(value)}"


def _level(name: str) -> Say:
    def say(value: Any) -> str:
        word = _LEVELS[name].get(value) if isinstance(value, int) else None
        return f"{name} {_plain(value)}" + (f", {word}" if word else "")

    return say


_WORDS: Final[Mapping[str, Mapping[str, Say]]] = {
    "routing": {
        "service": lambda v: f"goes to the service {_plain(v)}",
        "labels": _labels,
        "severity": lambda v: f"severity becomes {_plain(v)}",
        "suppress": lambda v: "pages nobody" if v is True else f"suppress {_plain(v)}",
        "hold_minutes": lambda v: f"must fire for {_plain(v)} min before it counts",
        "category": lambda v: f"category {_plain(v)}",
        "runbook": lambda v: f"runbook {_plain(v)}",
        "note": lambda v: f"note for the responder: {_plain(v)}",
    },
    "correlation": {
        "key": _key,
        "across_services": lambda v: "across services" if v is True else "of one service only",
        "window_minutes": lambda v: f"takes more for {_plain(v)} min after its last alert",
        "cap_hours": lambda v: f"for {_plain(v)} h at most",
        "reopen_minutes": lambda v: f"reopened up to {_plain(v)} min after its resolution",
        "threshold": _threshold,
    },
    "priority": {"impact": _level("impact"), "urgency": _level("urgency")},
}


def outcome(kind: str, then: Mapping[str, Any]) -> list[str]:
    """One sentence for every member that the rule sets, in the order of the documents; what no rule of this kind can
    set is shown as it is written."""
    say = _WORDS[kind]
    known = [say[name](then[name]) for name in say if name in then]
    return [text[:600] for text in [*known, *(f"{n}: {_plain(v)}" for n, v in then.items() if n not in say)]]

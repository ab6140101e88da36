"""What a message says beyond the fields of an Event, flat and small enough to store."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

MAX_DETAILS = 64 * 1024
"""bytes of UTF-8 JSON of one event's details"""
MAX_DEPTH = 32

_ENCODE = msgspec.json.Encoder().encode
_TOO_DEEP = "…[nested too deeply]"


def details_of(
    alert: Mapping[str, Any], taken: frozenset[str], odd: dict[str, Any], shared: Mapping[str, Any]
) -> Mapping[str, Any]:
    """What is `odd` of an alert, and its members that are not `taken`, over what is `shared` by the whole body.

    Without any it is `shared` itself, one object for all alerts of a body: nobody may change it.
    """
    if alert.keys() <= taken:
        return merged(shared, odd) if odd else shared
    return merged(shared, odd | {name: value for name, value in alert.items() if name not in taken})


def merged(shared: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """The event's own members over those of the whole body; one that would be hidden stays under `body`."""
    details = {**shared, **own}
    if hidden := {name: shared[name] for name in shared.keys() & own.keys() if shared[name] != own[name]}:
        details["body"] = hidden
    return bounded(details)


def bounded(details: dict[str, Any]) -> dict[str, Any]:
    """At most `MAX_DETAILS` and `MAX_DEPTH`; the largest members go first and leave their size behind."""
    try:
        raw = _ENCODE(details)
    except RecursionError:
        raw = b""
    if not raw or _may_be_deep(raw):
        details = _pruned(details, MAX_DEPTH)
        raw = _ENCODE(details)
    return details if len(raw) <= MAX_DETAILS else _lightened(details)


def _lightened(details: dict[str, Any]) -> dict[str, Any]:
    sizes = {name: len(_ENCODE(value)) for name, value in details.items()}
    left = sum(sizes.values()) + sum(len(_ENCODE(name)) + 2 for name in details)
    kept = dict(details)
    for name in sorted(sizes, key=sizes.__getitem__, reverse=True):
        if left <= MAX_DETAILS:
            return kept
        kept[name] = f"…[{sizes[name]} bytes were cut]"
        left += len(_ENCODE(kept[name])) - sizes[name]
    return kept if left <= MAX_DETAILS else {"cut": f"…[{len(details)} members were cut]"}


def storable(value: Any) -> Any:
    """The value without what is nested deeper than `MAX_DEPTH`, so that every encoder and PostgreSQL can take it."""
    try:
        return _pruned(value, MAX_DEPTH) if _may_be_deep(_ENCODE(value)) else value
    except RecursionError:
        return _pruned(value, MAX_DEPTH)


def _may_be_deep(raw: bytes) -> bool:
    # Brackets in strings count too: that costs a walk, never a wrong answer.
    return raw.count(b"[") + raw.count(b"{") > MAX_DEPTH


def as_text(value: Any) -> str:
    """A string as it is, anything else as JSON."""
    return value if type(value) is str else _ENCODE(storable(value)).decode()


def _pruned(value: Any, depth: int) -> Any:
    if type(value) is dict:
        return {name: _pruned(member, depth - 1) for name, member in value.items()} if depth else _TOO_DEEP
    if type(value) is list:
        return [_pruned(member, depth - 1) for member in value] if depth else _TOO_DEEP
    return value

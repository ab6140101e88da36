"""Routing rules: what becomes of an alert before anybody counts it. Pure.

What a routing rule may set (`then`); the first rule that sets one of them decides it:

| member | |
|---|---|
| `service` | key of the service it belongs to, instead of the integration's; not in a service's own rules |
| `labels` | labels to add, by name; they override what the source sent and count for later stages only |
| `severity` | `critical`, `error`, `warning`, `info` or `none` instead of the source's |
| `suppress` | true: stored, pages nobody |
| `hold_minutes` | 1 to 1440: how long it must fire before it counts |
| `category` | the category of the incident that it opens |
| `runbook` | an http or https address for the responder |
| `note` | a sentence for the responder, at most 500 characters |
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, get_args
from urllib.parse import urlsplit

from app.ingest.event import Severity
from app.rules.rulesets import Kind

SEVERITIES: Final = get_args(Severity)
MOST_HOLD_MINUTES: Final = 24 * 60
_LABEL: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,127}")
_SERVICE: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
"""As `app.db.base.KEY_CHECK` has it: a rule can name every service there may be."""
_SLUG: Final = re.compile(r"[a-z0-9]+(?:[-_.][a-z0-9]+)*")


def _text(limit: int) -> Callable[[Any], str | None]:
    def check(value: Any) -> str | None:
        if isinstance(value, str) and len(value.strip()) > 0 and len(value) <= limit and "\x00" not in value:
            return None
        return f"must be a text of 1 to {limit} characters"

    return check


def _service(value: Any) -> str | None:
    fits = isinstance(value, str) and _SERVICE.fullmatch(value)
    return None if fits else "must be the key of a service, like web-shop"


def _category(value: Any) -> str | None:
    fits = isinstance(value, str) and len(value) <= 64 and _SLUG.fullmatch(value)
    return None if fits else "must be a key, like web-shop"


def _labels(value: Any) -> str | None:
    if not isinstance(value, dict) or not 0 < len(value) <= 20:
        return "must be an object of 1 to 20 labels"
    for name, text in value.items():
        if not isinstance(name, str) or not _LABEL.fullmatch(name):
            return f"{name!r:.60} cannot be the name of a label"
        if (wrong := _text(1024)(text)) is not None:
            return f"{name}: {wrong}"
    return None


def _severity(value: Any) -> str | None:
    return None if value in SEVERITIES else f"must be one of {', '.join(SEVERITIES)}"


def _true(value: Any) -> str | None:
    return None if value is True else "must be true, or absent"


def _hold(value: Any) -> str | None:
    fits = type(value) is int and 1 <= value <= MOST_HOLD_MINUTES
    return None if fits else f"must be 1 to {MOST_HOLD_MINUTES} whole minutes"


def _address(value: Any) -> str | None:
    if (wrong := _text(2000)(value)) is not None:
        return wrong
    try:
        parts = urlsplit(value)
        fits = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        fits = False
    return None if fits else "must be an http or https address"


_MEMBERS: Final[Mapping[str, Callable[[Any], str | None]]] = {
    "service": _service,
    "labels": _labels,
    "severity": _severity,
    "suppress": _true,
    "hold_minutes": _hold,
    "category": _category,
    "runbook": _address,
    "note": _text(500),
}


def _check_outcome(outcome: Mapping[str, Any]) -> list[tuple[str, str]]:
    known = ", ".join(_MEMBERS)
    wrong = [(name, f"is not known; {known} are") for name in outcome if name not in _MEMBERS]
    for name, check in _MEMBERS.items():
        if name in outcome and (message := check(outcome[name])) is not None:
            wrong.append((name, message))
    return wrong


ROUTING_RULES: Final = Kind("routing", "routing rule", "each", _check_outcome, service_member="service")

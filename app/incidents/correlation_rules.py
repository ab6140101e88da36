"""Correlation rules: which occurrences are one incident, for how long, and from how many on. Pure.

The first rule that matches decides all; without one, service and alertname are the key (`correlation.py`).

| `then` | | default |
|---|---|---|
| `key` | 1 to 8 CEL expressions that give texts, like `labels.cluster` or `service.team`: what must be equal | needed |
| `across_services` | true: occurrences of different services may share the incident | false |
| `window_minutes` | 1 to 1440: how long after its last occurrence the incident takes more | 30 |
| `cap_hours` | 1 to 168: how long after it opened | 24 |
| `reopen_minutes` | 0 to 1440: how long after its resolution it is reopened instead | 15 |
| `threshold` | `{"count": 2 to 1000, "within_minutes": 1 to 1440}`: held until so many came | none |
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from app.errors import Invalid
from app.incidents.happenings import CAP, REOPEN_WITHIN, WINDOW, Terms
from app.rules.facts import Facts
from app.rules.key_parts import compile_text
from app.rules.rulesets import Kind, Verdict

MOST_PARTS: Final = 8
_RANGES: Final = {"window_minutes": (1, 1440), "cap_hours": (1, 168), "reopen_minutes": (0, 1440)}
_THRESHOLD: Final = {"count": (2, 1000), "within_minutes": (1, 1440)}
_KNOWN: Final = ("key", "across_services", *_RANGES, "threshold")


Wrong = list[tuple[str, str]]
"""(path, message)"""


def _whole(name: str, value: Any, lowest: int, most: int) -> Wrong:
    fits = type(value) is int and lowest <= value <= most
    return [] if fits else [(name, f"must be {lowest} to {most}")]


def _check_key(key: Any) -> Wrong:
    if not isinstance(key, list) or not 1 <= len(key) <= MOST_PARTS or not all(isinstance(part, str) for part in key):
        return [("key", f"must be a list of 1 to {MOST_PARTS} expressions")]
    wrong = []
    for at, part in enumerate(key):
        try:
            compile_text(part)
        except Invalid as e:
            wrong.append((f"key[{at}]", e.message))
    return wrong


def _check_threshold(value: Any) -> Wrong:
    if not isinstance(value, dict) or set(value) != set(_THRESHOLD):
        return [("threshold", "must have count and within_minutes")]
    return [w for name, bounds in _THRESHOLD.items() for w in _whole(f"threshold.{name}", value[name], *bounds)]


def _check_outcome(outcome: Mapping[str, Any]) -> Wrong:
    wrong = [(name, f"is not known; {', '.join(_KNOWN)} are") for name in outcome if name not in _KNOWN]
    wrong += _check_key(outcome.get("key"))
    if not isinstance(outcome.get("across_services", False), bool):
        wrong.append(("across_services", "must be true or false"))
    for name, bounds in _RANGES.items():
        if name in outcome:
            wrong += _whole(name, outcome[name], *bounds)
    if "threshold" in outcome:
        wrong += _check_threshold(outcome["threshold"])
    return wrong


CORRELATION_RULES: Final = Kind("correlation", "correlation rule", "first", _check_outcome, expressions_member="key")


def terms_of(verdict: Verdict, scope: str = "") -> Terms:
    """How long and from how many on, with the reason. `scope`: the service whose rule it is; empty: everybody's."""
    then = verdict.outcome
    threshold = then.get("threshold")
    return Terms(
        timedelta(minutes=then["window_minutes"]) if "window_minutes" in then else WINDOW,
        timedelta(hours=then["cap_hours"]) if "cap_hours" in then else CAP,
        timedelta(minutes=then["reopen_minutes"]) if "reopen_minutes" in then else REOPEN_WITHIN,
        f'{verdict.kind} rule "{verdict.name}" (version {verdict.version}): same {", ".join(then["key"])}',
        verdict.name,
        None if threshold is None else (threshold["count"], timedelta(minutes=threshold["within_minutes"])),
        verdict.rule,
        scope,
        verdict.version,
    )


def key_of(rule: str, outcome: Mapping[str, Any], service_id: int, facts: Facts) -> str | None:
    """The correlation key that a rule gives, at most 1,000 characters of each part; None when all its parts are empty
    or one cannot be evaluated: then the rule does not apply."""
    parts = [compile_text(part).of(facts) for part in outcome["key"]]
    if any(part is None for part in parts) or not any(parts):
        return None
    where = "*" if outcome.get("across_services") else str(service_id)
    said = "\x1f".join([part[:1000] for part in parts if part is not None])
    return f"{where}:{rule}:{said}"

"""Priority and loudness: what the priority rules, the severity and the service say, through the matrix.

What no rule decides comes from these defaults:

| severity | urgency | impact |
|---|---|---|
| `critical` | 1 | the service's criticality |
| `error` | 2 | the service's criticality |
| `warning` | 3 | the service's criticality |
| `info`, `none` | 3 | 3: nothing is lost yet |
| anything else | 2 | the service's criticality: unknown is never quiet by accident |

From 3 affected services or 20 alerts on, the impact is one step wider (not for `info` and `none`). With the default
matrix:

| | criticality 1 | 2 | 3 |
|---|---|---|---|
| `critical` | P1 | P2 | P3 |
| `error` | P2 | P3 | P4 |
| `warning` | P3 | P4 | P5 |
| `info`, `none` | P5 | P5 | P5 |
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from msgspec import Struct

from app import hours
from app.hours import WeeklyHours
from app.priority.matrix import INPUTS, PRIORITIES, Matrix
from app.rules.facts import Facts
from app.rules.rulesets import Failure, Kind, RuleSet, decide

Input = Literal["impact", "urgency"]
Loudness = Literal["loud", "quiet"]
WIDE_FROM_SERVICES = 3
WIDE_FROM_ALERTS = 20
_URGENCY: Mapping[str, int] = {"critical": 1, "error": 2, "warning": 3, "info": 3, "none": 3}


def _check_outcome(outcome: Mapping[str, Any]) -> list[tuple[str, str]]:
    wrong = [(name, "is not known; impact and urgency are") for name in outcome if name not in ("impact", "urgency")]
    for name, value in outcome.items():
        if name in ("impact", "urgency") and (type(value) is not int or value not in INPUTS):
            wrong.append((name, f"must be 1, 2 or 3, not {value!r:.40}"))
    return wrong


PRIORITY_RULES = Kind("priority", "priority rule", "each", _check_outcome)
"""`then` sets impact, urgency or both; the first rule that sets one decides it."""


class Provenance(Struct, frozen=True, gc=False):
    """Where one input comes from. `rule` is a rule's key or `default`; `version` of the rule set, None for defaults.
    `scope`: the service whose rule it is; empty: the organisation's, or no rule."""

    what: Input
    value: int
    rule: str
    name: str
    version: int | None
    because: str
    scope: str = ""


class PriorityVerdict(Struct, frozen=True, gc=False):
    """`inputs`: first of the impact, then of the urgency. `failures`: rules that could not be evaluated."""

    priority: int
    impact: int
    urgency: int
    inputs: tuple[Provenance, Provenance]
    failures: tuple[Failure, ...] = ()


class Raised(Struct, frozen=True, gc=False):
    """The incident becomes more important, or gets its first priority (`before` None)."""

    priority: int
    before: int | None
    verdict: PriorityVerdict


class Kept(Struct, frozen=True, gc=False):
    """The incident stays as it is."""

    priority: int
    reason: Literal["pinned", "not more important"]


def assign(ruleset: RuleSet | None, matrix: Matrix, facts: Facts, first: RuleSet | None = None) -> PriorityVerdict:
    """The priority of these facts, with the reason for each input. Without rules the defaults speak. `first`: the
    service's own rules; what they decide is decided."""
    found: dict[Input, Provenance] = {}
    asked = [(rules, scope) for rules, scope in ((first, facts.service.key), (ruleset, "")) if rules and rules.rules]
    decisions = [(decide(rules, facts), scope) for rules, scope in asked]
    for v, scope in [(verdict, scope) for decision, scope in decisions for verdict in decision.verdicts]:
        for what in _INPUTS:
            if what in v.outcome and what not in found:
                found[what] = Provenance(what, v.outcome[what], v.rule, v.name, v.version, v.because, scope)
    impact = found.get("impact") or _default("impact", *_default_impact(facts))
    urgency = found.get("urgency") or _default("urgency", *_default_urgency(facts))
    priority = matrix.priority(impact.value, urgency.value)
    failures = tuple([failure for decision, _ in decisions for failure in decision.failures])
    return PriorityVerdict(priority, impact.value, urgency.value, (impact, urgency), failures)


def raise_only(current: int | None, verdict: PriorityVerdict, *, pinned: bool) -> Raised | Kept:
    """Automation only raises, and never what a person has pinned. `current` None: there is no priority yet."""
    if current is None:
        return Raised(verdict.priority, None, verdict)
    if pinned:
        return Kept(current, "pinned")
    if verdict.priority < current:
        return Raised(verdict.priority, current, verdict)
    return Kept(current, "not more important")


def loudness(priority: int, *, in_support_hours: bool) -> Loudness:
    """P1, P2 always loud; P3 loud in support hours; P4, P5 quiet. A service without support hours is always in them."""
    if priority not in PRIORITIES:
        raise ValueError(f"a priority is 1 to 5, not {priority}")
    return "loud" if priority <= 2 or (priority == 3 and in_support_hours) else "quiet"


def loudness_at(priority: int, support: WeeklyHours | None, now: datetime) -> tuple[Loudness, datetime | None]:
    """Loudness at an instant, and when it becomes loud by itself: a P3 when support hours begin."""
    loud = loudness(priority, in_support_hours=hours.within(support, now))
    return loud, hours.next_open(support, now) if priority == 3 and loud == "quiet" else None


_INPUTS: tuple[Input, Input] = ("impact", "urgency")


def _default(what: Input, value: int, because: str) -> Provenance:
    return Provenance(what, value, "default", "default", None, because)


def _default_urgency(facts: Facts) -> tuple[int, str]:
    return _URGENCY.get(facts.severity, 2), f"severity is {facts.severity:.40}"


def _default_impact(facts: Facts) -> tuple[int, str]:
    if facts.severity in ("info", "none"):
        return 3, f"severity is {facts.severity}: nothing is lost yet"
    value = min(max(facts.service.criticality, 1), 3)
    because = f"criticality of the service is {facts.service.criticality}"
    counts = facts.counts
    if value > 1 and (counts.services >= WIDE_FROM_SERVICES or counts.alerts >= WIDE_FROM_ALERTS):
        return value - 1, f"{because}, one step wider: {counts.services} services, {counts.alerts} alerts affected"
    return value, because

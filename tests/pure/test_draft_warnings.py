"""What is allowed in a rule set and looks like a mistake."""

from __future__ import annotations

from typing import Any

import pytest

from app.alerts.routing_rules import ROUTING_RULES
from app.rules import draft_warnings, rulesets


def rule(key: str, when: str, **then: Any) -> dict[str, Any]:
    return {"key": key, "name": key, "when": when, "then": then or {"note": "x"}}


def warned(*rules: dict[str, Any], seen: tuple[str, ...] = (), events: int = 0) -> list[tuple[str, str]]:
    ruleset = rulesets.check(list(rules), ROUTING_RULES)
    return [(w.rule, w.code) for w in draft_warnings.warnings(ruleset, seen, events)]


@pytest.mark.parametrize(
    ("first", "second", "never"),
    [
        ('{a="1"}', '{a="1"}', True),
        ('{a="1"}', 'labels.a == "1"', True),  # one language
        ("true", '{a="1"}', True),
        ('{a="1"}', '{a="1",b="2"}', True),
        ('{b="2",a="1"}', '{a="1",b="2"}', True),
        ('{a="1",b="2"}', '{a="1"}', False),
        ('{a="1"}', '{a="2"}', False),
        ('{a="1"}', 'labels.a == "1" || labels.b == "2"', False),
    ],
)
def test_an_earlier_rule_that_holds_whenever_a_later_does(first: str, second: str, never: bool) -> None:
    assert warned(rule("first", first), rule("second", second)) == ([("second", "never_applies")] if never else [])


def test_only_what_is_decided_already_never_applies() -> None:
    members = {"note": "x", "hold_minutes": 5}
    assert warned(rule("a", "true", note="x"), rule("b", "true", **members)) == []
    several = [rule("a", "true", note="x"), rule("b", "true", hold_minutes=5), rule("c", "true", **members)]
    assert warned(*several) == [("c", "never_applies")]


def test_what_is_switched_off_decides_nothing() -> None:
    off = rule("off", "true") | {"enabled": False}
    assert warned(off, rule("b", '{a="1"}')) == [("off", "disabled")]


def test_labels_that_nothing_carried() -> None:
    rules = [rule("a", '{team="db"}'), rule("b", 'annotations.runbook != "" && service.key == "x"', hold_minutes=1)]
    assert warned(*rules, seen=("labels.team",), events=9) == [("b", "unseen")]
    assert warned(*rules, events=9) == [("a", "unseen"), ("b", "unseen")]
    assert warned(*rules) == [], "no events, no opinion"

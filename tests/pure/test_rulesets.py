"""Rule sets: documents, order, what a decision says, and that the index changes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import Invalid
from app.rules import rulesets
from app.rules.facts import Facts, ServiceFacts, TimeFacts
from app.rules.rulesets import Failure, Kind, RuleSet

NOW = TimeFacts.at(datetime(2026, 11, 23, 9, 30, tzinfo=ZoneInfo("UTC")))


def colours(outcome: Mapping[str, Any]) -> list[str]:
    return [(name, "is no colour") for name in outcome if name not in ("red", "green")]


EACH = Kind("paint", "paint rule", "each", colours)
FIRST = Kind("paint", "paint rule", "first", colours)


def facts(**labels: str) -> Facts:
    return Facts(time=NOW, labels=labels, severity="error", service=ServiceFacts("pay", tags=("eu",)))


def rule(key: str, when: str, then: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    return {"key": key, "name": key.title(), "when": when, "then": then or {"red": 1}} | more


def test_first_match_decides_all() -> None:
    ruleset = rulesets.check(
        [rule("a", 'labels.x == "1"'), rule("b", "true", {"red": 2, "green": 2}), rule("c", "true", {"green": 3})],
        FIRST,
        7,
    )
    (verdict,) = rulesets.decide(ruleset, facts()).verdicts
    assert (verdict.rule, verdict.name, verdict.outcome) == ("b", "B", {"red": 2, "green": 2})
    assert (verdict.kind, verdict.version) == ("paint", 7)


def test_each_member_has_its_own_first_match() -> None:
    ruleset = rulesets.check(
        [rule("a", "true", {"red": 1}), rule("b", "true", {"red": 2, "green": 2}), rule("c", "true", {"green": 3})],
        EACH,
    )
    verdicts = rulesets.decide(ruleset, facts()).verdicts
    assert [(v.rule, v.outcome) for v in verdicts] == [("a", {"red": 1}), ("b", {"green": 2})]


def test_because_names_rule_version_and_values() -> None:
    ruleset = rulesets.check([rule("a", '{team="db", "my label"!="x"}')], EACH, 3)
    (verdict,) = rulesets.decide(ruleset, facts(team="db")).verdicts
    assert verdict.because == (
        'paint rule "A" (version 3): {team="db", "my label"!="x"}; here labels.my label = "", labels.team = "db"'
    )
    huge = rulesets.decide(rulesets.check([rule("a", 'labels.team != ""')], EACH), facts(team="x" * 1_000_000))
    assert len(huge.verdicts[0].because) < 300


def test_a_rule_that_fails_is_skipped_and_told() -> None:
    ruleset = rulesets.check([rule("a", "int(labels.load) > 1"), rule("b", "true")], FIRST)
    decision = rulesets.decide(ruleset, facts(load="much"))
    assert [v.rule for v in decision.verdicts] == ["b"]
    assert [f.rule for f in decision.failures] == ["a"]
    assert isinstance(decision.failures[0], Failure)
    assert "cannot convert" in decision.failures[0].error


def test_nothing_matches_and_disabled_rules() -> None:
    ruleset = rulesets.check([rule("a", "true", enabled=False), rule("b", 'severity == "info"')], FIRST)
    assert rulesets.decide(ruleset, facts()) == rulesets.Decision(())
    assert rulesets.decide(rulesets.check([], FIRST), facts()) == rulesets.Decision(())


def test_document_is_the_inverse_of_check() -> None:
    document = [rule("a", "true", {"red": 1}, enabled=False), rule("b.c-d_1", '{a=~"x|y"}', {"green": 2}, enabled=True)]
    ruleset = rulesets.check(document, EACH, 4)
    assert rulesets.document(ruleset) == document
    assert rulesets.check(rulesets.document(ruleset), EACH, 4) == ruleset


def test_check_lists_every_error_where_it_is() -> None:
    document = [
        rule("a", "true"),
        rule("a", "service.key =="),
        "rule",
        {"key": "Not A Slug", "name": " ", "when": 5, "then": {}, "colour": 1, "enabled": "yes"},
        rule("d", '{a=~"["}', {"blue": 1}),
        rule("x" * 65, "1"),
        rule("a", "true"),
        {},
    ]
    with pytest.raises(Invalid) as caught:
        rulesets.check(document, EACH)
    found = {(e["field"], e["message"].split(":")[0]) for e in caught.value.errors}
    assert found == {
        ("rules[1].when", "line 1, column 15"),
        ("rules[2]", "must be an object"),
        ("rules[3].colour", "is not known here"),
        ("rules[3].key", "must be a slug of at most 64 characters, like pci-first"),
        ("rules[3].name", "must be a text of 1 to 200 characters"),
        ("rules[3].when", "must be a text"),
        ("rules[3].then", "must be an object that sets something"),
        ("rules[3].enabled", "must be true or false"),
        ("rules[4].then.blue", "is no colour"),
        ("rules[4].when", 'invalid regular expression "["'),
        ("rules[5].key", "must be a slug of at most 64 characters, like pci-first"),
        ("rules[5].when", "a condition is true or false; this one is of type int"),
        ("rules[6].key", "'a' is the key of rules[0] already"),
        ("rules[7].key", "must be a slug of at most 64 characters, like pci-first"),
        ("rules[7].name", "must be a text of 1 to 200 characters"),
        ("rules[7].when", "must be a text"),
        ("rules[7].then", "must be an object that sets something"),
    }


@pytest.mark.parametrize("document", [None, {}, "x", 1, [rule(f"r{i}", "true") for i in range(1001)]])
def test_check_refuses_what_is_no_list_of_rules(document: object) -> None:
    with pytest.raises(Invalid) as caught:
        rulesets.check(document, EACH)
    assert caught.value.errors[0]["field"] == "rules"


_SOURCES = st.sampled_from(
    [
        *(f'labels.{name} == "{value}"' for name in "ab" for value in ("", "1", "2")),
        *('{a="1",b="2"}', '{a!="1"}', '"1" == labels.b && severity == "error"', 'service.key == "pay"', "true"),
        *('severity == "info"', 'labels.a in ["2"]', 'labels.a == "1" && int(labels.b) > 1', "int(labels.b) > 1"),
        *('labels.a == "1" || labels.b == "1"', 'service.tags[0] == "eu"', 'labels.a == "1" && labels.a == "2"'),
    ]
)


@given(
    st.lists(st.tuples(_SOURCES, st.sampled_from([{"red": 1}, {"green": 1}, {"red": 2, "green": 2}]), st.booleans())),
    st.dictionaries(st.sampled_from("abc"), st.sampled_from(["", "1", "2", "x"])),
    st.sampled_from([EACH, FIRST]),
)
def test_the_index_changes_no_verdict(rules: Any, labels: dict[str, str], kind: Kind) -> None:
    document = [rule(f"r{i}", when, then, enabled=on) for i, (when, then, on) in enumerate(rules)]
    ruleset = rulesets.check(document, kind)
    seen = facts(**labels)
    expected: list[tuple[str, dict[str, Any]]] = []
    decided: set[str] = set()
    for r in ruleset.rules:
        news = {k: v for k, v in r.outcome.items() if k not in decided}
        if r.enabled and news and r.condition.evaluate(seen).matched:
            expected.append((r.key, news))
            decided |= news.keys() if kind.settles == "each" else {"red", "green"}
    assert [(v.rule, v.outcome) for v in rulesets.decide(ruleset, seen).verdicts] == expected


def test_a_thousand_indexed_rules_cost_little_more_than_ten() -> None:
    """Counted, not timed: only the rules that could match are evaluated."""
    ruleset = rulesets.check([rule(f"r{i}", f'{{team="t{i}"}}') for i in range(999)] + [rule("last", "true")], FIRST)
    assert [r.key for r in ruleset.candidates(facts(team="t5"))] == ["r5", "last"]
    assert [r.key for r in ruleset.candidates(facts())] == ["last"]


def test_rules_can_be_exchanged_without_recompiling() -> None:
    ruleset = rulesets.check([rule("a", "true"), rule("b", 'severity == "error"')], FIRST)
    turned = replace(ruleset, rules=ruleset.rules[::-1])
    assert turned.rules[0].condition is ruleset.rules[1].condition
    assert isinstance(turned, RuleSet)
    assert rulesets.decide(turned, facts()).verdicts[0].rule == "b"

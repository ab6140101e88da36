"""Priority: the matrix, what the defaults say, provenance, and that automation only raises."""

from __future__ import annotations

from datetime import datetime
from itertools import product
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import Invalid
from app.priority import assign, defaults, matrix
from app.priority.assign import PRIORITY_RULES, Kept, Raised, loudness, raise_only
from app.rules import rulesets
from app.rules.facts import Counts, Facts, ServiceFacts, TimeFacts

NOW = TimeFacts.at(datetime(2026, 11, 23, 9, 30, tzinfo=ZoneInfo("UTC")))


def facts(severity: str = "critical", criticality: int = 2, counts: Counts = Counts(), **labels: str) -> Facts:
    return Facts(
        time=NOW, severity=severity, labels=labels, counts=counts, service=ServiceFacts("pay", criticality=criticality)
    )


def rules(*given: tuple[str, dict[str, Any]], version: int = 1) -> rulesets.RuleSet:
    document = [{"key": f"r{i}", "name": f"Rule {i}", "when": w, "then": t} for i, (w, t) in enumerate(given)]
    return rulesets.check(document, PRIORITY_RULES, version)


@pytest.mark.parametrize(
    ("severity", "by_criticality"),
    [
        ("critical", (1, 2, 3)),
        ("error", (2, 3, 4)),
        ("warning", (3, 4, 5)),
        ("info", (5, 5, 5)),
        ("none", (5, 5, 5)),
        ("catastrophic", (2, 3, 4)),
    ],
)
def test_defaults_with_no_rules(severity: str, by_criticality: tuple[int, int, int]) -> None:
    found = tuple(assign.assign(None, matrix.DEFAULT, facts(severity, c)).priority for c in (1, 2, 3))
    assert found == by_criticality
    empty = tuple(assign.assign(rules(), matrix.DEFAULT, facts(severity, c)).priority for c in (1, 2, 3))
    assert empty == by_criticality


@pytest.mark.parametrize(
    ("counts", "severity", "criticality", "impact"),
    [
        (Counts(services=2, alerts=19), "error", 2, 2),
        (Counts(services=3), "error", 2, 1),
        (Counts(alerts=20), "error", 3, 2),
        (Counts(alerts=500, services=50), "error", 1, 1),
        (Counts(alerts=500, services=50), "info", 2, 3),
    ],
)
def test_many_affected_widen_the_impact(counts: Counts, severity: str, criticality: int, impact: int) -> None:
    assert assign.assign(None, matrix.DEFAULT, facts(severity, criticality, counts)).impact == impact


def test_every_input_keeps_its_provenance() -> None:
    ruleset = rules(
        ('labels.team == "db"', {"urgency": 3}),
        ('severity == "critical"', {"urgency": 1, "impact": 1}),
        ("true", {"impact": 3, "urgency": 2}),
        version=9,
    )
    verdict = assign.assign(ruleset, matrix.DEFAULT, facts(team="db"))
    assert (verdict.priority, verdict.impact, verdict.urgency) == (3, 1, 3)
    impact, urgency = verdict.inputs
    assert (impact.what, impact.value, impact.rule, impact.version) == ("impact", 1, "r1", 9)
    assert (urgency.what, urgency.value, urgency.rule, urgency.version) == ("urgency", 3, "r0", 9)
    assert urgency.because == ('priority rule "Rule 0" (version 9): labels.team == "db"; here labels.team = "db"')


def test_a_rule_for_one_input_leaves_the_other_to_the_default() -> None:
    verdict = assign.assign(rules(("true", {"urgency": 1})), matrix.DEFAULT, facts("warning", 1))
    assert [(i.what, i.value, i.rule, i.version) for i in verdict.inputs] == [
        *(("impact", 1, "default", None), ("urgency", 1, "r0", 1)),
    ]
    assert verdict.inputs[0].because == "criticality of the service is 1"
    assert verdict.priority == 1


def test_a_rule_that_fails_is_told_and_the_default_stands() -> None:
    verdict = assign.assign(rules(("int(labels.users) > 10", {"impact": 1})), matrix.DEFAULT, facts())
    assert verdict.priority == 2
    assert [f.rule for f in verdict.failures] == ["r0"]


@pytest.mark.parametrize(
    "then", [{"impact": 0}, {"impact": 4}, {"urgency": "1"}, {"urgency": True}, {"urgency": 1.0}, {"priority": 1}, {}]
)
def test_outcomes_are_checked(then: dict[str, Any]) -> None:
    with pytest.raises(Invalid) as caught:
        rules(("true", then))
    assert [e["field"] for e in caught.value.errors] == [".".join(["rules[0].then", *then])]


def test_the_shipped_rules_do_what_they_say() -> None:
    ruleset = rulesets.check(defaults.PRIORITY_RULES, PRIORITY_RULES)
    assert rulesets.document(ruleset) == defaults.PRIORITY_RULES
    plain = facts("error", 2)
    assert assign.assign(ruleset, matrix.DEFAULT, plain) == assign.assign(None, matrix.DEFAULT, plain)
    assert assign.assign(ruleset, matrix.DEFAULT, facts("critical", 1, environment="staging")).priority == 5
    assert assign.assign(ruleset, matrix.DEFAULT, facts("critical", 1, environment="test-bench")).priority == 1
    assert assign.assign(ruleset, matrix.DEFAULT, facts("error", 3, Counts(services=5))).priority == 2


def test_automation_only_raises() -> None:
    verdict = assign.assign(None, matrix.DEFAULT, facts("error", 2))
    assert verdict.priority == 3
    assert raise_only(None, verdict, pinned=False) == Raised(3, None, verdict)
    assert raise_only(4, verdict, pinned=False) == Raised(3, 4, verdict)
    assert raise_only(3, verdict, pinned=False) == Kept(3, "not more important")
    assert raise_only(1, verdict, pinned=False) == Kept(1, "not more important")
    assert raise_only(5, verdict, pinned=True) == Kept(5, "pinned")


def test_loudness() -> None:
    table = {(p, hours): loudness(p, in_support_hours=hours) for p, hours in product(range(1, 6), (True, False))}
    loud = {key for key, value in table.items() if value == "loud"}
    assert loud == {(1, True), (1, False), (2, True), (2, False), (3, True)}
    for outside in (0, 6, -1):
        with pytest.raises(ValueError, match="1 to 5"):
            loudness(outside, in_support_hours=True)


def test_matrix_document() -> None:
    assert matrix.check([[1, 2, 3], [2, 3, 4], [3, 4, 5]]) == matrix.DEFAULT
    assert matrix.check(matrix.DEFAULT.document()).priority(2, 3) == 4
    assert matrix.check([[1, 1, 1]] * 3).priority(3, 3) == 1
    for impact, urgency in ((0, 1), (1, 4), (4, 1), (-1, 1)):
        with pytest.raises(ValueError, match="1 to 3"):
            matrix.DEFAULT.priority(impact, urgency)


@pytest.mark.parametrize(
    ("document", "field"),
    [
        (None, "matrix"),
        ([], "matrix"),
        ({"1": [1, 2, 3]}, "matrix"),
        ([[1, 2, 3], [2, 3, 4]], "matrix"),
        ([[1, 2, 3], [2, 3], [3, 4, 5]], "matrix[1]"),
        ([[1, 2, 3], [2, 3, 4], [3, 4, 6]], "matrix[2][2]"),
        ([[1, 2, 3], [2, "3", 4], [3, 4, 5]], "matrix[1][1]"),
        ([[True, 2, 3], [2, 3, 4], [3, 4, 5]], "matrix[0][0]"),
        ([[1, 2, 3], [2, 1, 4], [3, 4, 5]], "matrix[1][1]"),
        ([[2, 2, 3], [1, 3, 4], [3, 4, 5]], "matrix[1][0]"),
    ],
)
def test_matrix_errors(document: object, field: str) -> None:
    with pytest.raises(Invalid) as caught:
        matrix.check(document)
    assert caught.value.errors[0]["field"] == field


def test_matrix_error_names_both_cells() -> None:
    with pytest.raises(Invalid, match="impact 1, urgency 2 is P1, more important than P2 of impact 1, urgency 1"):
        matrix.check([[2, 1, 3], [2, 3, 4], [3, 4, 5]])


@given(st.lists(st.lists(st.integers(1, 5), min_size=3, max_size=3), min_size=3, max_size=3))
def test_an_accepted_matrix_is_monotone(document: list[list[int]]) -> None:
    falls = any(
        document[i][j] > document[k][m]
        for (i, j), (k, m) in product(product(range(3), repeat=2), repeat=2)
        if i <= k and j <= m
    )
    try:
        accepted = matrix.check(document)
    except Invalid:
        assert falls
    else:
        assert not falls
        assert accepted.document() == document


@given(
    st.sampled_from(["critical", "error", "warning", "info", "none", "?"]),
    st.integers(-1, 9),
    st.integers(0, 1000),
    st.integers(0, 1000),
)
def test_more_affected_is_never_less_important(severity: str, criticality: int, alerts: int, services: int) -> None:
    few = assign.assign(None, matrix.DEFAULT, facts(severity, criticality, Counts(alerts, services)))
    many = assign.assign(None, matrix.DEFAULT, facts(severity, criticality, Counts(alerts + 5, services + 1)))
    assert many.priority <= few.priority

"""What may stand in routing and correlation rules, and what they make of an arrival."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.alerts.dedup import Arrival
from app.alerts.routing import Routing
from app.alerts.routing_rules import ROUTING_RULES
from app.incidents.correlation_rules import CORRELATION_RULES, key_of, terms_of
from app.ingest.event import Event
from app.ingest.requests import NIL
from app.priority.facts import facts
from app.rules import rulesets
from app.rules.facts import Facts, ServiceFacts
from app.rules.rulesets import RuleSet

NOW = datetime(2026, 11, 22, 2, 14, tzinfo=UTC)


def arrival(**labels: str) -> Arrival:
    event = Event("firing", "key", "key", "Title", "warning", labels, NOW)
    return Arrival(event, 1, "am", "alertmanager", 7, 300, NIL, 0)


def facts_of(a: Arrival) -> Facts:
    return facts(
        labels=a.event.labels,
        annotations=a.event.annotations,
        severity=a.event.severity,
        source=a.source,
        title=a.event.title,
        service=ServiceFacts(key={7: "checkout", 8: "database"}[a.service_id]),
        at=NOW,
        zone="UTC",
    )


def ruleset(*rules: tuple[str, dict[str, Any]]) -> RuleSet:
    document = [{"key": f"r{n}", "name": f"R{n}", "when": when, "then": then} for n, (when, then) in enumerate(rules)]
    return rulesets.check(document, ROUTING_RULES)


SERVICES = {"checkout": 7, "database": 8}


@pytest.mark.parametrize(
    ("then", "said"),
    [
        ({"service": "No Slug"}, "service must be the key of a service"),
        ({"labels": {}}, "labels must be an object of 1 to 20"),
        ({"labels": {"a b": "x"}}, "cannot be the name of a label"),
        ({"labels": {"a": 5}}, "a: must be a text"),
        ({"labels": {f"l{n}": "x" for n in range(21)}}, "1 to 20"),
        ({"severity": "fatal"}, "severity must be one of"),
        ({"suppress": False}, "suppress must be true"),
        ({"hold_minutes": 0}, "hold_minutes must be 1 to 1440"),
        ({"hold_minutes": True}, "hold_minutes must be"),
        ({"runbook": "javascript:alert(1)"}, "runbook must be an http"),
        ({"runbook": "https://[x"}, "runbook must be an http"),
        ({"note": " "}, "note must be a text"),
        ({"colour": "red"}, "colour is not known"),
    ],
)
def test_what_a_routing_rule_cannot_set(then: dict[str, Any], said: str) -> None:
    assert any(said in " ".join(wrong) for wrong in ROUTING_RULES.check_outcome(then))


@pytest.mark.parametrize(
    ("then", "said"),
    [
        ({}, "key must be a list"),
        ({"key": []}, "key must be a list"),
        ({"key": ["labels.a"] * 9}, "1 to 8"),
        ({"key": ["counts.alerts"]}, "key[0] a part of a key is a text"),
        ({"key": ["labels."]}, "key[0]"),
        ({"key": ["labels.a + labels.b"]}, "key[0]"),
        ({"key": ["labels.a"], "window_minutes": 1441}, "window_minutes must be 1 to 1440"),
        ({"key": ["labels.a"], "cap_hours": 0.5}, "cap_hours must be 1 to 168"),
        ({"key": ["labels.a"], "threshold": {"count": 3}}, "threshold must have"),
        ({"key": ["labels.a"], "threshold": {"count": 1, "within_minutes": 5}}, "threshold.count must be 2 to 1000"),
        ({"key": ["labels.a"], "across_services": "yes"}, "across_services must be true or false"),
        ({"key": ["labels.a"], "across_services": 1}, "across_services must be true or false"),
        ({"key": ["labels.a"], "keys": 1}, "keys is not known"),
    ],
)
def test_what_a_correlation_rule_cannot_set(then: dict[str, Any], said: str) -> None:
    assert any(said in " ".join(wrong) for wrong in CORRELATION_RULES.check_outcome(then))


@pytest.mark.parametrize("service", ["a--b", "a_", "a-", "0", "x" * 64])
def test_a_rule_can_name_every_service_there_may_be(service: str) -> None:
    assert ROUTING_RULES.check_outcome({"service": service}) == []


@pytest.mark.parametrize("service", ["", "-a", "A", "a.b", "x" * 65, "a\n"])
def test_a_rule_names_no_service_that_cannot_be(service: str) -> None:
    assert [path for path, _ in ROUTING_RULES.check_outcome({"service": service})] == ["service"]


def test_the_organisation_chooses_the_service_and_the_service_overrides_the_rest() -> None:
    organisation = ruleset(
        ('labels.db != ""', {"service": "database", "hold_minutes": 5}), ("true", {"severity": "info", "note": "a"})
    )
    own = ruleset(("true", {"severity": "critical"}))
    routing = Routing(organisation, {8: ("database", own)}, SERVICES, facts_of)
    route = routing(arrival(db="pg"))
    assert (route.arrival.service_id, route.arrival.event.severity) == (8, "critical")
    assert route.hold is not None
    assert route.hold[0] == timedelta(minutes=5)
    assert route.kept is not None
    assert [(r["rule"], r["scope"]) for r in route.kept["rules"]] == [("r0", ""), ("r1", ""), ("r0", "database")]
    assert (route.kept["note"], route.kept["severity"]) == ("a", "critical")
    assert routing(arrival(other="x")).arrival.service_id == 7


def test_a_service_that_is_gone_is_not_routed_to() -> None:
    routing = Routing(ruleset(("true", {"service": "gone", "note": "x"})), {}, SERVICES, facts_of)
    route = routing(arrival(a="b"))
    assert route.arrival.service_id == 7
    assert route.kept is not None


def test_a_severity_of_none_suppresses_whoever_set_it() -> None:
    route = Routing(ruleset(("true", {"severity": "none"})), {}, SERVICES, facts_of)(arrival(a="b"))
    assert route.suppressed is not None
    assert route.suppressed.name == "severity-none"


def test_a_rule_that_cannot_be_evaluated_is_told_and_decides_nothing() -> None:
    route = Routing(ruleset(("int(labels.n) > 3", {"suppress": True})), {}, SERVICES, facts_of)(arrival(n="many"))
    assert route.suppressed is None
    assert route.kept is not None
    assert route.kept["failures"][0]["rule"] == "r0"


def test_without_a_word_from_any_rule_nothing_is_kept() -> None:
    route = Routing(ruleset(("false", {"suppress": True})), {}, SERVICES, facts_of)(arrival(a="b"))
    assert (route.kept, route.suppressed, route.hold) == (None, None, None)


def test_keys_tell_services_and_parts_apart() -> None:
    here, there = facts_of(arrival(a="x", b="")), facts_of(arrival(a="", b="x"))
    then = {"key": ["labels.a", "labels.b"]}
    keys = {key_of("/r", then, 7, here), key_of("/r", then, 7, there), key_of("/r", then, 8, here)}
    assert len(keys) == 3
    assert key_of("/r", then | {"across_services": True}, 7, here) == key_of(
        "/r", then | {"across_services": True}, 8, here
    )


def test_a_key_without_a_text_in_it_is_none() -> None:
    nothing = facts_of(arrival(c="x"))
    assert key_of("/r", {"key": ["labels.a", "labels.b"]}, 7, nothing) is None
    assert key_of("/r", {"key": ['int(labels.c) > 1 ? "a" : "b"']}, 7, nothing) is None


def test_terms_of_a_rule_and_what_it_leaves_open() -> None:
    then = {"key": ["labels.a"], "cap_hours": 2, "threshold": {"count": 3, "within_minutes": 5}}
    document = [{"key": "r", "name": "R", "when": "true", "then": then}]
    (verdict,) = rulesets.decide(rulesets.check(document, CORRELATION_RULES, 4), facts_of(arrival(a="x"))).verdicts
    terms = terms_of(verdict)
    assert (terms.window, terms.cap, terms.reopen_within) == (
        timedelta(minutes=30),
        timedelta(hours=2),
        timedelta(minutes=15),
    )
    assert terms.threshold == (3, timedelta(minutes=5))
    assert terms.because == 'correlation rule "R" (version 4): same labels.a'

"""Correlation rules as people write them: bodies of the API and parts of the configuration document."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import ConfigDict, Field

from app.incidents.correlation_rules import MOST_PARTS
from app.rules.documents import RULE_LIMIT, NamedCondition, Outcome, RuleDocument, plain


class Threshold(RuleDocument):
    """Alerts of one key are held until `count` came within `within_minutes`."""

    count: Annotated[int, Field(ge=2, le=1000)]
    within_minutes: Annotated[int, Field(ge=1, le=1440)]


class CorrelationOutcome(Outcome):
    """Which occurrences are one incident: those for which the CEL expressions of `key` give the same texts.
    `across_services`: also those of different services. `window_minutes` (30): how long after its last occurrence the
    incident takes more; `cap_hours` (24): how long after it opened; `reopen_minutes` (15): how long after its
    resolution it is reopened instead."""

    key: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=4096)]], Field(min_length=1, max_length=MOST_PARTS)
    ]
    across_services: bool | None = None
    window_minutes: Annotated[int, Field(ge=1, le=1440)] | None = None
    cap_hours: Annotated[int, Field(ge=1, le=168)] | None = None
    reopen_minutes: Annotated[int, Field(ge=0, le=1440)] | None = None
    threshold: Threshold | None = None


_RULE: dict[str, Any] = {
    "key": "one-cluster",
    "name": "What happens in one cluster is one incident",
    "when": 'labels.cluster != ""',
    "then": {"key": ["labels.cluster"], "across_services": True, "window_minutes": 60},
}


class CorrelationRule(NamedCondition):
    """Which occurrences are one incident, and for how long."""

    model_config = ConfigDict(json_schema_extra={"examples": [_RULE]})

    then: CorrelationOutcome
    enabled: bool = True


class CorrelationRulesEdit(RuleDocument):
    """All correlation rules, in order; the first one that matches decides."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"rules": [_RULE]}]})

    rules: Annotated[list[CorrelationRule], Field(max_length=RULE_LIMIT)]

    def plain(self) -> list[dict[str, Any]]:
        """As `rulesets.check` reads them."""
        return plain(self.rules)

"""Routing rules as people write them: bodies of the API and parts of the configuration document."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, StringConstraints

from app.alerts.routing_rules import MOST_HOLD_MINUTES
from app.directory.documents import Key
from app.ingest.event import Severity
from app.rules.documents import RULE_LIMIT, NamedCondition, Outcome, RuleDocument, no_number, plain

Category = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[a-z0-9]+([-_.][a-z0-9]+)*$")]
LabelName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_.-]{0,127}$")]
LabelText = Annotated[str, StringConstraints(min_length=1, max_length=1024)]


class RoutingOutcome(Outcome):
    """What a rule sets; the first rule that sets a member decides it. `service`: its key, in place of the
    integration's; not in a service's own rules. `labels` are added and count for later stages. `suppress`: stored,
    pages nobody. `hold_minutes`: how long it must fire before it counts."""

    service: Key | None = None
    labels: Annotated[dict[LabelName, LabelText], Field(min_length=1, max_length=20)] | None = None
    severity: Severity | None = None
    suppress: Annotated[Literal[True], BeforeValidator(no_number)] | None = None
    hold_minutes: Annotated[int, Field(ge=1, le=MOST_HOLD_MINUTES)] | None = None
    category: Category | None = None
    runbook: Annotated[str, Field(max_length=2000, pattern=r"^https?://[^\s/]+\S*$")] | None = None
    note: Annotated[str, Field(max_length=500, pattern=r"\S")] | None = None


_RULE: dict[str, Any] = {
    "key": "short-dns",
    "name": "DNS mends itself within five minutes",
    "when": '{alertname="DNSProbeFailed",severity!="critical"}',
    "then": {"hold_minutes": 5, "labels": {"area": "network"}, "runbook": "https://wiki.example.org/dns"},
}


class RoutingRule(NamedCondition):
    """What becomes of an alert before anybody counts it."""

    model_config = ConfigDict(json_schema_extra={"examples": [_RULE]})

    then: RoutingOutcome
    enabled: bool = True


class RoutingRulesEdit(RuleDocument):
    """All routing rules, in order."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"rules": [_RULE]}]})

    rules: Annotated[list[RoutingRule], Field(max_length=RULE_LIMIT)]

    def plain(self) -> list[dict[str, Any]]:
        """As `rulesets.check` reads them."""
        return plain(self.rules)

"""Priority rules and the matrix as people write them: bodies of the API and parts of the configuration document."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field

from app.rules.documents import RULE_LIMIT, NamedCondition, Outcome, RuleDocument, only_whole, plain

__all__ = ["MatrixEdit", "PriorityRule", "PriorityRulesEdit", "plain"]

Level = Annotated[Literal[1, 2, 3], BeforeValidator(only_whole)]
Priority = Annotated[Literal[1, 2, 3, 4, 5], BeforeValidator(only_whole)]
Row = Annotated[list[Priority], Field(min_length=3, max_length=3)]


class PriorityOutcome(Outcome):
    """What a rule sets: impact, urgency or both; 1 is the most. The first rule that sets one decides it."""

    impact: Level | None = None
    urgency: Level | None = None


_RULE: dict[str, Any] = {
    "key": "pci-first",
    "name": "PCI first",
    "when": '"pci" in service.tags',
    "then": {"impact": 1},
}


class PriorityRule(NamedCondition):
    """`when` is a CEL expression (`severity == "critical" && "pci" in service.tags`) or Alertmanager matchers
    (`{team="db",severity=~"critical|error"}`)."""

    model_config = ConfigDict(json_schema_extra={"examples": [_RULE]})

    then: PriorityOutcome
    enabled: bool = True


class PriorityRulesEdit(RuleDocument):
    """All priority rules, in order."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"rules": [_RULE]}]})

    rules: Annotated[list[PriorityRule], Field(max_length=RULE_LIMIT)]

    def plain(self) -> list[dict[str, Any]]:
        """As `rulesets.check` reads them."""
        return plain(self.rules)


class MatrixEdit(RuleDocument):
    """Rows are impact 1 to 3, columns urgency 1 to 3, cells priorities 1 (P1) to 5."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"matrix": [[1, 2, 3], [2, 3, 4], [3, 4, 5]]}]})

    matrix: Annotated[list[Row], Field(min_length=3, max_length=3)]

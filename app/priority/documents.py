"""Priority rules and the matrix as people write them: bodies of the API and parts of the configuration document."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer

Level = Literal[1, 2, 3]
Priority = Literal[1, 2, 3, 4, 5]
Row = Annotated[list[Priority], Field(min_length=3, max_length=3)]


class _Document(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class PriorityOutcome(_Document):
    """What a rule sets: impact, urgency or both; 1 is the most. The first rule that sets one decides it."""

    impact: Level | None = None
    urgency: Level | None = None

    @model_serializer(mode="wrap")
    def _only_what_is_set(self, serialise: SerializerFunctionWrapHandler) -> dict[str, int]:
        return {name: value for name, value in serialise(self).items() if value is not None}


_RULE: dict[str, Any] = {
    "key": "pci-first",
    "name": "PCI first",
    "when": '"pci" in service.tags',
    "then": {"impact": 1},
}


class PriorityRule(_Document):
    """`when` is a CEL expression (`severity == "critical" && "pci" in service.tags`) or Alertmanager matchers
    (`{team="db",severity=~"critical|error"}`)."""

    model_config = ConfigDict(json_schema_extra={"examples": [_RULE]})

    key: Annotated[str, Field(max_length=64, pattern=r"^[a-z0-9]+([-_.][a-z0-9]+)*$")]
    name: Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f]*[^\x00-\x20][^\x00-\x1f]*$")]
    when: Annotated[str, Field(min_length=1, max_length=4096)]
    then: PriorityOutcome
    enabled: bool = True


class PriorityRulesEdit(_Document):
    """All priority rules, in order."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"rules": [_RULE]}]})

    rules: Annotated[list[PriorityRule], Field(max_length=1000)]

    def plain(self) -> list[dict[str, Any]]:
        """As `rulesets.check` reads them."""
        return plain(self.rules)


class MatrixEdit(_Document):
    """Rows are impact 1 to 3, columns urgency 1 to 3, cells priorities 1 (P1) to 5."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"matrix": [[1, 2, 3], [2, 3, 4], [3, 4, 5]]}]})

    matrix: Annotated[list[Row], Field(min_length=3, max_length=3)]


def plain(rules: list[PriorityRule]) -> list[dict[str, Any]]:
    """The document that `rulesets.check` reads; what a rule does not set is absent."""
    return [rule.model_dump() for rule in rules]

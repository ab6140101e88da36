"""What rules of every kind look like in bodies of the API and in the configuration document."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer

RULE_LIMIT = 1_000


def only_whole(value: object) -> object:
    """For a choice of numbers, to which `true` would be 1 and 1.0 too, strict or not."""
    if type(value) is not int:
        raise ValueError("a whole number is needed")
    return value


def no_number(value: object) -> object:
    """For a choice of `true`, to which 1 would be it."""
    if not isinstance(value, bool):
        raise ValueError("must be true, or absent")
    return value


class RuleDocument(BaseModel):
    """Strict: nothing unknown, no `"1"` for 1."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class Outcome(RuleDocument):
    """What a rule sets; what it does not set is absent, not null."""

    @model_serializer(mode="wrap")
    def _only_what_is_set(self, serialise: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {name: value for name, value in serialise(self).items() if value is not None}


class NamedCondition(RuleDocument):
    """The members that rules of every kind have; what they set, `then`, is the kind's. `when` is a CEL expression
    (`severity == "critical" && "pci" in service.tags`) or Alertmanager matchers
    (`{team="db",severity=~"critical|error"}`)."""

    key: Annotated[str, Field(max_length=64, pattern=r"^[a-z0-9]+([-_.][a-z0-9]+)*$")]
    name: Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f]*[^\x00-\x20][^\x00-\x1f]*$")]
    when: Annotated[str, Field(min_length=1, max_length=4096)]


def plain(rules: Sequence[NamedCondition]) -> list[dict[str, Any]]:
    """The document that `rulesets.check` reads; what a rule does not set is absent."""
    return [rule.model_dump() for rule in rules]

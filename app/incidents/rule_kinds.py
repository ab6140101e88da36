"""The three kinds of rule sets, in the order in which the road asks them, with the documents people write."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic import ValidationError

from app.alerts.routing_documents import RoutingRule, RoutingRulesEdit
from app.alerts.routing_rules import ROUTING_RULES
from app.errors import Invalid, wrong_members
from app.incidents.correlation_documents import CorrelationRule, CorrelationRulesEdit
from app.incidents.correlation_rules import CORRELATION_RULES
from app.priority.assign import PRIORITY_RULES
from app.priority.documents import PriorityRule, PriorityRulesEdit
from app.rules.documents import NamedCondition, RuleDocument
from app.rules.rulesets import Kind


@dataclass(frozen=True, slots=True)
class Shape:
    """A kind with its documents: of one rule, and of a whole rule set (a member `rules`, a method `plain`)."""

    kind: Kind
    rule: type[NamedCondition]
    edit: type[RuleDocument]


SHAPES: Final = (
    Shape(ROUTING_RULES, RoutingRule, RoutingRulesEdit),
    Shape(CORRELATION_RULES, CorrelationRule, CorrelationRulesEdit),
    Shape(PRIORITY_RULES, PriorityRule, PriorityRulesEdit),
)
KINDS: Final[Mapping[str, Kind]] = {shape.kind.name: shape.kind for shape in SHAPES}
_EDITS: Final[Mapping[str, type[Any]]] = {shape.kind.name: shape.edit for shape in SHAPES}


def parse(kind: Kind, rules: object) -> list[dict[str, Any]]:
    """Rules that were kept as somebody wrote them, as `rulesets.check` reads them. Raises `Invalid`; its errors have
    fields like `rules[2].then.impact`. What conditions say is not looked at."""
    try:
        made: list[dict[str, Any]] = _EDITS[kind.name].model_validate({"rules": rules}).plain()
    except ValidationError as wrong:
        errors = wrong_members(map(dict, wrong.errors()), {"rules": rules})
        raise Invalid(f"{errors[0]['field']}: {errors[0]['message']}", errors=errors) from None
    return made

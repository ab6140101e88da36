"""Which rule sets differ from what a document wants. Pure; a rule set is planned as a whole."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final, Literal

from app.alerts.routing_rules import ROUTING_RULES
from app.configuration.document import ConfigurationDocument, ServiceEntry, ServiceRules
from app.directory.documents import Document, ServiceDocument
from app.incidents.correlation_rules import CORRELATION_RULES
from app.priority.assign import PRIORITY_RULES
from app.rules.documents import NamedCondition, plain
from app.rules.rulesets import Kind

Section = Literal["routing_rules", "correlation_rules", "priority_rules"]
RULES: Final[dict[Section, Kind]] = {
    "routing_rules": ROUTING_RULES,
    "correlation_rules": CORRELATION_RULES,
    "priority_rules": PRIORITY_RULES,
}
"""By their section in the document; services have them under `rules`, by the name of the kind."""


class RuleSetEntry(Document):
    """All rules of one kind and scope, as `rulesets.check` reads them."""

    rules: list[dict[str, Any]]


Found = tuple[Section, str, RuleSetEntry, RuleSetEntry, str, str]
"""Kind, key for people, before, after, the service (empty: the organisation's), and the place in the document."""


def rule_sets(current: ConfigurationDocument, wanted: ConfigurationDocument) -> Iterator[Found]:
    """Those of the organisation, then those of services."""
    for section in RULES:
        if (after := getattr(wanted, section)) is not None:
            yield from _differing(section, getattr(current, section) or [], after, "", section)
    known = {entry.key: entry.rules for entry in current.services or []}
    for i, entry in enumerate(wanted.services or []):
        for section, kind in RULES.items() if entry.rules is not None else ():
            before = getattr(known.get(entry.key) or ServiceRules(), kind.name)
            at = f"services[{i}].rules.{kind.name}"
            yield from _differing(section, before, getattr(entry.rules, kind.name), entry.key, at)


def bare(entry: Any) -> Any:
    """An entry without what is planned by itself: the rules of a service."""
    if isinstance(entry, ServiceEntry):
        return ServiceDocument.model_validate(entry.model_dump(exclude={"rules"}))
    return entry


def _differing(
    section: Section, before: Sequence[NamedCondition], after: Sequence[NamedCondition], service: str, at: str
) -> Iterator[Found]:
    if before != after:
        old, new = (RuleSetEntry(rules=plain(rules)) for rules in (before, after))
        yield section, service or section, old, new, service, at

"""Rule sets: ordered, versioned rules of one kind, compiled once, and what they decide about some facts.

A document is a JSON list, in order:
`{"key": "pci-first", "name": "PCI first", "when": "\\"pci\\" in service.tags", "then": {"impact": 1}, "enabled": true}`
where `enabled` may be left out. What `then` may hold, the room that owns the kind says (`Kind.check_outcome`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from heapq import merge
from typing import Any, Literal

from app.errors import Invalid
from app.rules import conditions
from app.rules.conditions import Condition
from app.rules.facts import Facts

RULE_LIMIT = 1_000
_KEY = re.compile(r"[a-z0-9]+(?:[-_.][a-z0-9]+)*")
_KEY_LENGTH, _NAME_LENGTH = 64, 200
_MEMBERS = {"key", "name", "when", "then", "enabled"}


@dataclass(frozen=True, slots=True)
class Kind:
    """What sort of rule set this is. `word` as in the glossary, e.g. "priority rule".

    `settles`: "first": the first matching rule decides all; "each": every member of the outcome is decided by the first
    matching rule that has it. `check_outcome` gives what is wrong with a `then`, as (path within it,
    message); none: it is right.
    `service_member`: the member of an outcome that names a service, which must exist; a service's own rules must not
    set it. `expressions_member`: the member that lists CEL expressions; a rule for which all are empty does not apply.
    """

    name: str
    word: str
    settles: Literal["first", "each"]
    check_outcome: Callable[[Mapping[str, Any]], list[tuple[str, str]]]
    service_member: str | None = None
    expressions_member: str | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    key: str
    name: str
    condition: Condition
    outcome: Mapping[str, Any]
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one rule decided, and why. `because` is a sentence for people, with the values that were looked at."""

    outcome: Mapping[str, Any]
    rule: str
    name: str
    kind: str
    version: int
    because: str


@dataclass(frozen=True, slots=True)
class Failure:
    """A rule whose condition could not be evaluated on these facts; it did not apply."""

    rule: str
    error: str


@dataclass(frozen=True, slots=True)
class Decision:
    """`verdicts` in rule order, none when no rule applied; with "first" at most one. `failures` are for the screen."""

    verdicts: tuple[Verdict, ...]
    failures: tuple[Failure, ...] = ()


@dataclass(frozen=True, slots=True)
class RuleSet:
    """Rules of one kind and version. Indexed by what must equal a constant, so a thousand cost little more than ten."""

    kind: Kind
    version: int
    rules: tuple[Rule, ...]
    references: frozenset[str] = field(init=False, repr=False, compare=False)
    _indexed: Mapping[str, Mapping[str, list[int]]] = field(init=False, repr=False, compare=False)
    _others: list[int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        indexed: dict[str, dict[str, list[int]]] = {}
        others: list[int] = []
        enabled = [(at, rule) for at, rule in enumerate(self.rules) if rule.enabled]
        for at, rule in enabled:
            if rule.condition.equalities:
                reference, constant = next(iter(rule.condition.equalities.items()))
                indexed.setdefault(reference, {}).setdefault(constant, []).append(at)
            else:
                others.append(at)
        references = frozenset[str]().union(*(rule.condition.references for _, rule in enabled))
        object.__setattr__(self, "references", references)
        object.__setattr__(self, "_indexed", indexed)
        object.__setattr__(self, "_others", others)

    def candidates(self, facts: Facts) -> Iterator[Rule]:
        """The enabled rules that could match, in order."""
        found = [self._others]
        for reference, by_constant in self._indexed.items():
            value = facts.read(reference)
            if isinstance(value, str) and (at := by_constant.get(value)):
                found.append(at)
        return (self.rules[at] for at in (merge(*found) if len(found) > 1 else found[0]))


def decide(ruleset: RuleSet, facts: Facts) -> Decision:
    """Applies the rules in order. Never raises for what the facts hold."""
    verdicts: list[Verdict] = []
    failures: list[Failure] = []
    decided: set[str] = set()
    prepared = conditions.activation(facts, ruleset.references)
    for rule in ruleset.candidates(facts):
        news = {k: v for k, v in rule.outcome.items() if k not in decided}
        if not news:
            continue
        outcome = rule.condition.evaluate_in(prepared)
        if outcome.error is not None:
            failures.append(Failure(rule.key, outcome.error))
        if not outcome.matched:
            continue
        verdicts.append(_verdict(ruleset, rule, news, facts))
        if ruleset.kind.settles == "first":
            break
        decided |= news.keys()
    return Decision(tuple(verdicts), tuple(failures))


def check(document: object, kind: Kind, version: int = 1) -> RuleSet:
    """Builds a rule set from its document. Raises `Invalid` that lists every error, e.g. field `rules[2].when`."""
    if not isinstance(document, list):
        raise Invalid("rules are a list", errors=[{"field": "rules", "message": "must be a list"}])
    if len(document) > RULE_LIMIT:
        message = f"at most {RULE_LIMIT} rules, these are {len(document)}"
        raise Invalid(message, errors=[{"field": "rules", "message": message}])
    errors: list[dict[str, str]] = []
    rules = [_rule(f"rules[{at}]", entry, kind, errors) for at, entry in enumerate(document)]
    seen: dict[str, int] = {}
    for at, rule in enumerate(rules):
        if rule is not None and (first := seen.setdefault(rule.key, at)) != at:
            errors.append(
                {"field": f"rules[{at}].key", "message": f"{rule.key!r} is the key of rules[{first}] already"}
            )
    if errors:
        raise Invalid(f"{errors[0]['field']}: {errors[0]['message']}", errors=errors)
    return RuleSet(kind, version, tuple(rule for rule in rules if rule is not None))


def document(ruleset: RuleSet) -> list[dict[str, Any]]:
    """The inverse of `check`."""
    return [
        {"key": r.key, "name": r.name, "when": r.condition.source, "then": dict(r.outcome), "enabled": r.enabled}
        for r in ruleset.rules
    ]


def _verdict(ruleset: RuleSet, rule: Rule, outcome: Mapping[str, Any], facts: Facts) -> Verdict:
    values = ", ".join(f"{name} = {_short(value)}" for name, value in rule.condition.values(facts).items())
    because = f'{ruleset.kind.word} "{rule.name}" (version {ruleset.version}): {rule.condition.source}'
    if values:
        because += f"; here {values}"
    return Verdict(outcome, rule.key, rule.name, ruleset.kind.name, ruleset.version, because)


def _short(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 100 else text[:99] + "…"


def _rule(field_name: str, entry: object, kind: Kind, errors: list[dict[str, str]]) -> Rule | None:
    """The rule, or None after adding what is wrong to `errors`."""
    if not isinstance(entry, dict):
        errors.append({"field": field_name, "message": "must be an object"})
        return None
    wrong = [(str(name), "is not known here") for name in sorted(entry.keys() - _MEMBERS, key=str)]
    wrong += _wrong_texts(entry)
    then = entry.get("then")
    if not isinstance(then, dict) or not then:
        wrong.append(("then", "must be an object that sets something"))
    else:
        wrong += [(f"then.{path}", message) for path, message in kind.check_outcome(then)]
    if not isinstance(entry.get("enabled", True), bool):
        wrong.append(("enabled", "must be true or false"))
    condition = None
    try:
        condition = conditions.compile(entry["when"]) if isinstance(entry.get("when"), str) else None
    except Invalid as e:
        wrong.append(("when", e.message))
    errors += [{"field": f"{field_name}.{name}", "message": message} for name, message in wrong]
    if wrong or condition is None:
        return None
    return Rule(entry["key"], entry["name"], condition, dict(entry["then"]), entry.get("enabled", True))


def _wrong_texts(entry: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    key, name = entry.get("key"), entry.get("name")
    if not isinstance(key, str) or len(key) > _KEY_LENGTH or not _KEY.fullmatch(key):
        yield "key", f"must be a slug of at most {_KEY_LENGTH} characters, like pci-first"
    if not isinstance(name, str) or not name.strip() or len(name) > _NAME_LENGTH:
        yield "name", f"must be a text of 1 to {_NAME_LENGTH} characters"
    if not isinstance(entry.get("when"), str):
        yield "when", "must be a text"

"""What is allowed in a rule set and yet looks like a mistake. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from app.rules import conditions
from app.rules.facts import MAPS
from app.rules.key_parts import compile_text
from app.rules.rulesets import Rule, RuleSet

Code = Literal["unseen", "never_applies", "disabled"]


@dataclass(frozen=True, slots=True)
class DraftWarning:
    """`rule` is its key; `code` is for programs, `message` for people."""

    rule: str
    code: Code
    message: str


def references(rule: Rule, expressions_member: str | None) -> frozenset[str]:
    """The labels and annotations that a rule looks at: `labels.team`."""
    parts = rule.outcome[expressions_member] if expressions_member is not None else ()
    read = rule.condition.references.union(*(compile_text(part).references for part in parts))
    return frozenset(name for name in read if name.partition(".")[0] in MAPS)


def warnings(ruleset: RuleSet, seen: Collection[str], events: int) -> list[DraftWarning]:
    """In the order of the rules. `seen`: the labels and annotations (`labels.team`) that the last `events` events
    carried; with no event at all nothing is said about them."""
    found: list[DraftWarning] = []
    enabled: list[Rule] = []
    for rule in ruleset.rules:
        if not rule.enabled:
            found.append(DraftWarning(rule.key, "disabled", "it is switched off and does nothing"))
            continue
        found += _unseen(rule, ruleset, seen, events) if events else ()
        earlier = _decided_by(rule, enabled, ruleset)
        if earlier is not None:
            words = " and ".join(f'"{e.name}"' for e in earlier)
            message = f"it can never decide anything: {words} before it holds whenever it does, and decides the same"
            found.append(DraftWarning(rule.key, "never_applies", message))
        enabled.append(rule)
    return found


def _unseen(rule: Rule, ruleset: RuleSet, seen: Collection[str], events: int) -> Iterator[DraftWarning]:
    for name in sorted(references(rule, ruleset.kind.expressions_member) - set(seen)):
        yield DraftWarning(rule.key, "unseen", f"none of the last {events} events carried {name}; is it misspelt?")


def _decided_by(rule: Rule, earlier: Sequence[Rule], ruleset: RuleSet) -> list[Rule] | None:
    """The earlier rules that hold whenever this one does and decide all that it would; None when there are none."""
    wider = [e for e in earlier if _implies(rule, e)]
    if ruleset.kind.settles == "first":
        member = ruleset.kind.expressions_member
        # One whose expressions are all empty does not apply, so the later one may be meant for that.
        deciding = [e for e in wider if member is None or set(rule.outcome[member]) <= set(e.outcome[member])]
        return deciding[:1] or None
    deciding = [e for e in wider if e.outcome.keys() & rule.outcome.keys()]
    decided = {name for e in deciding for name in e.outcome}
    return deciding if rule.outcome.keys() <= decided else None


def _implies(rule: Rule, earlier: Rule) -> bool:
    """Whether every part of the earlier condition always holds, or is a part of this one."""
    own = {cel for _, cel in rule.condition.parts}
    return all(cel == "true" or cel in own or _equals(cel, rule) for _, cel in earlier.condition.parts)


def _equals(cel: str, rule: Rule) -> bool:
    """Whether a part is nothing but an equality that this rule asks for too, however it writes it."""
    part = conditions.compile(cel)
    alone = len(part.parts) == 1 and part.references == part.equalities.keys()
    return alone and part.equalities.items() <= rule.condition.equalities.items()

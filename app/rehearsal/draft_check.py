"""What is wrong with a draft of a rule set, and what looks like a mistake in it. Reads, and stores nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from app.alerts.routing_rules import ROUTING_RULES
from app.errors import Invalid
from app.incidents import rule_kinds
from app.rehearsal import store
from app.rules import commands, draft_warnings, rulesets
from app.rules import store as rules_store
from app.rules.draft_warnings import DraftWarning
from app.rules.rulesets import Kind, RuleSet

EVENTS = 10_000
"""How many of the newest events are asked for the labels that rules look at."""


@dataclass(frozen=True, slots=True)
class Checked:
    """`errors` keep it from being published, `warnings` do not. `events`: how many were looked at for the warnings."""

    errors: list[dict[str, str]]
    warnings: list[DraftWarning]
    events: int
    in_force: int


async def check(conn: AsyncConnection, kind: Kind, scope: str, rules: list[dict[str, Any]]) -> Checked:
    """All that can be said about these rules without trying them."""
    in_force = (await rules_store.newest(conn, kind, scope)).version
    ruleset, errors = await compiled(conn, kind, scope, rules)
    if ruleset is None:
        return Checked(errors, [], 0, in_force)
    names = {
        name
        for rule in ruleset.rules
        if rule.enabled
        for name in draft_warnings.references(rule, kind.expressions_member)
    }
    seen, events = await store.carried(conn, names, EVENTS)
    if kind is not ROUTING_RULES:
        seen |= await _added(conn)
    return Checked(errors, draft_warnings.warnings(ruleset, seen, events), events, in_force)


async def compiled(
    conn: AsyncConnection, kind: Kind, scope: str, rules: list[dict[str, Any]]
) -> tuple[RuleSet | None, list[dict[str, str]]]:
    """The rule set, or all that keeps it from being one."""
    errors: list[dict[str, str]] = []
    ruleset = None
    try:
        rule_kinds.parse(kind, rules)
    except Invalid as wrong:
        errors += wrong.errors
    try:
        ruleset = rulesets.check(rules, kind)
        await commands.check_services(conn, ruleset, scope)
    except Invalid as wrong:
        errors += [e for e in wrong.errors if not _said(e["field"], errors)]
    return (None, errors) if errors else (ruleset, [])


def _said(field: str, errors: list[dict[str, str]]) -> bool:
    """Whether something was said about this place, or about something inside of it."""
    return any(e["field"] == field or e["field"].startswith((f"{field}.", f"{field}[")) for e in errors)


async def _added(conn: AsyncConnection) -> set[str]:
    """The labels that routing rules add before any other rule looks."""
    documents = (await rules_store.newest_documents(conn, ROUTING_RULES)).values()
    return {f"labels.{name}" for rules in documents for rule in rules for name in rule["then"].get("labels", {})}

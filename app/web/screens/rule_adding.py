"""What the small form "Add a rule" makes: a rule as drafts hold it. Pure. What is wrong with it the draft's check says,
beside the line on which it stands; here only what would be no rule at all is refused."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

from app.web.api.rule_drafts import DraftRule
from app.web.screens.entered import Entered


class RuleForm(Entered):
    """A rule by its condition and what it sets; empty: it does not set that."""

    name: str = ""
    when: str = ""
    service: str = ""
    labels: str = ""
    severity: str = ""
    suppress: str = ""
    hold_minutes: str = ""
    category: str = ""
    runbook: str = ""
    note: str = ""
    same: str = ""
    across_services: str = ""
    window_minutes: str = ""
    cap_hours: str = ""
    reopen_minutes: str = ""
    threshold_count: str = ""
    threshold_minutes: str = ""
    impact: str = ""
    urgency: str = ""


_TEXTS = {"routing": ("service", "severity", "category", "runbook", "note"), "correlation": (), "priority": ()}
_NUMBERS = {
    "routing": ("hold_minutes",),
    "correlation": ("window_minutes", "cap_hours", "reopen_minutes"),
    "priority": ("impact", "urgency"),
}


def rule(kind: str, form: RuleForm, taken: Collection[str]) -> tuple[DraftRule | None, dict[str, str]]:
    """The rule, or messages by field. Its key is made from its name, unlike those that are `taken`."""
    errors = {}
    name, when = " ".join(form.name.split())[:200], form.when.strip()
    if not name:
        errors["name"] = "say what it is for; that is what people read when they ask why"
    if not when:
        errors["when"] = 'say when it holds: matchers like {team="db"}, or true for always'
    then, more = _then(kind, form)
    errors |= more
    if not then and not errors:
        errors[""] = "say what the rule does"
    if errors:
        return None, errors
    return DraftRule(key=_key(name, taken), name=name, when=when[:20_000], then=then), {}


def _then(kind: str, form: RuleForm) -> tuple[dict[str, Any], dict[str, str]]:
    then: dict[str, Any] = {}
    errors = {}
    if kind == "correlation":
        parts = [line.strip() for line in form.same.splitlines() if line.strip()]
        if not parts:
            errors["same"] = "say what must be the same, like labels.cluster; one expression a line"
        then["key"] = parts
    for name in _TEXTS[kind]:
        if text := getattr(form, name).strip():
            then[name] = text
    if kind == "routing":
        labels, wrong = _labels(form.labels)
        errors |= {"labels": wrong} if wrong else {}
        then |= {"labels": labels} if labels else {}
        then |= {"suppress": True} if form.suppress else {}
    if kind == "correlation":
        then |= {"across_services": True} if form.across_services else {}
        if form.threshold_count.strip() or form.threshold_minutes.strip():
            then["threshold"] = {
                "count": _number(form.threshold_count),
                "within_minutes": _number(form.threshold_minutes),
            }
    then |= {name: _number(text) for name in _NUMBERS[kind] if (text := getattr(form, name)).strip()}
    return then, errors


def _labels(text: str) -> tuple[dict[str, str], str]:
    """From `area=retail, tier=1`."""
    pairs = [pair.partition("=") for pair in re.split(r"[,\n]", text) if pair.strip()]
    if any(not (equals and name.strip()) for name, equals, _ in pairs):
        return {}, "write labels like area=retail, tier=1"
    return {name.strip(): value.strip() for name, _, value in pairs}, ""


def _number(text: str) -> int | str:
    """What is no number stays a text, of which the check says what it should be."""
    plain = text.strip()
    return int(plain) if plain.isascii() and plain.isdigit() and len(plain) < 10 else plain


def _key(name: str, taken: Collection[str]) -> str:
    base = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:58].strip("-") or "rule"
    return next(key for n in range(1, len(taken) + 2) if (key := base if n == 1 else f"{base}-{n}") not in taken)

"""The form of an escalation policy: from the tree of its fields to the document, and back. Pure."""

from __future__ import annotations

from typing import Any, Final

from pydantic import ValidationError

from app.errors import wrong_members
from app.escalation.policy_document import PolicyDocument, StepDocument
from app.web.screens.form_tree import Tree, number, placed, text, texts, trees
from app.web.screens.schedule_form import key_of

LISTS: Final = frozenset({"steps", "steps.targets[]", "steps.only[]"})
FIELDS: Final = ("name", "key", "team", "repeats", "hand_over_to", "steps")
STEP: Final = ("delay", "targets", "whom", "acknowledge", "at_least", "only", "support_hours", "state")
NAMES: Final = {
    "steps.delay_s": "delay",
    "steps.when.priority_at_least": "at_least",
    "steps.when.priority_only": "only",
    "steps.when.support_hours": "support_hours",
    "steps.when.state": "state",
    "hand_over_to_tier": "hand_over_to",
}
UNITS: Final = {"1": "seconds", "60": "minutes", "3600": "hours"}
WHOM: Final = {"everyone": "everybody at once", "round_robin": "one of them, each in turn"}
ACKNOWLEDGE: Final = {"any": "one of them", "all": "all of them"}
AT_LEAST: Final = {"1": "P1", "2": "P1 and P2", "3": "P1 to P3", "4": "P1 to P4"}
HOURS: Final = {"inside": "inside support hours", "outside": "outside support hours"}
_TIER: Final = "tier:"
"""No key of a policy begins so."""
TIERS: Final = tuple((f"{_TIER}{n}", f"support tier {n} of the incident's service") for n in (2, 3))
STATES: Final = {"not_resolved": "is not resolved, although somebody has it"}


def tree_of(policy: PolicyDocument) -> Tree:
    """What the form shows of a stored policy."""
    return {
        "name": policy.name,
        "key": policy.key,
        "team": policy.team or "",
        "repeats": str(policy.repeats),
        "hand_over_to": f"{_TIER}{policy.hand_over_to_tier}" if policy.hand_over_to_tier else policy.hand_over_to or "",
        "steps": [_step_tree(step) for step in policy.steps],
    }


def _step_tree(step: StepDocument) -> Tree:
    unit = next(u for u in (3600, 60, 1) if step.delay_s % u == 0)
    when = step.when
    at_least = when.priority_at_least if when else None
    return {
        "delay": str(step.delay_s // unit),
        "unit": str(unit),
        "targets": [f"{t.type}:{t.key}" for t in step.targets],
        "whom": step.whom,
        "acknowledge": step.acknowledge,
        "at_least": str(at_least or ""),
        "only": [str(p) for p in (when.priority_only or [] if when else [])],
        "support_hours": (when.support_hours or "") if when else "",
        "state": (when.state or "") if when else "",
    }


def empty(path: str) -> Tree | None:
    """What a button adds to the list of this path."""
    if path != "steps":
        return None
    return {"delay": "5", "unit": "60", "targets": [], "whom": "everyone", "acknowledge": "any", "only": []}


def document(tree: Tree) -> tuple[PolicyDocument | None, dict[str, str]]:
    """The document, or what is wrong by field of the form."""
    given: dict[str, Any] = {
        "key": text(tree, "key") or key_of(text(tree, "name")),
        "name": text(tree, "name"),
        "team": text(tree, "team") or None,
        "repeats": number(text(tree, "repeats") or "0"),
        **_following(text(tree, "hand_over_to")),
        "steps": [_step(step) for step in trees(tree, "steps")],
    }
    try:
        return PolicyDocument.model_validate(given), {}
    except ValidationError as refused:
        return None, located(tree, wrong_members([dict(e) for e in refused.errors()], given))


def _following(chosen: str) -> dict[str, Any]:
    if chosen.startswith(_TIER):
        return {"hand_over_to_tier": number(chosen.removeprefix(_TIER))}
    return {"hand_over_to": chosen or None}


def _step(step: Tree) -> dict[str, Any]:
    delay, unit = number(text(step, "delay")), text(step, "unit")
    when = {
        "priority_at_least": number(text(step, "at_least")) if text(step, "at_least") else None,
        "priority_only": [number(p) for p in texts(step, "only")] or None,
        "support_hours": text(step, "support_hours") or None,
        "state": text(step, "state") or None,
    }
    kinds = [target.partition(":") for target in dict.fromkeys(texts(step, "targets"))]
    return {
        "delay_s": delay * int(unit) if isinstance(delay, int) and unit in UNITS else delay,
        "targets": [{"type": kind, "key": key} for kind, _, key in kinds],
        "whom": text(step, "whom") or "everyone",
        "acknowledge": text(step, "acknowledge") or "any",
        "when": when if any(value is not None for value in when.values()) else None,
    }


def located(tree: Tree, errors: list[dict[str, str]]) -> dict[str, str]:
    """Messages by field of the form."""
    steps = trees(tree, "steps")
    whole = [error | {"field": error["field"].replace(".when.", ".").replace(".when", ".at_least")} for error in errors]

    def known(path: str) -> bool:
        first, *rest = path.split(".")
        if not rest:
            return first in FIELDS
        return first == "steps" and rest[0].isdigit() and int(rest[0]) < len(steps) and _in_step(rest[1:])

    return placed(whole, NAMES | _PLAIN, known)


_PLAIN: Final = {"steps.priority_at_least": "at_least", "steps.priority_only": "only"}


def _in_step(rest: list[str]) -> bool:
    return len(rest) == 1 and rest[0] in STEP

"""What a policy does, a sentence a step: the preview of its editor. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from app.escalation.policy_document import Condition, PolicyDocument, StepDocument, Target
from app.web.screens.rendering import listed

Names = Mapping[str, str]
"""By `user:ana`."""

_UNITS: Final = ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))


def long(seconds: int) -> str:
    """`5 minutes`, `1 hour 30 minutes`."""
    parts = []
    for length, word in _UNITS:
        count, seconds = divmod(seconds, length)
        if count:
            parts.append(f"{count} {word}{'s' if count != 1 else ''}")
    return " ".join(parts) or "0 seconds"


def steps(policy: PolicyDocument, names: Names) -> list[str]:
    """One for each step, as the first round takes it."""
    return [_step(step, names, last=n == len(policy.steps)) for n, step in enumerate(policy.steps, start=1)]


def after(policy: PolicyDocument, hand_over_to: str, last_resort: Sequence[Target], names: Names) -> list[str]:
    """What follows the steps. `hand_over_to`: the name of that policy."""
    last = listed([_target(target, names) for target in last_resort]) or "nobody: there is no last resort yet"
    rounds = (
        "1 more round like this follows. "
        if policy.repeats == 1
        else f"{policy.repeats} more rounds like this follow. "
    )
    told = rounds if policy.repeats else ""
    if policy.hand_over_to:
        told += f"Then the policy {hand_over_to or policy.hand_over_to} goes on. "
    if policy.hand_over_to_tier:
        told += (
            f"Then the policy of support tier {policy.hand_over_to_tier} goes on, if the incident's service has it. "
        )
    lines = [told.strip()] if told else []
    return [*lines, f"When nobody has acknowledged by then, the last resort is paged: {last}."]


def _step(step: StepDocument, names: Names, *, last: bool) -> str:
    people = [_target(t, names) for t in step.targets if t.type != "webhook"]
    programs = [names.get(f"webhook:{t.key}", t.key) for t in step.targets if t.type == "webhook"]
    told = []
    if people and step.whom == "round_robin":
        told.append(f"page one of {listed(people)}, each in turn")
    elif people:
        told.append(f"page {listed(people)}")
    if programs:
        told.append(f"call {listed(programs)}")
    said = " and ".join(told) + "."
    if conditions := list(_conditions(step.when)):
        said = f"If {' and '.join(conditions)}: {said} Otherwise it is skipped."
    if step.acknowledge == "all" and people:
        said += " All whom it paged must acknowledge."
    lasts = step.when is not None and step.when.state == "not_resolved"
    then = "what follows the steps" if last else "the next step"
    until = "resolved" if lasts else "acknowledged"
    waits = f" If it is not {until} within {long(step.delay_s)}, {then} is taken."
    return said[:1].upper() + said[1:] + (waits if people else f" Then {then}, at once.")


def _target(target: Target, names: Names) -> str:
    name = names.get(f"{target.type}:{target.key}", target.key)
    said = {
        "schedule": f"whoever is on call in {name}",
        "team": f"everybody in {name}",
        "tier": f"whoever the first step of support tier {target.key} names",
    }
    return said.get(target.type, name)


def _conditions(when: Condition | None) -> Iterator[str]:
    if when is None:
        return
    if when.priority_at_least is not None:
        more = " or more important" if when.priority_at_least > 1 else ""
        yield f"it is P{when.priority_at_least}{more}"
    if when.priority_only:
        yield f"it is {' or '.join(f'P{p}' for p in when.priority_only)}"
    if when.support_hours:
        yield f"it is {when.support_hours} the support hours of the service"
    if when.state == "not_resolved":
        yield "it is not resolved, although somebody may have it"

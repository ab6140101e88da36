"""A night as a story that a person can read: who lives there, what happened, what was sent, what is wrong."""

from __future__ import annotations

from collections.abc import Iterable

from app.incidents import timeline
from nights.evidence import Answered, Evidence, Heard, Letter
from nights.script import Hook, Night


def script(night: Night) -> list[str]:
    """What was to happen."""
    town = night.organisation
    lines = [f"Night {night.seed}, from {night.began:%Y-%m-%d %H:%M} UTC, {night.lasts / 60:.0f} minutes, {town.zone}"]
    for person in town.people:
        rules = ", ".join(f"{channel} after {delay} s" for _, delay, channel in person.rules)
        reached = f"{', '.join(person.channels) or 'cannot be reached'}; {rules or 'default plan'}"
        digest = f", quiet pages of a night at {person.digest_at}" if person.digest_at else ""
        lines.append(f"  {person.name} ({reached}{digest}) answers: {person.temper}")
    for schedule in town.schedules:
        (layer,) = schedule["layers"]
        turns = ", ".join(key for turn in layer["members"] for key in turn)
        lines.append(f"  {schedule['key']}: {turns}; turns of {layer['length']} {layer['unit']} from {layer['anchor']}")
    lines += [f"  override: {o['user']} in {o['schedule']}, {o['starts_at']} to {o['ends_at']}" for o in town.overrides]
    lines += [f"  {p['key']}, {p['repeats']} repeats{_then(p)}: {_steps(p)}" for p in town.policies]
    lines += [f"  {s.key}: {s.policy}, criticality {s.criticality}" for s in town.services]
    lines += [f"  P{row['priority']} informs {row['policy']}, {row['loudness']}" for row in town.informed]
    lines += [f"  {_hook(h)}" for h in town.hooks]
    lines += [f"  template {key}: {text!r}" for key, text in town.templates]
    return lines + [f"  {_clock(h.at)} {h.tell()}" for h in night.happenings]


def story(night: Night, seen: Evidence, wrong: Iterable[str] = ()) -> str:
    """The script, what came of it in order, and what is wrong."""
    told = [(at, 0, words) for at, words in seen.story]
    told += [(s.at, 1, f"  incident {s.number} is {s.state} (epoch {s.epoch})") for s in seen.seen]
    told += [(x.claimed_at, 2, f"    {_letter(x)}") for x in seen.letters]
    told += [(a.at, 1, f"  {_answer(a)}") for a in seen.answered]
    told += [(x.claimed_at, 2, f"    {_call(x)}") for x in seen.heard]
    told += [
        (e.at, 3, f"      timeline of {e.number}: {timeline.describe(e.kind, e.data)}") for e in seen.rows.timeline
    ]
    happened = [f"  {_clock((at - seen.began).total_seconds())} {words}" for at, _, words in sorted(told)]
    return "\n".join(
        [*script(night), "What happened:", *happened, "What is wrong:", *(f"  {w}" for w in wrong),
         f"Again: TOCSIN_NIGHT={night.seed} ./tocsin test tests/night"]
    )  # fmt: skip


def _then(policy: dict[str, object]) -> str:
    return f", then {policy['hand_over_to']}" if policy.get("hand_over_to") else ""


def _steps(policy: dict[str, list[dict[str, list[dict[str, str]]]]]) -> str:
    told = []
    for step in policy["steps"]:
        extra = {k: v for k, v in step.items() if k not in ("delay_s", "targets")}
        told.append(f"{', '.join(t['key'] for t in step['targets'])} {step['delay_s']} s{f' {extra}' if extra else ''}")
    return " / ".join(told)


def _hook(hook: Hook) -> str:
    important = f" from P{hook.priority_at_least} up" if hook.priority_at_least < 5 else ""
    return f"{hook.key} hears of {', '.join(hook.services) or 'all services'}{important}: {', '.join(hook.happens)}"


def _answer(answered: Answered) -> str:
    changed = [f"{n} is {state} ({held or 'nobody'})" for n, (state, held) in answered.after.items()
               if answered.before.get(n) != (state, held)]  # fmt: skip
    return (
        f"{answered.said!r} of {answered.person} to a digest about {sorted(answered.carried)}: {changed or 'nothing'}"
    )


def _call(heard: Heard) -> str:
    fate = heard.told if heard.taken else f"{heard.told}, not taken"
    called = " by a step" if heard.of_step else ""
    return f"{heard.hook} hears {heard.type} of incident {heard.number}{called} [{fate}]"


def _letter(letter: Letter) -> str:
    fate = letter.told if letter.taken else f"{letter.told}, not taken"
    return f"{letter.channel} to {letter.person} ({letter.purpose}): {letter.subject!r} [{fate}]"


def _clock(after_s: float) -> str:
    minutes, seconds = divmod(after_s, 60)
    return f"+{minutes:03.0f}:{seconds:06.3f}"

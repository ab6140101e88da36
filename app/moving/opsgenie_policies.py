"""Opsgenie's escalations.

The delay of a rule counts from the start of the escalation, not from the rule before: ours are the differences. Ours
page the first step at once, so the first rule comes sooner by its delay; all others keep their time. `waitInterval`
counts from the last rule until everything begins again, `count` is how often it does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from app.moving import opsgenie_people
from app.moving.draft import Draft
from app.moving.exports import Collected, Found, listed
from app.moving.keys import clean
from app.moving.moved import Json

_UNITS: Final = {"seconds": 1, "minutes": 60, "hours": 3600, "days": 86_400}
SHORTEST_S: Final = 30
AFTER_ALL_S: Final = 1800
"""How long the last step waits for somebody before the last resort, where the source has nothing more to do."""
_MOST_REPEATS: Final = 20


class _At(NamedTuple):
    """Rules that fall due at the same time, under the same condition."""

    delay_s: int
    state: str | None
    targets: list[Json]


def policies(draft: Draft, found: Collected, schedules: Mapping[str, str], teams: Mapping[str, str]) -> dict[str, str]:
    """Keys of policies by their ids, and the policies in the draft."""
    keys = draft.keys("policies", [(e.value["id"], str(e.value.get("name") or "")) for e in found["escalation"]])
    for escalation in found["escalation"]:
        value = escalation.value
        due = _due(draft, escalation, schedules, teams, found)
        if not due:
            draft.note("left_out", f"escalation {value.get('name')}", escalation.where, "no rule of it pages anybody")
            continue
        if due[0].delay_s:
            draft.note("changed", "the delay before the first rule", escalation.where,
                       f"{due[0].delay_s} s there; the first step is taken at once",
                       "the first page comes sooner, all others keep their time")  # fmt: skip
        repeats, last_s = _repeat(draft, escalation)
        entry: Json = {
            "key": keys[value["id"]],
            "name": clean(value.get("name") or value["id"]),
            "repeats": repeats,
            "steps": _steps(draft, escalation, due, last_s),
        }
        if (owner := teams.get(str((value.get("ownerTeam") or {}).get("id")))) is not None:
            entry["team"] = owner
        draft.add("policies", entry)
    return keys


def _due(
    draft: Draft, escalation: Found, schedules: Mapping[str, str], teams: Mapping[str, str], found: Collected
) -> list[_At]:
    """In the order of their time; rules of the same time and condition together."""
    due: dict[tuple[int, str | None], _At] = {}
    for number, rule in enumerate(listed(escalation.value["rules"]), start=1):
        where = escalation.at(f"rule {number}")
        delay = rule.get("delay") or {}
        delay_s = int(delay.get("timeAmount") or 0) * _UNITS.get(str(delay.get("timeUnit") or "minutes"), 60)
        state = "not_resolved" if rule.get("condition") == "if-not-closed" else None
        at = due.setdefault((delay_s, state), _At(delay_s, state, []))
        at.targets.extend(t for t in _targets(draft, rule, where, schedules, teams, found) if t not in at.targets)
    return sorted((at for at in due.values() if at.targets), key=lambda at: (at.delay_s, at.state or ""))


def _steps(draft: Draft, escalation: Found, due: Sequence[_At], last_s: int) -> list[Json]:
    steps = []
    taken_s = 0
    for n, at in enumerate(due):
        following = due[n + 1].delay_s if n + 1 < len(due) else None
        wait_s = last_s if following is None else following - taken_s
        if wait_s < SHORTEST_S:
            draft.note("changed", f"a wait of {wait_s} s after rule {n + 1}", escalation.where,
                       f"a step waits {SHORTEST_S} s at least", f"{SHORTEST_S} s")  # fmt: skip
            wait_s = SHORTEST_S
        taken_s += wait_s
        step: Json = {"delay_s": min(wait_s, 7 * 86_400), "targets": at.targets}
        steps.append(step | ({"when": {"state": at.state}} if at.state else {}))
    return steps


def _repeat(draft: Draft, escalation: Found) -> tuple[int, int]:
    """How often all of it is repeated, and the wait after the last rule in seconds."""
    repeat = escalation.value.get("repeat") or {}
    count = int(repeat.get("count") or 0) if repeat.get("waitInterval") else 0
    if repeat.get("closeAlertAfterAll"):
        draft.note("left_out", "closeAlertAfterAll", escalation.where, "nothing is closed because nobody answered",
                   "the last resort is paged")  # fmt: skip
    if repeat.get("resetRecipientStates"):
        draft.note("changed", "resetRecipientStates", escalation.where,
                   "no new round takes an acknowledgement back", "rounds go on until somebody answers")  # fmt: skip
    elif count:
        draft.note("changed", "resetRecipientStates: false", escalation.where,
                   "each round pages everybody of its steps anew", "who was told already is told again")  # fmt: skip
    if count > _MOST_REPEATS:
        draft.note("changed", f"repeat count {count}", escalation.where, f"{_MOST_REPEATS} at most", str(_MOST_REPEATS))
    if not count:
        draft.note("told", "the end of every escalation", "", "there nothing follows; here somebody must have it",
                   f"after {AFTER_ALL_S // 60} min the last resort is paged")  # fmt: skip
    return min(count, _MOST_REPEATS), int(repeat["waitInterval"]) * 60 if count else AFTER_ALL_S


def _targets(
    draft: Draft, rule: Json, where: str, schedules: Mapping[str, str], teams: Mapping[str, str], found: Collected
) -> list[Json]:
    recipient, how = rule.get("recipient") or {}, str(rule.get("notifyType") or "default")
    kind, id_ = str(recipient.get("type")), str(recipient.get("id"))
    if kind == "user":
        user = draft.user(opsgenie_people.id_of(recipient), where)
        return [{"type": "user", "key": user}] if user else []
    if kind == "schedule" and id_ in schedules:
        return _of_schedule(draft, schedules[id_], how, where)
    if kind == "team" and id_ in teams:
        return _of_team(draft, found, id_, teams[id_], how, where)
    why = "no file of the export has it" if kind in ("schedule", "team") else "no such target"
    what = f"recipient {kind} {recipient.get('name') or id_}"
    draft.note("missing" if kind == "schedule" else "left_out", what, where, why)
    return []


def _of_schedule(draft: Draft, key: str, how: str, where: str) -> list[Json]:
    """`next` and `previous`: whoever has the turn after or before, which is a schedule like the other one."""
    turns = {"next": 1, "previous": -1}.get(how)
    entry = draft.entries["schedules"].get(key)
    if turns is None or entry is None:
        if how not in ("default", "all"):
            draft.note(
                "changed", f"notifyType {how} of a schedule", where, "there is none like it", "whoever is on call"
            )
        return [{"type": "schedule", "key": key}]
    like = f"{key[:54]}-{how}"
    made: Json = {"key": like, "name": f"{entry['name']}, {how}", "time_zone": entry["time_zone"], "layers": []}
    made["like"] = {"schedule": key, "turns": turns}
    draft.add("schedules", made | ({"team": entry["team"]} if "team" in entry else {}))
    draft.note("told", f"notifyType {how}", where, "a schedule of its own says who is on call a turn "
               f"{'later' if turns > 0 else 'earlier'}; overrides are no part of it", like)  # fmt: skip
    return [{"type": "schedule", "key": like}]


def _of_team(draft: Draft, found: Collected, id_: str, key: str, how: str, where: str) -> list[Json]:
    role = {"users": "user", "admins": "admin"}.get(how)
    people = opsgenie_people.members(draft, found, id_, where, role) if role else []
    if people:
        why = "a target is a team or a user"
        draft.note("changed", f"notifyType {how} of team {key}", where, why, f"who that is now: {', '.join(people)}")
        return [{"type": "user", "key": user} for user in people]
    if how != "all":
        why = "a team's own routing rules decide there" if how == "default" else "who that is, is not in the export"
        draft.note("changed", f"notifyType {how} of team {key}", where, why, "everybody in the team")
    return [{"type": "team", "key": key}]


def first_users(draft: Draft, found: Collected, id_: str, where: str) -> list[str]:
    """Keys of the users whom the earliest rules of an escalation name."""
    for escalation in found["escalation"]:
        if str(escalation.value.get("id")) == id_:
            rules = [r for r in listed(escalation.value["rules"]) if (r.get("recipient") or {}).get("type") == "user"]
            delays = [int((r.get("delay") or {}).get("timeAmount") or 0) for r in rules]
            users = [
                draft.user(opsgenie_people.id_of(r["recipient"]), where)
                for r, delay in zip(rules, delays, strict=True)
                if delay == min(delays)
            ]
            return list(dict.fromkeys(user for user in users if user))
    return []

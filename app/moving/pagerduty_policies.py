"""PagerDuty's escalation policies and services.

`escalation_delay_in_minutes` is the wait *after* a rule, before the next one or the next loop, as `delay_s` is ours.
`num_loops` is how often the policy repeats *after* its first pass, as `repeats` is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from app.moving.draft import Draft
from app.moving.exports import Collected, Found, listed
from app.moving.keys import clean, key_of
from app.moving.moved import Json

MOST_REPEATS: Final = 20
LONGEST_DELAY_S: Final = 7 * 86_400
_DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def policies(draft: Draft, found: Collected, schedules: Mapping[str, str], teams: Mapping[str, str]) -> dict[str, str]:
    """Keys of policies by their ids, and the policies in the draft."""
    whole = [p for p in found["escalation_policies"] if p.value.get("id") and "escalation_rules" in p.value]
    keys = draft.keys("policies", [(p.value["id"], str(p.value.get("name") or "")) for p in whole])
    made = {}
    for policy in whole:
        id_, rules = policy.value["id"], enumerate(listed(policy.value["escalation_rules"]), start=1)
        steps = [step for n, rule in rules if (step := _step(draft, policy, n, rule, schedules))]
        if steps:
            made[id_] = keys[id_]
            draft.add("policies", _policy(draft, policy, keys[id_], steps, teams))
        else:
            why = "a policy has a step that pages somebody"
            draft.note("left_out", f"policy {policy.value.get('name')}", policy.where, why)
    if made:
        why = "there the incident stays with whoever was paged last; here somebody must have it"
        draft.note("told", "the end of every policy", "", why, "the last resort is paged, again every 30 minutes")
    return made


def _policy(draft: Draft, policy: Found, key: str, steps: list[Json], teams: Mapping[str, str]) -> Json:
    value = policy.value
    repeats = int(value.get("num_loops") or 0)
    if repeats > MOST_REPEATS:
        draft.note("changed", f"num_loops {repeats}", policy.where, f"{MOST_REPEATS} at most", str(MOST_REPEATS))
    if value.get("on_call_handoff_notifications") == "always":
        why = "handoffs are told by schedule, not by policy"
        draft.note("told", "on_call_handoff_notifications: always", policy.where, why)
    name = clean(value.get("name") or value["id"])
    entry: Json = {"key": key, "name": name, "repeats": min(repeats, MOST_REPEATS), "steps": steps}
    owners = [teams[t["id"]] for t in listed(value.get("teams")) if t.get("id") in teams]
    return entry | ({"team": owners[0]} if owners else {})


def _step(draft: Draft, policy: Found, number: int, rule: Json, schedules: Mapping[str, str]) -> Json | None:
    where = policy.at(f"rule {number}")
    targets = []
    for target in listed(rule.get("targets")):
        kind, id_ = str(target.get("type", "")).removesuffix("_reference"), str(target.get("id"))
        key = draft.user(id_, where) if kind == "user" else schedules.get(id_) if kind == "schedule" else None
        if key is None:
            why = "no file of the export has it" if kind in ("user", "schedule") else "no such target"
            draft.note("missing" if kind == "schedule" else "left_out", f"target {kind} {id_}", where, why)
        elif {"type": kind, "key": key} not in targets:
            targets.append({"type": kind, "key": key})
    if not targets:
        draft.note("left_out", "a step", where, "it pages nobody; later ones come sooner by its delay")
        return None
    delay_s = int(rule.get("escalation_delay_in_minutes") or 0) * 60
    if not 30 <= delay_s <= LONGEST_DELAY_S:
        kept = min(max(delay_s, 30), LONGEST_DELAY_S)
        draft.note("changed", f"a delay of {delay_s} s", where, "a step waits 30 s to 7 days", f"{kept} s")
        delay_s = kept
    strategy = rule.get("escalation_rule_assignment_strategy") or "assign_to_everyone"
    name = strategy.get("type") if isinstance(strategy, dict) else strategy
    step: Json = {"delay_s": delay_s, "targets": targets}
    if name == "round_robin":
        why = "there whole targets take turns, here the people that they come to"
        draft.note("told", "round robin", where, why, "one person of all targets, whose last turn is longest ago")
        step["whom"] = "round_robin"
    elif name != "assign_to_everyone":
        draft.note("changed", f"assignment {name}", where, "no such way to choose", "everyone is paged")
    return step


def services(draft: Draft, found: Collected, policies: Mapping[str, str], teams: Mapping[str, str]) -> None:
    """Services with what sends to them."""
    whole = [s for s in found["services"] if s.value.get("id") and s.value.get("name")]
    keys = draft.keys("services", [(s.value["id"], s.value["name"]) for s in whole])
    for service in whole:
        value, key = service.value, keys[service.value["id"]]
        entry: Json = {"key": key, "name": clean(value["name"])}
        if value.get("description"):
            entry["description"] = str(value["description"])[:10_000]
        owners = [teams[t["id"]] for t in listed(value.get("teams")) if t.get("id") in teams]
        policy = policies.get(str((value.get("escalation_policy") or {}).get("id")))
        entry |= {name: of for name, of in (("team", owners[0] if owners else None), ("policy", policy)) if of}
        if policy is None:
            draft.note("changed", f"policy of service {entry['name']}", service.where, "no file of the export has it",
                       "the catch-all policy")  # fmt: skip
        if spans := _support_hours(value.get("support_hours") or {}):
            zone = draft.zone(value["support_hours"].get("time_zone"), service.where)
            entry["support_hours"] = {"time_zone": zone, "spans": spans}
        draft.add("services", entry)
        _tell(draft, service)
        for number, integration in enumerate(listed(value.get("integrations")), start=1):
            _integration(draft, service, key, number, integration)


def _support_hours(value: Json) -> list[Json]:
    if not value.get("days_of_week") or not value.get("start_time") or not value.get("end_time"):
        return []
    days = [_DAYS[int(day) - 1] for day in sorted(value["days_of_week"])]
    return [{"days": days, "from": str(value["start_time"])[:5], "to": str(value["end_time"])[:5]}]


def _tell(draft: Draft, service: Found) -> None:
    value, where = service.value, service.where
    if value.get("auto_resolve_timeout"):
        draft.note(
            "left_out", f"auto_resolve_timeout of {value['name']}", where, "only the source or a person resolves"
        )
    if value.get("acknowledgement_timeout"):
        why = "an acknowledgement expires by priority: P1 after 30 min, P2 after 60"
        draft.note("changed", f"acknowledgement_timeout of {value['name']}", where, why)
    if value.get("incident_urgency_rule"):
        why = "loud or quiet follows from priority and support hours"
        draft.note("changed", f"incident_urgency_rule of {value['name']}", where, why)
    if value.get("status") == "disabled":
        draft.note(
            "changed", f"service {value['name']}", where, "it is disabled there", "its integrations are disabled"
        )


def _integration(draft: Draft, service: Found, key: str, number: int, value: Json) -> None:
    kind = str(value.get("type", "")).removesuffix("_reference")
    name = clean(value.get("name") or value.get("summary") or f"integration {number}")
    where = service.at(f"integration {name}")
    if "events_api" not in kind:
        draft.note(
            "left_out", f"integration {name}", where, f"of its kind ({kind}) there is none; see sending-alerts.md"
        )
        return
    made = f"{key}-{key_of(name) or number}"[:64].strip("-")
    if made in draft.entries["integrations"]:
        made = f"{made[:60]}-{number}"
    disabled = {"enabled": False} if service.value.get("status") == "disabled" else {}
    draft.add("integrations", {"key": made, "name": name, "source": "pagerduty", "service": key} | disabled)
    draft.note("changed", "integration keys", "", "a routing key is made by Tocsin and shown once",
               "senders get the new address and key; they speak the same Events API")  # fmt: skip

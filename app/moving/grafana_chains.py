"""Grafana OnCall's escalation chains and integrations.

A chain is a list of things to do one after the other; a `wait` is one of them. So whom a chain notifies between two
waits is one step of ours, and the wait after it is its delay. What it waits before it notifies anybody has no equal.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from app.moving.draft import Draft
from app.moving.exports import Collected, Found, listed
from app.moving.keys import clean, key_of
from app.moving.moved import Json

MOST_REPEATS: Final = 5
"""OnCall repeats a chain so often at most."""
SHORTEST_S: Final = 30
AFTER_ALL_S: Final = 1800
_ADDRESS: Final = re.compile(r"https?://[^\s/@{]+(/[^\s{]*)?$")
_SOURCES: Final = {
    "alertmanager": "alertmanager", "grafana": "grafana", "grafana_alerting": "grafana", "legacy_grafana": "grafana",
    "legacy_alertmanager": "alertmanager", "webhook": "generic", "formatted_webhook": "generic",
}  # fmt: skip
_NO_EQUAL: Final = {
    "notify_user_group": ("groups of Slack are not known", ""),
    "notify_whole_channel": ("channels of Slack are not known", ""),
    "declare_incident": ("every alert that counts has an incident", ""),
    "notify_if_time_from_to": ("steps have conditions by support hours, not by time of day", "paged at any time"),
}


class _Steps:
    """Steps in the making."""

    def __init__(self) -> None:
        self.steps: list[Json] = []
        self.open: Json | None = None
        self.waited_s = 0
        self.lead_s = 0
        self.repeats = 0

    def page(self, targets: Sequence[Json], whom: str) -> None:
        """Targets of the step that is open, or of a new one after a wait; a round robin is a step of its own."""
        new = self.open is None or self.waited_s > 0 or self.open.get("whom", "everyone") != whom
        if new or self.open is None:
            self._close()
            self.open = {"targets": []} | ({"whom": whom} if whom != "everyone" else {})
        self.open["targets"] += [t for t in targets if t not in self.open["targets"]]

    def wait(self, seconds: int) -> None:
        self.waited_s += seconds

    def _close(self) -> None:
        if self.open is None:
            self.lead_s, self.waited_s = self.waited_s, 0
            return
        # What was waited before the first step moved nothing else: the second keeps its time.
        self.steps.append({"delay_s": self.waited_s + (self.lead_s if not self.steps else 0)} | self.open)
        self.waited_s = 0

    def closed(self) -> list[Json]:
        if self.open is not None:
            self._close()
        return self.steps


def chains(draft: Draft, found: Collected, schedules: Mapping[str, str], teams: Mapping[str, str]) -> None:
    """Policies, and what sends to them."""
    named = {str(c.value["id"]): c for c in found["escalation_chains"]}
    ids = {str(p.value["escalation_chain_id"]) for p in found["escalation_policies"]}
    names = [(id_, str(named[id_].value.get("name") or "") if id_ in named else id_) for id_ in sorted(ids)]
    keys = draft.keys("policies", names)
    webhooks = _webhooks(draft, found)
    for id_, name in names:
        own = [p for p in found["escalation_policies"] if str(p.value["escalation_chain_id"]) == id_]
        where = named[id_].where if id_ in named else own[0].where
        made = _Steps()
        for rule in sorted(own, key=lambda p: int(p.value.get("position") or 0)):
            if not _do(draft, made, rule, schedules, teams, webhooks):
                break
        steps = _shaped(draft, made, where)
        if not steps:
            draft.note("left_out", f"chain {name}", where, "nobody is paged by it")
            del keys[id_]
            continue
        entry: Json = {"key": keys[id_], "name": clean(name or id_), "repeats": made.repeats, "steps": steps}
        team = teams.get(str(named[id_].value.get("team_id"))) if id_ in named else None
        draft.add("policies", entry | ({"team": team} if team else {}))
    _integrations(draft, found, keys, teams)


def _shaped(draft: Draft, made: _Steps, where: str) -> list[Json]:
    steps = made.closed()
    if made.lead_s and steps:
        draft.note("changed", "the wait before anybody is notified", where,
                   f"{made.lead_s} s there; the first step is taken at once",
                   "the first page comes sooner, all others keep their time")  # fmt: skip
    for n, step in enumerate(steps):
        last = n + 1 == len(steps)
        if last and step["delay_s"] - (made.lead_s if n == 0 else 0) <= 0 and not made.repeats:
            step["delay_s"] = AFTER_ALL_S
            draft.note("told", "the end of every chain", "", "there nothing follows; here somebody must have it",
                       f"after {AFTER_ALL_S // 60} min the last resort is paged")  # fmt: skip
        elif step["delay_s"] < SHORTEST_S:
            draft.note("changed", f"a wait of {step['delay_s']} s after step {n + 1}", where,
                       f"a step waits {SHORTEST_S} s at least", f"{SHORTEST_S} s")  # fmt: skip
            step["delay_s"] = SHORTEST_S
    return steps


def _do(
    draft: Draft, made: _Steps, rule: Found, schedules: Mapping[str, str], teams: Mapping[str, str],
    webhooks: Mapping[str, str],
) -> bool:  # fmt: skip
    """False when nothing of the chain comes after it."""
    value, where, kind = rule.value, rule.where, str(rule.value.get("type"))
    if value.get("important"):
        draft.note("changed", "important notifications", where, "loud or quiet follows from the priority",
                   "a page is as loud as its incident")  # fmt: skip
    if kind == "wait":
        made.wait(int(float(value.get("duration") or 0)))
    elif kind in ("notify_persons", "notify_person_next_each_time"):
        ids = listed(value.get("persons_to_notify") or value.get("persons_to_notify_next_each_time"))
        users = [draft.user(str(id_), where) for id_ in ids]
        whom = "everyone" if kind == "notify_persons" else "round_robin"
        if any(users):
            made.page([{"type": "user", "key": user} for user in users if user], whom)
    elif kind == "notify_on_call_from_schedule":
        _page_one(draft, made, "schedule", str(value.get("notify_on_call_from_schedule")), schedules, where)
    elif kind == "notify_team_members":
        id_ = str(value.get("notify_to_team_members") or value.get("team_to_notify"))
        _page_one(draft, made, "team", id_, teams, where)
    elif kind == "trigger_webhook":
        _page_one(draft, made, "webhook", str(value.get("action_to_trigger")), webhooks, where)
    elif kind == "repeat_escalation":
        made.repeats = MOST_REPEATS
        return False
    elif kind == "resolve":
        draft.note(
            "left_out", "resolve", where, "nothing is resolved because nobody answered", "the last resort is paged"
        )
        return False
    else:
        why, instead = _NO_EQUAL.get(kind, ("there is none like it", ""))
        draft.note("changed" if instead else "left_out", kind, where, why, instead)
    return True


def _page_one(draft: Draft, made: _Steps, kind: str, id_: str, keys: Mapping[str, str], where: str) -> None:
    if id_ in keys:
        made.page([{"type": kind, "key": keys[id_]}], "everyone")
    else:
        draft.note(
            "missing" if kind == "schedule" else "left_out", f"{kind} {id_}", where, "no file of the export has it"
        )


def _webhooks(draft: Draft, found: Collected) -> dict[str, str]:
    """Webhooks that steps may name. What is posted to them is ours, not their template."""
    keys = draft.keys("webhooks", [(w.value["id"], str(w.value.get("name") or "")) for w in found["webhooks"]])
    for webhook in found["webhooks"]:
        value, url = webhook.value, str(webhook.value.get("url") or "")
        if not _ADDRESS.match(url):
            why = "an address is no template and has no password"
            draft.note("left_out", f"webhook {value.get('name')}", webhook.where, why)
            del keys[value["id"]]
            continue
        draft.add("webhooks", {"key": keys[value["id"]], "name": clean(value.get("name") or value["id"])})
        draft.give_address("webhooks", keys[value["id"]], url)
        draft.note("changed", f"webhook {value.get('name')}", webhook.where, "templates and headers are not taken over",
                   "what docs/policies.md says is posted, signed")  # fmt: skip
    return keys


def _integrations(draft: Draft, found: Collected, policies: Mapping[str, str], teams: Mapping[str, str]) -> None:
    """Each becomes a service with the policy of its default route, and an integration of it."""
    own = found["integrations"]
    keys = draft.keys("services", [(i.value["id"], str(i.value.get("name") or "")) for i in own])
    for integration in own:
        value, where, key = integration.value, integration.where, keys[integration.value["id"]]
        policy = policies.get(str((value.get("default_route") or {}).get("escalation_chain_id")))
        team = teams.get(str(value.get("team_id")))
        entry: Json = {"key": key, "name": clean(value.get("name") or value["id"])}
        entry |= {name: of for name, of in (("team", team), ("policy", policy)) if of}
        draft.add("services", entry)
        source = _SOURCES.get(str(value.get("type")))
        if source is None:
            draft.note("left_out", f"integration {entry['name']}", where, f"there is no source {value.get('type')}",
                       "its service is there; see sending-alerts.md")  # fmt: skip
            continue
        made = f"{key[:40]}-{key_of(str(value['type']))[:20]}"
        draft.add("integrations", {"key": made, "name": entry["name"], "source": source, "service": key})
        draft.note("changed", "addresses of integrations", "", "a routing key is made by Tocsin and shown once",
                   "senders get the new address and key")  # fmt: skip
        if source == "generic":
            draft.note(
                "changed", f"templates of {entry['name']}", where, "templates are not evaluated", "give it a mapping"
            )
    for route in found["routes"]:
        if not route.value.get("is_the_last_route"):
            draft.note("left_out", f"route {route.value.get('routing_regex') or route.value.get('id')}", route.where,
                       "its condition is a template of theirs", "write a routing rule")  # fmt: skip

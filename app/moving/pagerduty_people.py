"""PagerDuty's users with their contact methods and notification rules, and teams."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from app.errors import Invalid
from app.moving.draft import Draft
from app.moving.exports import Collected, Found, listed
from app.moving.moved import Json
from app.moving.persons import Method, Person, Rule
from app.moving.phones import e164
from app.moving.rails_zones import iana

_ROLES: Final = {
    "owner": "admin", "admin": "admin", "user": "operator", "limited_user": "operator", "restricted_access": "operator",
    "observer": "viewer", "read_only_user": "viewer", "read_only_limited_user": "viewer",
}  # fmt: skip
_LOUDNESS: Final = {"high": "loud", "low": "quiet"}


def persons(found: Collected) -> list[Person]:
    """Users of the export, and who is only named in it."""
    known = {str(user.value["id"]): _person(user) for user in found["users"] if user.value.get("id")}
    for reference, where in _references(found):
        id_ = str(reference.get("id"))
        if id_ not in known:
            known[id_] = Person(
                id_, str(reference.get("summary") or id_), str(reference.get("email") or ""), where=where
            )
    return list(known.values())


def _references(found: Collected) -> Iterator[tuple[Json, str]]:
    """Everybody whom a schedule or a policy names; those with a name first. Overrides name people who left."""
    for schedule in found["schedules"]:
        users = [u for u in listed(schedule.value.get("users")) if u.get("id")]
        yield from ((user, schedule.where) for user in users if user.get("summary"))
        for layer in listed(schedule.value.get("schedule_layers")):
            for entry in listed(layer.get("users")):
                yield entry.get("user") or entry, schedule.where
    for policy in found["escalation_policies"]:
        for rule in listed(policy.value.get("escalation_rules")):
            for target in listed(rule.get("targets")):
                if str(target.get("type", "")).startswith("user"):
                    yield target, policy.where


def _person(found: Found) -> Person:
    value = found.value
    methods = {str(m.get("id")): method for m in listed(value.get("contact_methods")) if (method := _method(m))}
    rules = []
    for rule in listed(value.get("notification_rules")):
        method = methods.get(str((rule.get("contact_method") or {}).get("id")))
        if method and rule.get("urgency") in _LOUDNESS:
            delay_s = min(int(rule.get("start_delay_in_minutes") or 0) * 60, 86_400)
            rules.append(Rule(_LOUDNESS[rule["urgency"]], delay_s, method))
    try:
        zone = iana(str(value["time_zone"])) if value.get("time_zone") else None
    except Invalid:
        zone = None
    return Person(
        id=str(value["id"]),
        name=str(value.get("name") or value.get("summary") or value["id"]),
        email=str(value.get("email") or ""),
        role=_ROLES.get(str(value.get("role")), "operator"),
        time_zone=zone,
        methods=tuple(dict.fromkeys(methods.values())),
        rules=tuple(rules),
        where=found.where,
    )


def _method(value: Json) -> Method | None:
    kind, address, label = str(value.get("type")), str(value.get("address") or ""), str(value.get("label") or "")
    if kind.startswith("email_contact_method") and address:
        return Method("mail", address.strip().lower(), label)
    if kind.startswith(("sms_contact_method", "phone_contact_method")) and address:
        try:
            return Method("sms", e164(f"+{value.get('country_code') or 1} {address}"), label)
        except Invalid:
            return None
    return None


def teams(draft: Draft, found: Collected) -> dict[str, str]:
    """Keys of teams by their ids, and the teams in the draft. Who is in them the users say."""
    named = {str(t.value["id"]): str(t.value.get("name") or t.value.get("summary") or "") for t in found["teams"]}
    things = [*found["users"], *found["schedules"], *found["escalation_policies"], *found["services"]]
    for thing in things:
        for team in listed(thing.value.get("teams")):
            if team.get("summary") or team.get("name"):
                named.setdefault(str(team["id"]), str(team.get("summary") or team.get("name")))
            elif str(team.get("id")) not in named:
                draft.note("left_out", f"the team {team.get('id')}", thing.where, "no file of the export has this team")
    keys = draft.keys("teams", list(named.items()))
    for id_, key in keys.items():
        own = (u.value for u in found["users"] if any(t.get("id") == id_ for t in listed(u.value.get("teams"))))
        draft.team(key, named[id_] or id_, {draft.people.keys[str(user["id"])]: "member" for user in own})
    _tell(draft, found)
    return keys


def _tell(draft: Draft, found: Collected) -> None:
    """What of users has no equal."""
    for user in found["users"]:
        name, methods = str(user.value.get("name")), listed(user.value.get("contact_methods"))
        numbers = {m.get("address") for m in methods if str(m.get("type")).startswith("sms_contact")}
        kinds = {str(m.get("type")).removesuffix("_reference") for m in methods}
        for method in methods:
            if method.get("country_code") and _method(method) is None:
                number = f"+{method['country_code']} {method.get('address')}"
                draft.note("left_out", f"{number} of {name}", user.where, "it cannot be a phone number")
        calls = [m for m in methods if str(m.get("type")).startswith("phone_contact")]
        for kind in sorted(kinds - {"email_contact_method", "sms_contact_method", "phone_contact_method"}):
            draft.note("left_out", f"{kind.replace('_', ' ')} of {name}", user.where, "there is no such channel")
        if any(m.get("address") not in numbers for m in calls):
            draft.note(
                "changed", f"voice calls of {name}", user.where, "there is no voice channel", "SMS to the number"
            )
        elif calls:
            draft.note("changed", f"voice calls of {name}", user.where, "there is no voice channel", "SMS, as it was")
        if user.value.get("role") and user.value["role"] not in _ROLES:
            draft.note(
                "changed", f"role {user.value['role']} of {name}", user.where, "there is none like it", "operator"
            )
        if any(
            str(r.get("type", "")).startswith("assignment") is False
            for r in listed(user.value.get("notification_rules"))
        ):
            draft.note("told", f"handoff notification rules of {name}", user.where, "handoffs are told by schedule")

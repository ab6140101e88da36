"""Opsgenie's users with their contacts, and teams."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from app.errors import Invalid
from app.moving.draft import Draft
from app.moving.exports import Collected, Found, listed
from app.moving.moved import Json
from app.moving.persons import Method, Person
from app.moving.phones import e164
from app.moving.rails_zones import iana

_ROLES: Final = {"owner": "admin", "admin": "admin", "user": "operator", "stakeholder": "viewer", "observer": "viewer"}

_PHONES: Final = ("sms", "voice")


def id_of(reference: Json) -> str:
    """Users are named by their mail address, which is their `username`; by id where there is none."""
    return str(reference.get("username") or _mail(reference) or reference.get("id") or "").strip().lower()


def _mail(reference: Json) -> str:
    name = str(reference.get("name") or "")
    return name if "@" in name else ""


def persons(found: Collected) -> list[Person]:
    """Users of the export, and who is only named in it, by `id_of`."""
    known = {id_of(user.value): _person(user) for user in found["user"]}
    ids = {str(user.value.get("id")).lower(): id_of(user.value) for user in found["user"]}
    for reference, where in _references(found):
        id_ = id_of(reference)
        if not id_ or id_ in known or id_ in ids:
            continue
        name = str(reference.get("username") or reference.get("name") or reference.get("id"))
        known[id_] = Person(id_, _spoken(name), id_ if "@" in id_ else "", where=where)
    return list(known.values())


def name_by_id(draft: Draft, found: Collected) -> None:
    """References have the mail address, the id, or both."""
    for user in found["user"]:
        if user.value.get("id") and id_of(user.value) in draft.people.keys:
            draft.people.keys.setdefault(str(user.value["id"]).lower(), draft.people.keys[id_of(user.value)])


def _spoken(name: str) -> str:
    """`ana.garcia@example.org` is Ana Garcia."""
    return name.partition("@")[0].replace(".", " ").replace("_", " ").title() if "@" in name else name


def _references(found: Collected) -> Iterator[tuple[Json, str]]:
    for schedule in found["schedule"]:
        for rotation in listed(schedule.value.get("rotations")):
            participants = listed(rotation.get("participants"))
            yield from ((p, schedule.where) for p in participants if p.get("type") == "user")
    for escalation in found["escalation"]:
        for rule in listed(escalation.value.get("rules")):
            if (rule.get("recipient") or {}).get("type") == "user":
                yield rule["recipient"], escalation.where
    for team in found["team"]:
        yield from ((m["user"], team.where) for m in listed(team.value.get("members")) if m.get("user"))


def _person(found: Found) -> Person:
    value = found.value
    role = (value.get("role") or {}).get("name") if isinstance(value.get("role"), dict) else value.get("role")
    try:
        zone = iana(str(value["timeZone"])) if value.get("timeZone") else None
    except Invalid:
        zone = None
    methods = [_method(contact) for contact in _contacts(value)]
    return Person(
        id=id_of(value),
        name=str(value.get("fullName") or _spoken(str(value["username"]))),
        email=str(value["username"]),
        role=_ROLES.get(str(role or "user").lower(), "operator"),
        time_zone=zone,
        methods=tuple(dict.fromkeys(m for m in methods if m)),
        where=found.where,
    )


def _contacts(value: Json) -> list[Json]:
    return listed(value.get("userContacts") or value.get("contacts"))


def _method(contact: Json) -> Method | None:
    """`to` is a mail address, or country code and number with a dash between them."""
    kind, to = str(contact.get("contactMethod") or contact.get("method")), str(contact.get("to") or "")
    if kind == "email" and "@" in to:
        return Method("mail", to.strip().lower())
    if kind not in _PHONES:
        return None
    try:
        return Method("sms", e164(f"+{to.removeprefix('+')}"))
    except Invalid:
        return None


def teams(draft: Draft, found: Collected) -> dict[str, str]:
    """Keys of teams by their ids, and the teams in the draft."""
    named = {str(t.value["id"]): str(t.value.get("name") or "") for t in found["team"] if t.value.get("id")}
    for thing in [*found["schedule"], *found["escalation"]]:
        owner = thing.value.get("ownerTeam") or {}
        if owner.get("id") and owner.get("name"):
            named.setdefault(str(owner["id"]), str(owner["name"]))
    keys = draft.keys("teams", list(named.items()))
    whole = {str(t.value.get("id")): t for t in found["team"]}
    for id_, key in keys.items():
        roles: dict[str, str] = {}
        for member in listed(whole[id_].value.get("members")) if id_ in whole else []:
            user = draft.user(id_of(member.get("user") or {}), whole[id_].where)
            if user:
                roles[user] = "manager" if member.get("role") == "admin" else "member"
        if not roles:
            draft.note("told", f"members of team {named[id_]}", whole[id_].where if id_ in whole else "",
                       "they are in GET /v2/teams/{id} only", "nobody")  # fmt: skip
        draft.team(key, named[id_] or id_, roles)
    _tell(draft, found)
    return keys


def members(draft: Draft, found: Collected, team_id: str, where: str, role: str | None = None) -> list[str]:
    """User keys of who is in a team; `role`: only those with this one."""
    for team in found["team"]:
        if str(team.value.get("id")) == team_id:
            own = [m for m in listed(team.value.get("members")) if role is None or m.get("role") == role]
            keys = [draft.user(id_of(m.get("user") or {}), where) for m in own]
            return [key for key in keys if key]
    return []


def _tell(draft: Draft, found: Collected) -> None:
    for other in found["other"]:
        why = "it is none of users, teams, schedules, escalations, overrides and timelines"
        draft.note("left_out", str(other.value.get("name") or other.value.get("id")), other.where, why)
    for user in found["user"]:
        kinds = {str(c.get("contactMethod") or c.get("method")) for c in _contacts(user.value)}
        name = user.value.get("fullName") or user.value["username"]
        for contact in _contacts(user.value):
            if _method(contact) is None and str(contact.get("contactMethod") or contact.get("method")) in _PHONES:
                draft.note("left_out", f"{contact.get('to')} of {name}", user.where, "it cannot be a phone number")
        if "voice" in kinds:
            why = "there is no voice channel"
            draft.note("changed", f"voice calls of {name}", user.where, why, "SMS to the number")
        for kind in sorted(kinds - {"email", "sms", "voice"}):
            draft.note("left_out", f"{kind} of {name}", user.where, "there is no such channel")
        if user.value.get("blocked"):
            draft.note("changed", f"user {name}", user.where, "blocked there", "an active user; deactivate by hand")

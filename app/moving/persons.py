"""People of an import: who they are, whom of them Tocsin knows already, and what that makes of them as users."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from app.moving.keys import assigned, clean
from app.moving.moved import Json, Kind, Notice

_MAIL: Final = re.compile(r"^[^\s@<>,;:\"\\]+@[^\s@<>,;:\"\\]+$")
_RANK: Final = ("viewer", "operator", "manager", "admin")
UNKNOWN_MAIL: Final = "unknown.invalid"
"""Addresses there are placeholders (RFC 2606): a document with one can be edited, not applied."""
MOST_METHODS: Final = 20


@dataclass(frozen=True, slots=True)
class Method:
    """A contact method as the document has it."""

    channel: str
    address: str
    label: str = ""


@dataclass(frozen=True, slots=True)
class Rule:
    """A notification rule as the document has it."""

    loudness: str
    delay_s: int
    method: Method


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody in the source. `id`: by which the source names them; without `email` only a user of Tocsin who has the
    same name will do."""

    id: str
    name: str
    email: str = ""
    role: str = "operator"
    time_zone: str | None = None
    methods: tuple[Method, ...] = ()
    rules: tuple[Rule, ...] = ()
    where: str = ""


@dataclass(slots=True)
class People:
    """Everybody of an import by the ids of the source, and the users that they become."""

    keys: dict[str, str]
    persons: dict[str, Person]
    known: Mapping[str, Json]
    """Users of Tocsin that somebody of the import is, by key, as an export has them."""
    notices: list[Notice] = field(default_factory=list)

    def users(self, paged: Iterable[str]) -> list[Json]:
        """Entries of the document, by key. Who is `paged` (keys) may respond: a viewer becomes an operator."""
        may_respond = set(paged)
        entries = {key: self._entry(key, may_respond) for key in sorted(set(self.keys.values()))}
        return list(entries.values())

    def _entry(self, key: str, paged: set[str]) -> Json:
        own = [self.persons[id_] for id_ in sorted(self.keys) if self.keys[id_] == key and id_ in self.persons]
        methods = list(dict.fromkeys(m for p in own for m in p.methods))
        rules = list(dict.fromkeys(r for p in own for r in p.rules))
        if key in self.known:
            if self.known[key].get("role") == "viewer" and key in paged:
                why = "a viewer cannot respond, and who is here stays as they are"
                self._tell("told", f"role of {self.known[key]['name']}", own[0].where if own else "", why)
            return _joined(self.known[key], methods, rules)
        person = own[0]
        role = max((p.role for p in own), key=_RANK.index)
        if role == "viewer" and key in paged:
            self._tell("changed", f"role of {person.name}", person.where, "a viewer cannot respond", "an operator")
            role = "operator"
        entry: Json = {"key": key, "name": person.name, "email": _address(person, key), "role": role}
        if person.time_zone:
            entry["time_zone"] = person.time_zone
        if methods:
            entry["contact_methods"] = [_method(m) for m in _each_once(methods)]
        if rules:
            entry["notification_rules"] = [_rule(r) for r in rules]
        return entry

    def _tell(self, kind: Kind, what: str, where: str, why: str, instead: str = "") -> None:
        self.notices.append(Notice(kind, what, where, why, instead))


def _joined(known: Json, methods: Sequence[Method], rules: Sequence[Rule]) -> Json:
    """A user as Tocsin has it, with the contact methods that are new; notification rules only where there are none."""
    members = ("key", "name", "email", "role", "time_zone", "active")
    entry = {name: known[name] for name in members if name in known}
    had = list(known.get("contact_methods") or [])
    there = {(m["channel"], m["address"]) for m in had}
    new = [m for m in _each_once(methods) if (m.channel, m.address) not in there]
    if new:
        entry["contact_methods"] = [*had, *(_method(m) for m in new)]
    if rules and not known.get("notification_rules"):
        entry["notification_rules"] = [_rule(r) for r in rules]
    return entry


def _each_once(methods: Sequence[Method]) -> list[Method]:
    first: dict[tuple[str, str], Method] = {}
    for method in methods:
        first.setdefault((method.channel, method.address), method)
    return list(first.values())[:MOST_METHODS]


def _method(method: Method) -> Json:
    label = {"label": clean(method.label)[:100]} if method.label else {}
    return {"channel": method.channel, "address": method.address} | label


def _rule(rule: Rule) -> Json:
    return {
        "loudness": rule.loudness,
        "delay_s": rule.delay_s,
        "channel": rule.method.channel,
        "address": rule.method.address,
    }


def _address(person: Person, key: str) -> str:
    return person.email.strip().lower() if _MAIL.match(person.email.strip()) else f"{key}@{UNKNOWN_MAIL}"


def people(found: Iterable[Person], existing: Sequence[Json]) -> People:
    """Gives everybody a key. `existing`: the users of Tocsin. Somebody whose mail address one of them has is that
    user; without any address, one of the same name is, when there is only one."""
    persons = {person.id: replace(person, name=clean(person.name) or person.id) for person in found}
    by_mail = {str(user["email"]).lower(): user for user in existing}
    by_name: dict[str, list[Json]] = {}
    for there in existing:
        by_name.setdefault(str(there["name"]).casefold(), []).append(there)
    made = People({}, persons, {})
    known: dict[str, Json] = {}
    first_of: dict[str, str] = {}
    rest: list[tuple[str, str]] = []
    for id_, person in sorted(persons.items()):
        mail = person.email.strip().lower()
        named = by_name.get(person.name.casefold(), []) if not mail else []
        user: Json | None = by_mail.get(mail) or (named[0] if len(named) == 1 else None)
        if user is not None:
            made.keys[id_] = user["key"]
            known[user["key"]] = user
        elif mail and mail in first_of:
            made._tell("changed", f"{person.name} and {persons[first_of[mail]].name}", person.where,
                       f"both have the mail address {mail}", "one user")  # fmt: skip
        else:
            rest.append((id_, person.name))
            first_of.setdefault(mail, id_)
            _check_mail(made, person)
    keys, collided = assigned(rest, "user", {user["key"] for user in existing})
    for key, ids in collided.items():
        chosen = ", ".join(keys[id_] for id_ in ids)
        made._tell("told", f"the key {key}", "", f"{len(ids)} people would have it, or somebody has it", chosen)
    made.keys |= keys
    for id_, person in persons.items():
        made.keys.setdefault(id_, keys.get(first_of.get(person.email.strip().lower(), ""), ""))
    made.known = known
    return made


def _check_mail(made: People, person: Person) -> None:
    if not _MAIL.match(person.email.strip()):
        why = f"{person.email!r} is none" if person.email else "a user has one, and no user of that name is here"
        made._tell("missing", f"the mail address of {person.name} ({person.id})", person.where, why,
                   f"a placeholder at {UNKNOWN_MAIL}; add the export of users, or import people first")  # fmt: skip

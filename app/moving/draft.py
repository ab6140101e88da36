"""A document in the making: what all importers do alike."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Literal

from app.errors import Invalid
from app.moving.keys import assigned, clean
from app.moving.moved import GivenAddress, Json, Kind, Moved, Notice, PlannedOverride, Rendered
from app.moving.persons import People, Person, people
from app.moving.rails_zones import iana

SECTIONS: Final = ("users", "teams", "calendars", "schedules", "webhooks", "policies", "services", "integrations")
MOST_LAYERS: Final = 20


class Draft:
    """Sections with their entries by key. `existing`: the configuration that Tocsin has, as an export writes it; only
    its users and teams are looked at."""

    def __init__(self, existing: Mapping[str, object], found: Iterable[Person]) -> None:
        self.existing = existing
        self.people: People = people(found, _entries(existing, "users"))
        self.notices: list[Notice] = []
        self.overrides: list[PlannedOverride] = []
        self.rendered: list[Rendered] = []
        self.addresses: list[GivenAddress] = []
        self.entries: dict[str, dict[str, Json]] = {section: {} for section in SECTIONS}

    def note(self, kind: Kind, what: str, where: str, why: str, instead: str = "") -> None:
        """For the report; the same thing is told once."""
        notice = Notice(kind, what, where, why, instead)
        if notice not in self.notices:
            self.notices.append(notice)

    def keys(self, section: str, named: Sequence[tuple[str, str]]) -> dict[str, str]:
        """Keys of entries by the ids of the source, from (id, name); collisions are told."""
        made, collided = assigned(named, section.removesuffix("s"))
        for key, ids in collided.items():
            chosen = ", ".join(made[id_] for id_ in ids)
            self.note("told", f"the key {key} in {section}", "", f"{len(ids)} of them have that name", chosen)
        return made

    def add(self, section: str, entry: Json) -> None:
        self.entries[section][entry["key"]] = entry

    def give_address(self, section: Literal["calendars", "webhooks"], key: str, address: str) -> None:
        """One that no document holds."""
        self.addresses.append(GivenAddress(section, key, address))

    def user(self, id_: str, where: str, kind: Kind = "missing") -> str | None:
        """The key of somebody; None, and told as `kind`, for whom the source does not have."""
        key = self.people.keys.get(id_)
        if key is None:
            self.note(kind, f"the user {id_}", where, "no file of the export has this user", "nobody")
        return key

    def zone(self, name: object, where: str, fallback: str = "UTC") -> str:
        """An IANA zone; `fallback`, and told, for what is none."""
        try:
            return iana(str(name or fallback))
        except Invalid as unknown:
            self.note("changed", f"the time zone {name}", where, unknown.message, fallback)
            return fallback

    def team(self, key: str, name: str, members: Mapping[str, str]) -> None:
        """`members`: their roles by user key. Whoever is in the team already stays in it, as they are."""
        there = next((t for t in _entries(self.existing, "teams") if t["key"] == key), None)
        before = {m["user"]: m.get("role", "member") for m in (there or {}).get("members", [])}
        roles = {**members, **before}
        shown = there["name"] if there else clean(name)
        written = [{"user": u} | ({"role": r} if r != "member" else {}) for u, r in sorted(roles.items())]
        self.add("teams", {"key": key, "name": shown, "members": written})

    def schedule(self, entry: Json, where: str) -> None:
        """With as many layers as one may have: those are left out that end first, then the lowest."""
        layers = entry["layers"]
        if len(layers) > MOST_LAYERS:
            by_end = sorted(range(len(layers)), key=lambda n: (layers[n].get("ends_at", "9999"), n))
            gone = set(by_end[: len(layers) - MOST_LAYERS])
            names = ", ".join(layer["name"] for n, layer in enumerate(layers) if n in gone)
            self.note("left_out", f"layers {names}", where, f"a schedule has {MOST_LAYERS} layers at most")
            entry = entry | {"layers": [layer for n, layer in enumerate(layers) if n not in gone]}
        self.add("schedules", entry)

    def done(self) -> Moved:
        """The document with the sections that have something."""
        schedules, policies = self.entries["schedules"], self.entries["policies"]
        paged = {
            u for s in schedules.values() for layer in s["layers"] for turn in layer.get("members", []) for u in turn
        }
        targets = [t for p in policies.values() for step in p["steps"] for t in step["targets"]]
        paged |= {t["key"] for t in targets if t["type"] == "user"}
        sections = {name: [entries[key] for key in sorted(entries)] for name, entries in self.entries.items()}
        sections["users"] = self.people.users(paged)
        notices = list(dict.fromkeys([*self.people.notices, *self.notices]))
        if any(user.get("contact_methods") for user in sections["users"]):
            why = "each counts once its owner has entered the code that is sent to it"
            notices.append(Notice("told", "contact methods", "", why, "unverified until then"))
        document = {"format": 1} | {name: entries for name, entries in sections.items() if entries}
        return Moved(document, notices, self.overrides, self.rendered, self.addresses)


def _entries(existing: Mapping[str, object], section: str) -> list[Json]:
    found = existing.get(section)
    return found if isinstance(found, list) else []

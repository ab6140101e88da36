"""Grafana OnCall's schedules and overrides that are iCal calendars elsewhere, as calendars that layers read.

An address of a calendar is a secret more often than not: it is no part of the document, and is given apart.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from app.moving.draft import Draft
from app.moving.exports import Collected, Found
from app.moving.moved import Json

_ADDRESS: Final = re.compile(r"(https?|webcals?)://[^\s/@]+(/\S*)?$")
_LONGEST: Final = 2000


def primary(draft: Draft, schedule: Found, entry: Json, people: Mapping[str, str]) -> list[Json]:
    """The layer of a schedule of the type iCal; none, and told, where its address is none that can be read."""
    return _layer(draft, schedule, entry, "ical_url_primary", "", people)


def overrides(draft: Draft, schedule: Found, entry: Json, people: Mapping[str, str]) -> list[Json]:
    """The layer above all others, which replaces them wherever its calendar names somebody."""
    if not schedule.value.get("ical_url_overrides"):
        return []
    return _layer(draft, schedule, entry, "ical_url_overrides", "-overrides", people)


def usernames(draft: Draft, found: Collected) -> dict[str, str]:
    """What OnCall's calendars call people, beside their names and mail addresses: keys by username."""
    named = {str(u.value.get("username") or "").strip(): str(u.value["id"]) for u in found["users"]}
    keys = {name: draft.people.keys[id_] for name, id_ in named.items() if name and id_ in draft.people.keys}
    return {name: key for name, key in sorted(keys.items()) if name != key and len(name) <= 200}


def _layer(
    draft: Draft, schedule: Found, entry: Json, member: str, ending: str, people: Mapping[str, str]
) -> list[Json]:
    address, name = str(schedule.value.get(member) or "").strip(), str(entry["name"])
    if not _ADDRESS.match(address) or len(address) > _LONGEST:
        draft.note("left_out", f"{member} of {name}", schedule.where, "it is no address that can be read",
                   "nobody is on call by it: look for the gap")  # fmt: skip
        return []
    key = f"{str(entry['key'])[: 64 - len(ending)]}{ending}"
    called = f"{name}, overrides" if ending else name
    calendar: Json = {"key": key, "name": called[:200], "time_zone": entry["time_zone"]}
    calendar |= {"people": dict(people)} if people else {}
    calendar |= {"team": entry["team"]} if "team" in entry else {}
    draft.add("calendars", calendar)
    draft.give_address("calendars", key, address)
    draft.note("told", f"{member} of {name}", schedule.where, "its shifts are read from its address, again and again",
               f"the calendar {key}; look at the names that it does not know")  # fmt: skip
    return [{"name": "overrides" if ending else "iCal", "calendar": key}]

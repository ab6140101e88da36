"""Grafana OnCall's public API: schedules made of on-call shifts, with levels.

Shapes and rules: the API reference of grafana/oncall. Of shifts that overlap the higher level wins, those of one level
are on call together, overrides win over all. A shift's own zone goes before that of its schedule.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Final

from app import hours
from app.errors import Invalid
from app.moving import grafana_calendars, grafana_chains, grafana_shifts
from app.moving.comparing import shifts_of
from app.moving.draft import Draft
from app.moving.exports import Collected, Found, collect, instant, listed, objects
from app.moving.keys import clean
from app.moving.layering import NoEqual
from app.moving.moved import Json, Kind, Moved, PlannedOverride, Rendered, Source
from app.moving.overlapping import cut
from app.moving.persons import Method, Person
from app.oncall.intervals import Interval, joined, seconds, without

KINDS: Final = (
    "users", "teams", "schedules", "on_call_shifts", "escalation_chains", "escalation_policies", "integrations",
    "routes", "webhooks", "personal_notification_rules", "final_shifts",
)  # fmt: skip
_ROLES: Final = {"admin": "admin", "editor": "operator", "user": "operator", "viewer": "viewer", "observer": "viewer"}
_SHIFTS: Final = ("single_event", "recurrent_event", "rolling_users", "override")
_LOOKED_AT: Final = timedelta(days=370)
_EVER: Final = datetime(2000, 1, 1, tzinfo=UTC)


def read(sources: Sequence[Source], existing: Mapping[str, object], country: str | None = None) -> Moved:
    """Raises `Invalid` for what is no export of Grafana OnCall. `country` is not looked at: it exports no numbers."""
    found = collect(list(_single(sources)), {kind: kind for kind in KINDS})
    draft = Draft(existing, [_person(user) for user in found["users"]])
    teams = _teams(draft, found)
    keys = draft.keys("schedules", [(s.value["id"], str(s.value.get("name") or "")) for s in found["schedules"]])
    shifts = {str(shift.value.get("id")): shift for shift in found["on_call_shifts"]}
    for schedule in found["schedules"]:
        _schedule(draft, schedule, keys[schedule.value["id"]], teams, shifts, found)
    grafana_chains.chains(draft, found, keys, teams)
    return draft.done()


def _single(sources: Sequence[Source]) -> Iterator[Source]:
    """Every thing with its kind. A page has `results`; a file may also hold lists by their plural names."""
    for name, value in objects(sources):
        named = {kind: value[kind] for kind in KINDS if isinstance(value.get(kind), list)}
        if named and "id" not in value:
            yield from (Source(name, {kind: item}) for kind, items in named.items() for item in items)
            continue
        for item in listed(value["results"]) if "results" in value else [value]:
            if not isinstance(item, dict):
                raise Invalid(f"{name}: results are objects, not {type(item).__name__}")
            yield Source(name, {_kind(name, item): item})


def _kind(name: str, item: Json) -> str:
    """By members: answers do not say what they are."""
    kind = item.get("type")
    by_members = {
        "final_shifts": "shift_start" in item,
        "on_call_shifts": kind in _SHIFTS,
        "personal_notification_rules": "user_id" in item and kind is not None,
        "escalation_policies": "escalation_chain_id" in item and "position" in item and kind is not None,
        "routes": "integration_id" in item,
        "users": "username" in item,
        "schedules": kind in ("ical", "calendar", "web"),
        "integrations": kind is not None,
        "webhooks": "url" in item,
        "escalation_chains": "team_id" in item,
        "teams": "name" in item,
    }
    if (found := next((kind for kind, fits in by_members.items() if fits), None)) is None:
        raise Invalid(f"{name}: there is nothing of Grafana OnCall's in it: {', '.join(KINDS)}")
    return found


def _person(found: Found) -> Person:
    value = found.value
    email = str(value.get("email") or "")
    return Person(
        id=str(value["id"]),
        name=str(value.get("name") or value.get("username") or value["id"]),
        email=email,
        role=_ROLES.get(str(value.get("role") or "user").lower(), "operator"),
        time_zone=_zone(value.get("timezone")),
        methods=(Method("mail", email.strip().lower()),) if email else (),
        where=found.where,
    )


def _zone(name: object) -> str | None:
    try:
        return hours.zone(str(name)).key if name else None
    except Invalid:
        return None


def _teams(draft: Draft, found: Collected) -> dict[str, str]:
    keys = draft.keys("teams", [(t.value["id"], str(t.value.get("name") or "")) for t in found["teams"]])
    for team in found["teams"]:
        own = [u.value["id"] for u in found["users"] if team.value["id"] in listed(u.value.get("teams"))]
        members = {draft.people.keys[id_]: "member" for id_ in own}
        draft.team(keys[team.value["id"]], str(team.value["name"]), members)
    kinds = {str(r.value.get("type")) for r in found["personal_notification_rules"]} - {"wait", "notify_by_email"}
    for kind in sorted(kinds):
        draft.note("left_out", f"personal rules of the type {kind}", "", "its API gives no phone numbers nor devices",
                   "the mail address only; people add their numbers themselves")  # fmt: skip
    if found["personal_notification_rules"]:
        draft.note("changed", "personal notification rules", "", "the address that each needs is not in the export",
                   "the default plan: every contact method that its owner has verified")  # fmt: skip
    return keys


def _schedule(
    draft: Draft, found: Found, key: str, teams: Mapping[str, str], shifts: Mapping[str, Found], export: Collected
) -> None:
    value = found.value
    zone = draft.zone(value.get("time_zone"), found.where)
    name = clean(value.get("name") or value["id"])
    own: list[Found] = []
    for id_ in map(str, listed(value.get("shifts"))):
        if id_ in shifts:
            own.append(shifts[id_])
        else:
            draft.note("missing", f"the shift {id_} of {name}", found.where, "no file of the export has it")
    own += [s for s in shifts.values() if str(s.value.get("schedule")) == str(value["id"]) and s not in own]
    entry: Json = {"key": key, "name": name, "time_zone": zone, "layers": []}
    if str(value.get("team_id")) in teams:
        entry["team"] = teams[str(value["team_id"])]
    entry["layers"] = _laid(draft, found, entry, [s for s in own if s.value.get("type") != "override"])
    people = grafana_calendars.usernames(draft, export)
    if value.get("type") == "ical":
        entry["layers"] += grafana_calendars.primary(draft, found, entry, people)
    entry["layers"] += grafana_calendars.overrides(draft, found, entry, people)
    draft.schedule(entry, found.where)
    draft.overrides += cut(o for s in own if s.value["type"] == "override" for o in _override(draft, s, key, zone))
    rendered = [s for s in export["final_shifts"] if str(value["id"]) in s.file]
    draft.rendered.append(Rendered(key, "final shifts", tuple(_rendered(draft, s) for s in rendered)))


def _laid(draft: Draft, found: Found, schedule: Json, shifts: Sequence[Found]) -> list[Json]:
    """Layers from the lowest level to the highest; of one level, whatever covers most is below."""
    laid: list[Json] = []
    for _, level in groupby(sorted(shifts, key=_level), key=_level):
        own: list[tuple[Json, str]] = []
        for shift in level:
            taken = {layer["name"] for layer in [*laid, *(layer for layer, _ in own)]}
            own += [(layer, shift.where) for layer in _layers(draft, shift, str(schedule["time_zone"]), taken)]
        if not laid:
            laid = [layer | {"mode": "add"} for layer, _ in own]
            continue
        covered = _covered(schedule, [layer for layer, _ in own])
        together: list[Interval] = []
        for (layer, where), time in sorted(zip(own, covered, strict=True), key=lambda one: -seconds(one[1])):
            laid.append(layer | {"mode": _mode(draft, layer, time, together, where)})
            together = joined([*together, *time])
    return laid


def _covered(schedule: Json, layers: Sequence[Json]) -> list[list[Interval]]:
    """When each of the layers has somebody, for long enough that every turn comes."""
    bounds = [datetime.fromisoformat(layer["starts_at"]) for layer in layers]
    latest = max(bounds, default=_EVER)
    t0, t1 = max(min(bounds, default=_EVER), latest - _LOOKED_AT), latest + _LOOKED_AT
    alone = (shifts_of(schedule | {"layers": [layer]}, [], t0, t1) for layer in layers)
    return [joined(part for parts in on_call.values() for part in parts) for on_call in alone]


def _mode(draft: Draft, layer: Json, time: list[Interval], together: list[Interval], where: str) -> str:
    """How a layer joins others of its level, above lower ones: it adds where they cover all of it, else it replaces."""
    rest = without(time, together)
    if not rest and together:
        return "add"
    if rest == time:
        return "replace"
    why = "it covers a part of what others of its level cover, and more"
    draft.note("changed", f"shift {layer['name']}", where, why, "lower levels stay on call where it is alone")
    return "add"


def _level(shift: Found) -> int:
    return int(shift.value.get("level") or 0)


def _layers(draft: Draft, shift: Found, zone: str, taken: set[str]) -> list[Json]:
    value, where = shift.value, shift.where
    own_zone = draft.zone(value["time_zone"], where, zone) if value.get("time_zone") else zone
    groups = [_users(draft, group, where) for group in grafana_shifts.groups(value)]
    name = clean(value.get("name"))[:150] or str(value.get("id"))
    free, number = name, 2
    while any(other == free or other.startswith(f"{free}, ") for other in taken):
        free, number = f"{name} ({number})", number + 1
    try:
        layers, changed = grafana_shifts.layers(free, value, groups, hours.zone(own_zone))
    except NoEqual as refused:
        draft.note("left_out", f"shift {name}", where, str(refused), "nobody: look for the gap")
        return []
    for why, instead in changed:
        draft.note("changed", f"shift {name}", where, why, instead)
    return [layer | ({"time_zone": own_zone} if own_zone != zone else {}) for layer in layers]


def _users(draft: Draft, group: Sequence[object], where: str, kind: Kind = "missing") -> list[str]:
    users = [draft.user(str(id_), where, kind) for id_ in group]
    return list(dict.fromkeys(user for user in users if user))


def _override(draft: Draft, shift: Found, key: str, zone: str) -> Iterator[PlannedOverride]:
    """The first user in place of everybody, the others besides."""
    value, where = shift.value, shift.where
    users = [user for group in grafana_shifts.groups(value) for user in _users(draft, group, where, "left_out")]
    own_zone = hours.zone(draft.zone(value["time_zone"], where, zone) if value.get("time_zone") else zone)
    starts_at, ends_at = grafana_shifts.bounds(value, own_zone)
    for number, user in enumerate(dict.fromkeys(users) if starts_at < ends_at else ()):
        yield PlannedOverride(key, user, starts_at, ends_at, adds=number > 0)


def _rendered(draft: Draft, shift: Found) -> tuple[datetime, datetime, str]:
    id_ = str(shift.value.get("user_pk"))
    starts_at, ends_at = (instant(shift.value[member], shift.where) for member in ("shift_start", "shift_end"))
    return starts_at, ends_at, draft.people.keys.get(id_, id_)

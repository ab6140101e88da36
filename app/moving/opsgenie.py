"""Opsgenie's REST API v2: schedules with rotations and time restrictions, overrides and timelines.

Shapes: opsgenie/opsgenie-oas; rules: Opsgenie's documentation. All rotations of a schedule are on call together.
`type` x `length` is a turn (2 weekly = 14 days), counted by the clocks of the schedule's zone; instants are UTC.
Participants of the type `none` are turns of nobody. Restrictions are cut out after turns are decided.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from app import hours
from app.errors import Invalid
from app.hours import Span
from app.moving import layering, opsgenie_people, opsgenie_policies
from app.moving.comparing import shifts_of
from app.moving.draft import Draft
from app.moving.exports import Collected, Found, collect, instant, listed, objects, zulu
from app.moving.keys import clean
from app.moving.layering import NoEqual
from app.moving.moved import Json, Moved, PlannedOverride, Rendered, Source
from app.moving.overlapping import LONGEST, cut
from app.oncall.intervals import joined, without

_SECONDS: Final = {"hourly": 3600, "daily": 86_400, "weekly": 604_800}
_DAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_MOST_TOGETHER: Final = 20


def read(sources: Sequence[Source], existing: Mapping[str, object], country: str | None = None) -> Moved:
    """Raises `Invalid` for what is no export of Opsgenie. `country` is not looked at: numbers have their country."""
    found = collect([Source(name, {_kind(name, item): item}) for name, item in _items(sources)], {k: k for k in KINDS})
    draft = Draft(existing, opsgenie_people.persons(found))
    opsgenie_people.name_by_id(draft, found)
    teams = opsgenie_people.teams(draft, found)
    keys = draft.keys("schedules", [(s.value["id"], str(s.value.get("name") or "")) for s in found["schedule"]])
    for schedule in found["schedule"]:
        _schedule(draft, schedule, keys[schedule.value["id"]], teams, found)
    opsgenie_policies.policies(draft, found, keys, teams)
    return draft.done()


KINDS: Final = ("user", "team", "schedule", "override", "timeline", "escalation", "other")


def _items(sources: Sequence[Source]) -> Iterator[tuple[str, Json]]:
    """Everything has the member `data`, one thing or a list; what is not wrapped is taken as it is."""
    for name, value in objects(sources):
        for item in listed(value["data"]) if "data" in value else [value]:
            if not isinstance(item, dict):
                raise Invalid(f"{name}: data is made of objects, not {type(item).__name__}")
            yield name, item


def _kind(name: str, item: Json) -> str:
    """By members: answers do not say what they are."""
    if "finalTimeline" in item:
        return "timeline"
    if "alias" in item and "user" in item and "startDate" in item:
        return "override"
    if "username" in item:
        return "user"
    if "rules" in item:
        return "escalation"
    if "rotations" in item or "timezone" in item:
        return "schedule"
    if "members" in item or {"id", "name"} <= item.keys() <= {"id", "name", "description", "links"}:
        return "team"
    if "id" in item or "name" in item:
        return "other"
    raise Invalid(f"{name}: there is nothing of Opsgenie's in it: users, teams, schedules, escalations, overrides")


def _schedule(draft: Draft, found: Found, key: str, teams: Mapping[str, str], export: Collected) -> None:
    value = found.value
    if "rotations" not in value:
        why = "schedules have their rotations with ?expand=rotation, or in GET /v2/schedules/{id}"
        draft.note("missing", f"the rotations of schedule {value.get('name')}", found.where, why)
        return
    zone = draft.zone(value.get("timezone"), found.where)
    rotations: dict[str, list[Json]] = {}
    for number, rotation in enumerate(listed(value["rotations"]), start=1):
        name = _free(clean(rotation.get("name"))[:150] or f"rotation {number}", rotations.values())
        made = _rotation(draft, rotation, name, found, hours.zone(zone), export)
        # Rotations are on call together, so that each joins those below it.
        rotations[str(rotation.get("id") or number)] = [entry | {"mode": "add"} for entry in made]
    entry: Json = {
        "key": key,
        "name": clean(value.get("name") or value["id"]),
        "time_zone": zone,
        "layers": [layer for layers in rotations.values() for layer in layers],
    }
    if (owner := teams.get(str((value.get("ownerTeam") or {}).get("id")))) is not None:
        entry["team"] = owner
    if value.get("enabled") is False:
        why = "a schedule cannot be switched off"
        draft.note("changed", f"schedule {entry['name']}", found.where, why, "it counts; take it out of policies")
    draft.schedule(entry, found.where)
    draft.overrides += cut(_overrides(draft, found, entry, rotations, export))
    _rendered(draft, found, key, rotations, export)


def _rotation(draft: Draft, rotation: Json, name: str, found: Found, zone: ZoneInfo, export: Collected) -> list[Json]:
    where = found.at(f"rotation {name}")
    start = instant(rotation["startDate"], where)
    seconds = _SECONDS.get(str(rotation.get("type")), 0) * int(rotation.get("length") or 1)
    members = [_turn(draft, p, where, export) for p in listed(rotation.get("participants"))]
    anchor = hours.local(start, zone).replace(tzinfo=None, second=0, microsecond=0)
    try:
        spans = list(_spans(rotation.get("timeRestriction") or {}))
        try:
            made = layering.layers(name, seconds, anchor, members, spans, zone)
        except NoEqual as refused:
            made = [layering.elapsed(name, seconds, anchor, members, spans)]
            instead = "turns of elapsed time, which move when clocks change"
            draft.note("changed", f"turns of rotation {name}", where, str(refused), instead)
    except NoEqual as refused:
        draft.note("left_out", f"rotation {name}", where, str(refused))
        return []
    bounds = {"starts_at": zulu(start)}
    if rotation.get("endDate"):
        bounds["ends_at"] = zulu(instant(rotation["endDate"], where))
        if bounds["ends_at"] <= bounds["starts_at"]:
            draft.note("left_out", f"rotation {name}", where, "it ends before it starts")
            return []
    return [entry | bounds for entry in made]


def _turn(draft: Draft, participant: Json, where: str, export: Collected) -> list[str]:
    """Who is on call in a turn."""
    kind, id_ = str(participant.get("type")), str(participant.get("id"))
    if kind == "none":
        return []
    if kind == "user":
        user = draft.user(opsgenie_people.id_of(participant), where)
        return [user] if user else []
    if kind == "team":
        members = opsgenie_people.members(draft, export, id_, where)
        named = participant.get("name") or id_
        draft.note("changed", f"the team {named} as a participant", where, "turns are of people",
                   f"everybody who is in it now: {', '.join(members) or 'nobody'}")  # fmt: skip
        return members[:_MOST_TOGETHER]
    if kind == "escalation":
        first = opsgenie_policies.first_users(draft, export, id_, where)
        named = participant.get("name") or id_
        draft.note("changed", f"the escalation {named} as a participant", where, "turns are of people",
                   f"whom its first rule names: {', '.join(first) or 'nobody, which is a gap'}")  # fmt: skip
        return first
    draft.note("changed", f"a participant of the type {kind}", where, "there is none like it", "nobody: a gap")
    return []


def _spans(restriction: Json) -> Iterator[Span]:
    """Where start and end are the same there is no restriction."""
    kind = restriction.get("type")
    if kind == "time-of-day":
        for part in listed(restriction.get("restriction") or restriction.get("restrictions")):
            start, end = _minute(part, "start"), _minute(part, "end")
            if start % 1440 != end % 1440:
                yield from layering.every_day(start, (end - start) % 1440 or 1440)
    elif kind == "weekday-and-time-of-day":
        for part in listed(restriction.get("restrictions") or restriction.get("restriction")):
            start = _day(part["startDay"]) * 1440 + _minute(part, "start")
            end = _day(part["endDay"]) * 1440 + _minute(part, "end")
            yield layering.span(start, (end - start) % layering.WEEK_MINUTES or layering.WEEK_MINUTES)
    elif restriction:
        raise NoEqual(f"there are no restrictions of the type {kind}")


def _minute(part: Json, which: str) -> int:
    return int(part.get(f"{which}Hour") or 0) * 60 + int(part.get(f"{which}Min") or 0)


def _day(name: object) -> int:
    if str(name).lower() not in _DAYS:
        raise NoEqual(f"there is no day {name}")
    return _DAYS.index(str(name).lower())


def _free(name: str, taken: Iterable[Sequence[Json]]) -> str:
    """Rotations may have the same name."""
    names = {layer["name"] for layers in taken for layer in layers}
    free, number = name, 2
    while any(other == free or other.startswith(f"{free}, ") for other in names):
        free, number = f"{name} ({number})", number + 1
    return free


def _overrides(
    draft: Draft, found: Found, entry: Json, rotations: Mapping[str, list[Json]], export: Collected
) -> Iterator[PlannedOverride]:
    """Of all rotations: in place of everybody; else `_of_some`. Overrides name their schedule by `_parent`, by
    its rotations, or by the name of their file."""
    for override in export["override"]:
        value, where = override.value, override.where
        named = {str(r.get("id")) for r in listed(value.get("rotations"))} & rotations.keys()
        if not named and not _is_of(found, override):
            continue
        user = draft.user(opsgenie_people.id_of(value.get("user") or {}), where, "left_out")
        starts_at, ends_at = instant(value["startDate"], where), instant(value["endDate"], where)
        if user is None or starts_at >= ends_at:
            continue
        if not named or named == rotations.keys():
            yield PlannedOverride(entry["key"], user, starts_at, ends_at)
            continue
        layers = [layer["name"] for id_ in sorted(named) for layer in rotations[id_]]
        found_any = list(_of_some(entry, layers, user, starts_at, min(ends_at, starts_at + LONGEST)))
        if not found_any:
            draft.note("left_out", f"override of {user}", where, "the rotations that it is of have no hours then")
        yield from (planned for planned in found_any if planned.replaces != user)


def _of_some(
    entry: Json, layers: Sequence[str], user: str, starts_at: datetime, ends_at: datetime
) -> Iterator[PlannedOverride]:
    """In the place of whom these rotations have; where a turn of theirs is nobody's, besides whoever is on call."""
    if not layers:
        return
    replaced = shifts_of(entry, [], starts_at, ends_at, layers)
    for other, intervals in sorted(replaced.items()):
        yield from (PlannedOverride(entry["key"], user, s, e, other) for s, e in intervals)
    covering = entry | {"layers": [layer | {"members": [[user]]} for layer in entry["layers"]]}
    hours_of = shifts_of(covering, [], starts_at, ends_at, layers).get(user, [])
    somebodys = joined([interval for intervals in replaced.values() for interval in intervals])
    yield from (PlannedOverride(entry["key"], user, s, e, adds=True) for s, e in without(hours_of, somebodys))


def _is_of(schedule: Found, thing: Found) -> bool:
    parent = str((thing.value.get("_parent") or {}).get("id") or "")
    return schedule.value["id"] == parent or (not parent and schedule.value["id"] in thing.file)


def _rendered(draft: Draft, found: Found, key: str, rotations: Mapping[str, list[Json]], export: Collected) -> None:
    for timeline in export["timeline"]:
        if not _is_of(found, timeline):
            continue
        drawn = listed((timeline.value.get("finalTimeline") or {}).get("rotations"))
        shifts = [shift for rotation in drawn for shift in _periods(draft, rotation, timeline)]
        draft.rendered.append(Rendered(key, "final timeline", tuple(shifts)))
        for rotation in listed((timeline.value.get("baseTimeline") or {}).get("rotations")):
            layers = tuple(layer["name"] for layer in rotations.get(str(rotation.get("id")), []))
            if layers:
                of = f"rotation {rotation.get('name') or rotation.get('id')}"
                draft.rendered.append(Rendered(key, of, tuple(_periods(draft, rotation, timeline)), layers))


def _periods(draft: Draft, rotation: Json, timeline: Found) -> Iterator[tuple[datetime, datetime, str]]:
    for period in listed(rotation.get("periods")):
        for recipient in listed(period.get("flattenedRecipients")) or listed(period.get("recipient")):
            if recipient.get("type", "user") != "none":
                named = str(recipient.get("id") or recipient.get("name"))
                user = draft.people.keys.get(named) or draft.people.keys.get(opsgenie_people.id_of(recipient), named)
                where = timeline.at("periods")
                yield instant(period["startDate"], where), instant(period["endDate"], where), user

"""PagerDuty's REST API v2: schedules with their layers, overrides and renderings; the rest is in the files beside it.

Shapes and rules: reference/REST/openapiv3.json of PagerDuty/api-schema. GET lists the layers of a schedule from the
highest to the lowest, the reverse of what PUT takes. Turns are counted in seconds of the wall clock, from
`rotation_virtual_start`. An override takes the place of all layers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from math import ceil
from typing import Any, Final
from zoneinfo import ZoneInfo

from app import hours
from app.hours import Span
from app.moving import layering, pagerduty_people, pagerduty_policies, pagerduty_shifts
from app.moving.draft import Draft
from app.moving.exports import Collected, Found, collect, instant, listed, zulu
from app.moving.layering import NoEqual
from app.moving.moved import Json, Moved, PlannedOverride, Rendered, Source
from app.moving.overlapping import cut

KINDS: Final = {
    "users": "users", "user": "users", "teams": "teams", "team": "teams", "schedules": "schedules",
    "schedule": "schedules", "escalation_policies": "escalation_policies", "escalation_policy": "escalation_policies",
    "services": "services", "service": "services", "overrides": "overrides",
}  # fmt: skip


def read(sources: Sequence[Source], existing: Mapping[str, object], country: str | None = None) -> Moved:
    """Raises `Invalid` for what is no export of PagerDuty. `country` is not looked at: numbers have their country."""
    found = collect(sources, KINDS)
    draft = Draft(existing, pagerduty_people.persons(found))
    teams = pagerduty_people.teams(draft, found)
    schedules = draft.keys("schedules", [(s.value["id"], s.value.get("name", "")) for s in _whole(found)])
    for schedule in _whole(found):
        _schedule(draft, schedule, schedules[schedule.value["id"]], teams, found)
    policies = pagerduty_policies.policies(draft, found, schedules, teams)
    pagerduty_policies.services(draft, found, policies, teams)
    return draft.done()


def _whole(found: Collected) -> list[Found]:
    return [schedule for schedule in found["schedules"] if schedule.value.get("id")]


def _schedule(draft: Draft, found: Found, key: str, teams: Mapping[str, str], export: Collected) -> None:
    value = found.value
    if "rotations" not in value and "schedule_layers" not in value:
        why = "the list of schedules has no layers; each is in GET /schedules/{id}"
        draft.note("missing", f"the layers of schedule {value.get('name')}", found.where, why)
        return
    zone = draft.zone(value.get("time_zone"), found.where)
    made: list[Json] = []
    # The first of the list is the highest, and ours are written from the lowest.
    for layer in reversed(listed(value.get("schedule_layers"))):
        own = _layers(draft, layer, found, hours.zone(zone), {entry["name"] for entry in made})
        made += own
        shifts = _entries(draft, layer, found)
        if own and shifts:
            names = tuple(entry["name"] for entry in own)
            draft.rendered.append(Rendered(key, f"layer {layer.get('name')}", shifts, names))
    made += _of_events(draft, found, hours.zone(zone), {entry["name"] for entry in made})
    entry: Json = {"key": key, "name": _name(value), "time_zone": zone, "layers": made}
    owners = [teams[t["id"]] for t in listed(value.get("teams")) if t.get("id") in teams]
    if owners:
        entry["team"] = owners[0]
    if len(owners) > 1:
        draft.note("changed", f"teams of schedule {entry['name']}", found.where, "a schedule has one team", owners[0])
    draft.schedule(entry, found.where)
    draft.overrides += cut(_overrides(draft, found, key, export))
    draft.rendered.append(Rendered(key, "final schedule", _entries(draft, value.get("final_schedule") or {}, found)))


def _of_events(draft: Draft, found: Found, zone: ZoneInfo, taken: set[str]) -> list[Json]:
    """The layers of a shift-based schedule (v3)."""
    made: list[Json] = []
    for called, event in pagerduty_shifts.events(found.value):
        name = _free(" ".join(called.split())[:150] or "event", taken | {entry["name"] for entry in made})
        where = found.at(f"event {name}")
        try:
            own, changed = pagerduty_shifts.layers(name, event, partial(draft.user, where=where), zone, where)
        except NoEqual as refused:
            draft.note("left_out", f"event {name}", where, str(refused), "nobody: look for the gap")
            continue
        for why, instead in changed:
            draft.note("changed", f"event {name}", where, why, instead)
        made += own
    if len(made) > 1:
        draft.note("changed", f"rotations of schedule {_name(found.value)}", found.where,
                   "which goes before which is not in it", "those that overlap are on call together")  # fmt: skip
    if not made and "rotations" in found.value:
        draft.note("left_out", f"the rotations of schedule {_name(found.value)}", found.where,
                   "there is no event in them that can be imported", "a schedule without layers: a gap")  # fmt: skip
    return made


def _name(value: Json) -> str:
    from_pagerduty = value.get("name") or value.get("summary") or value["id"]
    return " ".join(str(from_pagerduty).split())[:200]


def _layers(draft: Draft, layer: Json, found: Found, zone: ZoneInfo, taken: set[str]) -> list[Json]:
    """One layer of theirs; several of ours when its turns are a part of a day, none when it has no equal."""
    where = found.at(f"layer {layer.get('name')}")
    name = _free(str(layer.get("name") or "layer")[:150], taken)
    references = [u.get("user") or u for u in listed(layer.get("users"))]
    users = [draft.user(str(u.get("id")), where) for u in references]
    members = [[user] if user else [] for user in users]
    seconds = int(layer.get("rotation_turn_length_seconds") or 0)
    start = instant(layer["start"], where)
    anchor = _anchor(
        instant(layer.get("rotation_virtual_start") or layer["start"], where), start, seconds, members, zone
    )
    if anchor.second:
        draft.note("changed", f"start of layer {name}", where, "a layer begins at a minute", f"{anchor:%H:%M}")
        anchor = anchor.replace(second=0)
    spans = [s for r in listed(layer.get("restrictions")) for s in _spans(draft, r, where)]
    try:
        made = layering.layers(name, seconds, anchor, members, spans, zone)
    except NoEqual as refused:
        made = _elapsed(draft, name, seconds, anchor, members, spans, str(refused), where)
    bounds = {"starts_at": zulu(start)} | ({"ends_at": zulu(instant(layer["end"], where))} if layer.get("end") else {})
    if bounds.get("ends_at", "9") <= bounds["starts_at"]:
        draft.note("left_out", f"layer {name}", where, "it ends before it starts")
        return []
    return [entry | bounds for entry in made]


def _elapsed(
    draft: Draft, name: str, seconds: int, anchor: datetime, members: Sequence[Sequence[str]],
    spans: Sequence[Span], why: str, where: str,
) -> list[Json]:  # fmt: skip
    try:
        made = [layering.elapsed(name, seconds, anchor, members, spans)]
    except NoEqual as refused:
        draft.note("left_out", f"layer {name}", where, str(refused))
        return []
    draft.note("changed", f"turns of layer {name}", where, why, "turns of elapsed time, which move when clocks change")
    return made


def _anchor(virtual: datetime, start: datetime, seconds: int, members: Sequence[object], zone: ZoneInfo) -> datetime:
    """When turn 0 begins, in local time; before the layer starts, so that all of it is covered."""
    anchor = hours.local(virtual, zone).replace(tzinfo=None, microsecond=0)
    begins = hours.local(start, zone).replace(tzinfo=None)
    cycle = timedelta(seconds=seconds * len(members))
    return anchor - ceil((anchor - begins) / cycle) * cycle if anchor > begins and cycle else anchor


def _spans(draft: Draft, restriction: Json, where: str) -> Iterator[Span]:
    hour, minute, second = (int(part) for part in f"{restriction['start_time_of_day']}:00".split(":")[:3])
    seconds = int(restriction["duration_seconds"])
    if second or seconds % 60:
        draft.note("changed", "a restriction", where, "ours are whole minutes", "rounded up to the next minute")
    start, length = hour * 60 + minute, ceil((seconds + second) / 60)
    if restriction.get("type") == "weekly_restriction":
        yield layering.span((int(restriction["start_day_of_week"]) - 1) * 1440 + start, length)
    else:
        yield from layering.every_day(start, min(length, 1440))


def _free(name: str, taken: set[str]) -> str:
    """PagerDuty lets layers have the same name."""
    number = 2
    free = name
    while any(other == free or other.startswith(f"{free}, ") for other in taken):
        free, number = f"{name} ({number})", number + 1
    return free


def _entries(draft: Draft, rendered: Json, found: Found) -> tuple[tuple[datetime, datetime, str], ...]:
    """What PagerDuty computed. Who is not in the export keeps the id, so that the difference shows."""
    shifts = []
    for entry in listed(rendered.get("rendered_schedule_entries")):
        id_ = str((entry.get("user") or {}).get("id"))
        where = found.at("rendered entries")
        user = draft.people.keys.get(id_, id_)
        shifts.append((instant(entry["start"], where), instant(entry["end"], where), user))
    return tuple(shifts)


def _overrides(draft: Draft, found: Found, key: str, export: Collected) -> Iterator[PlannedOverride]:
    """In the order in which they were listed. Overrides do not name their schedule: their file does, or the schedule
    itself has them as rendered."""
    id_ = str(found.value["id"])
    own: list[tuple[Any, str]] = [(o.value, o.where) for o in export["overrides"] if id_ in o.file]
    rendered = (found.value.get("overrides_subschedule") or {}).get("rendered_schedule_entries")
    for value, where in own or [(entry, found.at("overrides")) for entry in listed(rendered)]:
        user = draft.user(str((value.get("user") or {}).get("id")), where, "left_out")
        starts_at, ends_at = instant(value["start"], where), instant(value["end"], where)
        if user is not None and starts_at < ends_at:
            yield PlannedOverride(key, user, starts_at, ends_at)

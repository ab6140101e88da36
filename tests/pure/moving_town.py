"""Exports as other products write them, and what those would say about them, by stepping through time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from app.escalation.ladder import climb
from app.escalation.policy_copy import PolicyCopy
from app.escalation.positions import Ladder, Reach, Situation
from app.moving.moved import Moved, Source

Json = dict[str, Any]
NAMES = {"PA": "Ana", "PB": "Ben", "PC": "Cara", "PD": "Dan"}
START = datetime(2026, 3, 2, 10, tzinfo=UTC)


def source(value: Any, name: str = "export.json") -> Source:
    return Source(name, value)


def notices(moved: Moved, kind: str) -> list[str]:
    return [notice.what for notice in moved.notices if notice.kind == kind]


# -- PagerDuty


def users(*ids: str) -> Json:
    return {
        "users": [
            {"id": id_, "name": NAMES[id_], "email": f"{NAMES[id_].lower()}@example.org", "role": "limited_user"}
            for id_ in ids or NAMES
        ]
    }


def layer(name: str, turn_s: int, virtual_start: str, members: Sequence[str], *restrictions: Json, **more: Any) -> Json:
    return {
        "id": f"L{name}",
        "name": name,
        "start": virtual_start,
        "end": None,
        "rotation_virtual_start": virtual_start,
        "rotation_turn_length_seconds": turn_s,
        "users": [{"user": {"id": id_, "type": "user_reference"}} for id_ in members],
        "restrictions": list(restrictions),
    } | more


def daily(start: str, duration_s: int) -> Json:
    return {"type": "daily_restriction", "start_time_of_day": start, "duration_seconds": duration_s}


def weekly(day: int, start: str, duration_s: int) -> Json:
    return {"type": "weekly_restriction", "start_day_of_week": day, "start_time_of_day": start,
            "duration_seconds": duration_s}  # fmt: skip


def schedule(time_zone: str, *layers: Json, id_: str = "PSCHED1", name: str = "Primary", **more: Any) -> Json:
    """`layers` the highest first, as GET answers."""
    made = {"id": id_, "name": name, "time_zone": time_zone, "schedule_layers": list(layers)} | more
    return {"schedule": made}


def rendered(layers: Sequence[Json], zone: ZoneInfo, t0: datetime, t1: datetime) -> list[Json]:
    """What PagerDuty's rules give, every quarter of an hour, by the local time that the clocks show."""
    entries: list[Json] = []
    at = t0
    while at < t1:
        user = next((user for one in layers if (user := _on_call(one, zone, at)) is not None), None)
        end = at + timedelta(minutes=15)
        if user is not None and entries and entries[-1]["end"] == at.isoformat() and entries[-1]["user"]["id"] == user:
            entries[-1]["end"] = end.isoformat()
        elif user is not None:
            entries.append({"start": at.isoformat(), "end": end.isoformat(), "user": {"id": user}})
        at = end
    return entries


def _on_call(one: Json, zone: ZoneInfo, at: datetime) -> str | None:
    if at < datetime.fromisoformat(one["start"]) or (one["end"] and at >= datetime.fromisoformat(one["end"])):
        return None
    wall = at.astimezone(zone).replace(tzinfo=None)
    began = datetime.fromisoformat(one["rotation_virtual_start"]).astimezone(zone).replace(tzinfo=None)
    if one["restrictions"] and not any(_covers(r, wall) for r in one["restrictions"]):
        return None
    turn = (wall - began) // timedelta(seconds=one["rotation_turn_length_seconds"])
    members = one["users"]
    return str(members[turn % len(members)]["user"]["id"])


def _covers(restriction: Json, wall: datetime) -> bool:
    hour, minute, _ = (int(part) for part in restriction["start_time_of_day"].split(":"))
    for days in range(9):
        start = (wall - timedelta(days=days)).replace(hour=hour, minute=minute, second=0)
        if restriction["type"] == "weekly_restriction" and start.isoweekday() != restriction["start_day_of_week"]:
            continue
        if start <= wall < start + timedelta(seconds=restriction["duration_seconds"]):
            return True
    return False


# -- what falls due when


def due(policy: Mapping[str, Any]) -> list[tuple[float, list[str]]]:
    """Minutes from the start and the keys of the targets that are paged then, by the ladder itself, until the last
    resort is."""
    keys = sorted({t["key"] for step in policy["steps"] for t in step["targets"]})
    steps = [
        step | {"targets": [{"type": "user", "id": keys.index(t["key"])} for t in step["targets"]]}
        for step in policy["steps"]
    ]
    copy = PolicyCopy.of({"name": "P", "repeats": policy.get("repeats", 0), "steps": steps})
    ladder = Ladder(UUID(int=1), UUID(int=2), "page", copy, 1, 1, 0, 0, START)
    found: list[tuple[float, list[str]]] = []
    now = START
    while True:
        result = climb(ladder, Situation("triggered", 1, "loud"), _everybody, (), now)
        if result.unreachable:
            return [*found, ((now - START).total_seconds() / 60, ["the last resort"])]
        paged = sorted(keys[page.user_id] for page in result.pages)
        found.append(((now - START).total_seconds() / 60, paged))
        assert result.ladder.next_step_at is not None
        now = result.ladder.next_step_at
        ladder = replace(result.ladder)


def _everybody(targets: Sequence[Any]) -> Reach:
    return Reach(tuple((t.id, str(t.id), "named") for t in targets))

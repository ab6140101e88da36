"""Moving in from Opsgenie: time restrictions, rotations that are on call together, delays from the start."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from moving_town import due, notices, source

from app.configuration import document
from app.errors import Invalid
from app.moving import opsgenie
from app.moving.comparing import compare, shifts_of
from app.moving.moved import Moved

CONTRACT = Path(__file__).resolve().parent.parent / "payloads" / "moving" / "opsgenie" / "examples.json"
BERLIN = ZoneInfo("Europe/Berlin")
T0, T1 = datetime(2026, 3, 16, tzinfo=UTC), datetime(2026, 4, 13, tzinfo=UTC)
"""The clocks of Berlin change on 29 March."""
DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


def read(*exports: Any) -> Moved:
    moved = opsgenie.read([e if hasattr(e, "name") else source(e) for e in exports], {})
    document.parse(moved.document)
    return moved


def person(name: str) -> dict[str, Any]:
    return {"type": "user", "id": f"id-{name}", "username": f"{name}@example.org"}


def rotation(
    id_: str, kind: str, length: int, start: str, people: list[Any], restriction: Any = None, **more: Any
) -> Any:
    made = {"id": id_, "name": id_, "type": kind, "length": length, "startDate": start, "participants": people}
    return made | ({"timeRestriction": restriction} if restriction else {}) | more


def schedule(*rotations: Any, **more: Any) -> dict[str, Any]:
    made = {"id": "S1", "name": "Primary", "timezone": "Europe/Berlin", "enabled": True, "rotations": list(rotations)}
    return {"data": [made | more]}


def time_of_day(start: tuple[int, int], end: tuple[int, int]) -> dict[str, Any]:
    part = {"startHour": start[0], "startMin": start[1], "endHour": end[0], "endMin": end[1]}
    return {"type": "time-of-day", "restriction": part}


def weekdays(*parts: tuple[str, int, str, int]) -> dict[str, Any]:
    restrictions = [{"startDay": a, "startHour": b, "startMin": 0, "endDay": c, "endHour": d, "endMin": 30}
                    for a, b, c, d in parts]  # fmt: skip
    return {"type": "weekday-and-time-of-day", "restrictions": restrictions}


# -- schedules, beside what stepping through local time gives

Open = Callable[[datetime], bool]


def timeline(*rotations: tuple[Any, Open]) -> dict[str, Any]:
    """A timeline of 15 minutes' steps; each rotation with whether its restriction is open at a local time."""
    drawn = []
    for one, is_open in rotations:
        periods = []
        at = T0
        began = datetime.fromisoformat(one["startDate"]).astimezone(BERLIN).replace(tzinfo=None)
        seconds = {"hourly": 3600, "daily": 86_400, "weekly": 604_800}[one["type"]] * one["length"]
        while at < T1:
            wall = at.astimezone(BERLIN).replace(tzinfo=None)
            who = one["participants"][(wall - began) // timedelta(seconds=seconds) % len(one["participants"])]
            if is_open(wall) and who["type"] == "user":
                recipient = {"id": who["id"], "name": who["username"], "type": "user"}
                end = (at + timedelta(minutes=15)).isoformat()
                periods.append({"startDate": at.isoformat(), "endDate": end, "recipient": recipient})
            at += timedelta(minutes=15)
        drawn.append({"id": one["id"], "name": one["id"], "periods": periods})
    return {
        "data": {"_parent": {"id": "S1"}, "finalTimeline": {"rotations": drawn}, "baseTimeline": {"rotations": drawn}}
    }


def always(wall: datetime) -> bool:
    return True


def test_rotations_are_on_call_together():
    a = rotation("a", "weekly", 1, "2026-03-02T08:00:00Z", [person("ana"), person("ben")])
    b = rotation("b", "daily", 1, "2026-03-02T08:00:00Z", [person("cara"), {"type": "none"}])
    moved = read(schedule(a, b), timeline((a, always), (b, always)))
    compared = compare(moved)
    assert [c.of for c in compared] == ["final timeline", "rotation a", "rotation b"]
    assert [(c.equal, c.differences) for c in compared] == [(c.total, ()) for c in compared]
    assert compared[0].total > 15
    assert [layer["mode"] for layer in moved.document["schedules"][0]["layers"]] == ["add", "add"]


@pytest.mark.parametrize(
    ("restriction", "is_open"),
    [
        (time_of_day((9, 0), (17, 30)), lambda w: (9, 0) <= (w.hour, w.minute) < (17, 30)),
        (time_of_day((22, 30), (6, 0)), lambda w: (w.hour, w.minute) >= (22, 30) or w.hour < 6),
        (time_of_day((0, 0), (0, 0)), always),
        (weekdays(("monday", 8, "friday", 18)),
         lambda w: (0, 8, 0) <= (w.weekday(), w.hour, w.minute) < (4, 18, 30)),
        (weekdays(("friday", 18, "monday", 7)),
         lambda w: (w.weekday(), w.hour, w.minute) >= (4, 18, 0) or (w.weekday(), w.hour, w.minute) < (0, 7, 30)),
        (weekdays(("monday", 9, "monday", 12), ("thursday", 20, "friday", 2)),
         lambda w: (0, 9, 0) <= (w.weekday(), w.hour, w.minute) < (0, 12, 30)
         or (3, 20, 0) <= (w.weekday(), w.hour, w.minute) < (4, 2, 30)),
    ],
    ids=["by day", "over midnight", "the same", "working week", "weekend", "several"],
)  # fmt: skip
@pytest.mark.parametrize(("kind", "length"), [("weekly", 1), ("daily", 2), ("hourly", 12)])
def test_time_restrictions_are_taken_over_to_the_minute(restriction, is_open, kind, length):
    one = rotation(
        "r", kind, length, "2026-03-02T08:00:00Z", [person("ana"), person("ben"), person("cara")], restriction
    )
    compared = compare(read(schedule(one), timeline((one, is_open))))
    assert [(c.equal, c.differences) for c in compared] == [(c.total, ()) for c in compared]
    assert compared[0].total >= 4


def test_two_weeks_are_fourteen_days_and_bounds_hold():
    one = rotation(
        "r", "weekly", 2, "2026-03-02T08:00:00Z", [person("ana"), person("ben")], endDate="2026-03-30T07:00:00Z"
    )
    [made] = read(schedule(one)).document["schedules"]
    [layer] = made["layers"]
    assert (layer["unit"], layer["length"], layer["anchor"]) == ("week", 2, "2026-03-02T09:00")
    assert layer["ends_at"] == "2026-03-30T07:00:00Z"


def test_the_example_of_the_contract():
    example = json.loads(CONTRACT.read_text())["export"]
    rules = [{"condition": "if-not-acked", "notifyType": "default", "delay": {"timeAmount": 0, "timeUnit": "minutes"},
              "recipient": {"type": "user", "username": "first@example.org"}}]  # fmt: skip
    esc = {"id": "e1", "name": "esc", "rules": rules}
    team = {
        "id": "t1",
        "name": "team",
        "members": [{"user": {"id": "b2", "username": "in.team@example.org"}, "role": "admin"}],
    }
    override = example["override"] | {"startDate": "2017-02-15T00:00:00Z", "endDate": "2017-02-16T00:00:00Z"}
    moved = read(
        {"data": [example["schedule"]]}, {"data": [example["escalation"], esc]}, {"data": team}, {"data": [override]}
    )
    first, second = moved.document["schedules"][0]["layers"]
    assert first["members"] == [["user"], [], ["first"], ["in-team"]]
    assert first["restrictions"] == [
        {"days": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"], "from": "03:00", "to": "04:00"}
    ]
    assert second["restrictions"] == [{"from": "mon 08:00", "to": "tue 18:30"}]
    assert {o.replaces for o in moved.overrides} <= {"in-team", "first"}, "of one rotation: in the place of whom it has"
    ops = next(p for p in moved.document["policies"] if p["key"] == "ops-escalation")
    assert due(ops)[:4] == [(0, ["user"]), (5, ["schedulename-next"]), (15, ["user"]), (20, ["schedulename-next"])]
    assert len(due(ops)) == 2 * 4 + 1, "repeated three times, then the last resort"
    assert ops["steps"][1]["when"] == {"state": "not_resolved"}
    like = next(s for s in moved.document["schedules"] if s["key"] == "schedulename-next")
    assert like["like"] == {"schedule": "schedulename", "turns": 1}
    assert notices(moved, "missing") == []
    assert "the delay before the first rule" in notices(moved, "changed")


def test_an_override_of_one_rotation_replaces_only_whom_that_has():
    a = rotation("a", "weekly", 1, "2026-03-02T08:00:00Z", [person("ana"), person("ben")])
    b = rotation("b", "weekly", 1, "2026-03-02T08:00:00Z", [person("cara")])
    override = {"alias": "o", "user": person("dan"),
                "startDate": "2026-03-08T08:00:00Z", "endDate": "2026-03-10T08:00:00Z",
                "rotations": [{"id": "a"}]}  # fmt: skip
    users = {
        "data": [{"id": "id-dan", "username": "dan@example.org", "fullName": "Dan", "role": {"name": "Stakeholder"}}]
    }
    moved = read(schedule(a, b), {"data": [override]}, users)
    assert [(o.replaces, f"{o.starts_at:%d %H}", f"{o.ends_at:%d %H}") for o in moved.overrides] == [
        ("ana", "08 08", "09 08"), ("ben", "09 08", "10 08"),
    ]  # fmt: skip
    t0 = datetime(2026, 3, 9, tzinfo=UTC)
    on_call = shifts_of(moved.document["schedules"][0], moved.overrides, t0, t0 + timedelta(hours=24))
    assert sorted(on_call) == ["cara", "dan"]


def test_an_override_of_a_rotation_fills_its_turn_of_nobody_within_its_hours():
    nights = {"type": "time-of-day", "restriction": {"startHour": 22, "startMin": 0, "endHour": 6, "endMin": 0}}
    a = rotation("a", "daily", 1, "2026-03-02T08:00:00Z", [person("ana"), {"type": "none"}]) | {
        "timeRestriction": nights
    }
    b = rotation("b", "weekly", 1, "2026-03-02T08:00:00Z", [person("cara")])
    o = {"alias": "o", "user": person("cara"), "rotations": [{"id": "a"}]}
    filling = o | {"startDate": "2026-03-02T08:00:00Z", "endDate": "2026-03-04T08:00:00Z"}
    outside = o | {"startDate": "2026-03-05T10:00:00Z", "endDate": "2026-03-05T12:00:00Z"}
    moved = read(schedule(a, b), {"data": [filling, outside]})
    zone = ZoneInfo(moved.document["schedules"][0]["time_zone"])
    made = [(p.user, p.replaces, p.adds, f"{p.starts_at.astimezone(zone):%d %H}") for p in moved.overrides]
    assert made == [("cara", "ana", False, "02 22"), ("cara", None, True, "03 22")]
    assert notices(moved, "left_out") == ["override of cara"], "of hours that the rotation does not have"


# -- escalations


def rule(
    minutes: int, recipient: dict[str, Any], how: str = "default", condition: str = "if-not-acked"
) -> dict[str, Any]:
    return {
        "condition": condition,
        "notifyType": how,
        "delay": {"timeAmount": minutes, "timeUnit": "minutes"},
        "recipient": recipient,
    }


def escalation(*rules: Any, **more: Any) -> dict[str, Any]:
    return {"data": [{"id": "e", "name": "Everything", "rules": list(rules)} | more]}


def test_delays_count_from_the_start_and_not_from_the_rule_before():
    moved = read(
        escalation(rule(0, person("ana")), rule(5, person("ben")), rule(5, person("cara")), rule(12, person("dan")))
    )
    assert due(moved.document["policies"][0]) == [
        (0, ["ana"]), (5, ["ben", "cara"]), (12, ["dan"]), (42, ["the last resort"]),
    ]  # fmt: skip
    assert notices(moved, "changed") == []


def test_a_round_begins_again_after_the_wait_interval():
    repeat = {"waitInterval": 10, "count": 2, "resetRecipientStates": False, "closeAlertAfterAll": True}
    moved = read(escalation(rule(2, person("ana")), rule(6, person("ben")), repeat=repeat))
    assert due(moved.document["policies"][0]) == [
        (0, ["ana"]), (6, ["ben"]), (16, ["ana"]), (22, ["ben"]), (32, ["ana"]),
        (38, ["ben"]), (48, ["the last resort"]),
    ]  # fmt: skip
    assert notices(moved, "left_out") == ["closeAlertAfterAll"]
    assert notices(moved, "changed") == ["the delay before the first rule", "resetRecipientStates: false"]


def test_the_same_time_under_another_condition_is_a_step_of_its_own():
    rules = [rule(0, person("ana")), rule(5, person("ben")), rule(5, person("cara"), condition="if-not-closed")]
    moved = read(escalation(*rules, rule(10, person("dan"))))
    steps = moved.document["policies"][0]["steps"]
    assert due(moved.document["policies"][0])[:4] == [(0, ["ana"]), (5, ["ben"]), (5.5, ["cara"]), (10, ["dan"])]
    assert [step.get("when") for step in steps] == [None, None, {"state": "not_resolved"}, None]


def test_whom_of_a_team_and_a_schedule():
    members = [{"user": person("ana"), "role": "admin"}, {"user": person("ben"), "role": "user"}]
    team = {"data": {"id": "t", "name": "Payments", "members": members}}
    one = rotation("a", "weekly", 1, "2026-03-02T08:00:00Z", [person("ana"), person("ben")])
    at, on = {"type": "team", "id": "t"}, {"type": "schedule", "id": "S1"}
    hows = (
        (at, "admins"),
        (at, "users"),
        (at, "all"),
        (at, "default"),
        (on, "default"),
        (on, "next"),
        (on, "previous"),
    )
    rules = [rule(n, recipient, how) for n, (recipient, how) in enumerate(hows)]
    moved = read(team, schedule(one), escalation(*rules, rule(9, {"type": "group", "id": "g"})))
    assert [targets for _, targets in due(moved.document["policies"][0])][:-1] == [
        ["ana"], ["ben"], ["payments"], ["payments"], ["primary"], ["primary-next"], ["primary-previous"],
    ]  # fmt: skip
    assert notices(moved, "left_out") == ["recipient group g"]
    assert moved.document["teams"][0]["members"] == [{"user": "ana", "role": "manager"}, {"user": "ben"}]


def test_users_with_contacts():
    contacts = [{"contactMethod": "sms", "to": "49-30901820"}, {"contactMethod": "voice", "to": "49-30901820"},
                {"contactMethod": "email", "to": "Ana@example.org"}, {"contactMethod": "mobile", "to": "Pixel"},
                {"contactMethod": "sms", "to": "1-2"}]  # fmt: skip
    user = {"id": "1", "username": "ana@example.org", "fullName": "Ana", "role": {"name": "Owner"},
            "timeZone": "Europe/Berlin", "userContacts": contacts}  # fmt: skip
    moved = read({"data": [user]})
    [made] = moved.document["users"]
    assert (made["role"], made["time_zone"]) == ("admin", "Europe/Berlin")
    assert [m["address"] for m in made["contact_methods"]] == ["+4930901820", "ana@example.org"]
    assert notices(moved, "left_out") == ["1-2 of Ana", "mobile of Ana"]


def test_what_is_missing_and_what_is_none_of_it():
    listed = {"id": "S9", "name": "Only in the list", "timezone": "UTC", "enabled": False}
    assert notices(read({"data": [listed]}), "missing") == ["the rotations of schedule Only in the list"]
    assert notices(read({"data": [{"id": "i", "name": "API", "type": "API"}]}), "left_out") == ["API"]
    with pytest.raises(Invalid, match="nothing of Opsgenie's"):
        read({"data": {"took": 1}})

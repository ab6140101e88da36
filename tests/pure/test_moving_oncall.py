"""Moving in from Grafana OnCall: levels, recurring shifts, rolling users, chains whose waits are steps."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from dateutil.rrule import rrulestr
from moving_town import due, notices, source

from app.configuration import document
from app.errors import Invalid
from app.moving import grafana_oncall
from app.moving.comparing import compare, shifts_of
from app.moving.moved import Moved

CONTRACT = Path(__file__).resolve().parent.parent / "payloads" / "moving" / "oncall" / "examples.json"
T0, T1 = datetime(2026, 3, 9, tzinfo=UTC), datetime(2026, 5, 11, tzinfo=UTC)
"""The clocks of Berlin change on 29 March."""
USERS = {
    "users": [
        {"id": id_, "username": id_.lower(), "email": f"{id_.lower()}@example.org", "role": "user", "teams": ["T1"]}
        for id_ in ("U1", "U2", "U3", "U4DNY931HHJS5")
    ]
}


def read(*exports: Any) -> Moved:
    moved = grafana_oncall.read([source(USERS), *(e if hasattr(e, "name") else source(e) for e in exports)], {})
    document.parse(moved.document)
    return moved


def shift(id_: str, kind: str = "rolling_users", **more: Any) -> dict[str, Any]:
    made = {"id": id_, "name": id_, "type": kind, "level": 0, "start": "2026-03-02T09:00:00", "duration": 86_400,
            "time_zone": None}  # fmt: skip
    return made | more


def schedule(*shifts: dict[str, Any], **more: Any) -> dict[str, Any]:
    made = {
        "id": "S1",
        "name": "Primary",
        "type": "web",
        "time_zone": "Europe/Berlin",
        "shifts": [s["id"] for s in shifts],
    }
    return {"schedules": [made | more], "on_call_shifts": list(shifts)}


def final_shifts(*shifts: dict[str, Any]) -> Any:
    """What each shift gives by RFC 5545, an event for each group of users, as OnCall makes them; for shifts that never
    overlap."""
    zone = ZoneInfo("Europe/Berlin")
    results = []
    for one in shifts:
        groups = one.get("rolling_users") or [one["users"]]
        first = one.get("start_rotation_from_user_index") or 0
        groups = groups[first:] + groups[:first]
        start, every = datetime.fromisoformat(one["start"]), one.get("interval") or 1
        rule = f"FREQ={one['frequency'].upper()};WKST={one.get('week_start', 'SU')}"
        rule += f";BYDAY={','.join(one['by_day'])}" if one.get("by_day") else ""
        rule += f";UNTIL={datetime.fromisoformat(one['until']):%Y%m%dT%H%M%S}" if one.get("until") else ""
        for at in rrulestr(rule, dtstart=start).between(start, datetime(2026, 5, 12), inc=True):
            turn = _turns(one, start, at)
            if turn % every:
                continue
            for user in groups[turn // every % len(groups)]:
                end = at + timedelta(seconds=one["duration"])
                begins, ends = (t.replace(tzinfo=zone).astimezone(UTC) for t in (at, end))
                begins, ends = max(begins, T0), min(ends, T1)
                if begins < ends:
                    results.append({"user_pk": user, "shift_start": begins.isoformat(), "shift_end": ends.isoformat()})
    return source({"results": results}, "final_shifts-S1.json")


def _turns(one: dict[str, Any], start: datetime, at: datetime) -> int:
    """How many units after the first an event is."""
    if one["frequency"] == "hourly":
        return (at - start) // timedelta(hours=1)
    if one["frequency"] == "daily":
        return (at.date() - start.date()).days
    first = ("MO", "TU", "WE", "TH", "FR", "SA", "SU").index(one.get("week_start", "SU"))
    week = start.date() - timedelta(days=(start.weekday() - first) % 7)
    return (at.date() - week).days // 7


ROLLING = [["U1"], ["U2", "U3"], ["U3"]]


@pytest.mark.parametrize(
    "more",
    [
        {"frequency": "weekly", "duration": 604_800},
        {"frequency": "weekly", "duration": 604_800, "start_rotation_from_user_index": 1},
        {"frequency": "weekly", "interval": 2, "duration": 1_209_600},
        {"frequency": "weekly", "interval": 2, "duration": 604_800},
        {"frequency": "weekly", "interval": 2, "duration": 700_200},
        {"frequency": "weekly", "duration": 43_200, "by_day": ["MO", "TU", "WE", "TH", "FR"], "week_start": "MO"},
        {"frequency": "weekly", "duration": 43_200, "by_day": ["SU", "TU", "SA"], "week_start": "SU"},
        {"frequency": "weekly", "duration": 43_200, "by_day": ["FR", "SA"], "interval": 3, "week_start": "MO"},
        {"frequency": "weekly", "duration": 86_400, "by_day": ["SA", "MO", "TU", "WE", "TH", "FR", "SU"]},
        {"frequency": "weekly", "start": "2026-03-04T22:00:00", "duration": 50_400, "by_day": ["MO", "WE", "FR"]},
        {"frequency": "daily"},
        {"frequency": "daily", "interval": 3, "duration": 259_200},
        {"frequency": "daily", "interval": 2, "duration": 129_600},
        {"frequency": "daily", "start": "2026-03-02T21:00:00", "duration": 36_000},
        {"frequency": "daily", "duration": 28_800, "by_day": ["MO", "TU", "WE", "TH", "FR"]},
        {"frequency": "weekly", "duration": 604_800, "until": "2026-04-06T09:00:00"},
        {"frequency": "weekly", "duration": 36_000, "by_day": ["MO", "FR"], "until": "2026-04-10T08:00:00"},
        {"frequency": "daily", "duration": 3_600, "until": "2026-04-10T09:00:00"},
    ],
    ids=lambda more: " ".join(str(value) for value in more.values()),
)  # fmt: skip
def test_rolling_users_recur_as_the_rule_says(more):
    one = shift("R", rolling_users=ROLLING, **more)
    [compared] = compare(read(schedule(one), final_shifts(one)))
    assert (compared.equal, compared.differences) == (compared.total, ())
    assert compared.total >= 4


@pytest.mark.parametrize(
    "more",
    [
        {"frequency": "weekly", "interval": 2, "by_day": ["MO", "WE", "FR"], "duration": 10_800},
        {"frequency": "daily", "duration": 10_800},
        {"frequency": "hourly", "interval": 4, "duration": 7_200, "start": "2026-03-30T09:00:00"},
    ],
)
def test_recurrent_events(more):
    one = shift("R", "recurrent_event", users=["U1", "U2"], **more)
    [compared] = compare(read(schedule(one), final_shifts(one)))
    assert (compared.equal, compared.differences) == (compared.total, ())


def test_the_higher_level_wins_and_one_level_is_on_call_together():
    base = shift("base", rolling_users=[["U1"]], frequency="weekly", duration=604_800, level=1)
    days = shift("days", "recurrent_event", users=["U2"], frequency="daily", duration=36_000, level=2)
    noon = shift(
        "noon", "recurrent_event", users=["U3"], frequency="daily", start="2026-03-02T11:00:00", duration=7_200, level=2
    )
    night = shift(
        "night",
        "recurrent_event",
        users=["U3"],
        frequency="daily",
        start="2026-03-02T20:00:00",
        duration=7_200,
        level=2,
    )
    moved = read(schedule(night, noon, days, base))
    entry = moved.document["schedules"][0]
    assert entry["layers"][0]["name"] == "base"

    def on_call(hour: int) -> list[str]:
        at = datetime(2026, 3, 10, hour, tzinfo=UTC)
        return sorted(shifts_of(entry, [], at, at + timedelta(hours=1)))

    assert [on_call(h) for h in (6, 8, 10, 12, 19, 21)] == [["u1"], ["u2"], ["u2", "u3"], ["u2"], ["u3"], ["u1"]]
    assert notices(moved, "changed") == []


def test_a_partial_overlap_in_one_level_above_another_is_said():
    base = shift("base", rolling_users=[["U1"]], frequency="weekly", duration=604_800)
    early = shift("early", "recurrent_event", users=["U2"], frequency="daily", duration=36_000, level=1)
    late = shift(
        "late",
        "recurrent_event",
        users=["U3"],
        frequency="daily",
        start="2026-03-02T15:00:00",
        duration=36_000,
        level=1,
    )
    moved = read(schedule(base, early, late))
    assert notices(moved, "changed") == ["shift late"]


def test_overrides_and_single_events():
    base = shift("base", rolling_users=[["U1"]], frequency="weekly", duration=604_800)
    over = shift(
        "over", "override", start="2026-03-10T10:00:00", duration=3600, rolling_users=[["U2", "U3"]], time_zone="UTC"
    )
    once = shift("once", "single_event", start="2026-03-11T10:00:00", duration=3600, users=["U2"], level=1)
    moved = read(schedule(base, over, once))
    assert [(o.user, o.adds, o.starts_at.hour, o.ends_at.hour) for o in moved.overrides] == [
        ("u2", False, 10, 11), ("u3", True, 10, 11),
    ]  # fmt: skip
    entry = moved.document["schedules"][0]
    at = datetime(2026, 3, 11, 9, tzinfo=UTC)
    assert list(shifts_of(entry, [], at, at + timedelta(hours=1))) == ["u2"], "10:00 in Berlin"
    at = datetime(2026, 3, 10, 10, tzinfo=UTC)
    assert sorted(shifts_of(entry, moved.overrides, at, at + timedelta(hours=1))) == ["u2", "u3"]


@pytest.mark.parametrize(
    "more",
    [
        {"frequency": "monthly", "by_monthday": [1, 15]},
        {"frequency": "weekly", "duration": 604_801},
        {"frequency": "monthly"},
        {"frequency": "daily", "interval": 2, "by_day": ["MO"]},
        {"frequency": "yearly"},
        {"frequency": "weekly", "by_day": ["1MO"]},
        {"frequency": "hourly", "duration": 1800},
        {"frequency": "weekly", "until": "2026-03-01T00:00:00"},
    ],
)
def test_what_no_rotation_does_is_left_out_and_said(more):
    moved = read(schedule(shift("R", rolling_users=[["U1"], ["U2"]], **more)))
    assert notices(moved, "left_out") == ["shift R"]
    assert moved.document["schedules"][0]["layers"] == []


def test_the_example_of_the_contract():
    example = json.loads(CONTRACT.read_text())
    lists = {kind: value for kind, value in example.items() if isinstance(value, list) and kind in grafana_oncall.KINDS}
    moved = read(lists, {"results": [example["routes"]]})
    schedules = {s["key"]: s for s in moved.document["schedules"]}
    assert [layer["time_zone"] for layer in schedules["calendar"]["layers"] if "time_zone" in layer] == [
        "Europe/London"
    ]
    assert schedules["web"]["layers"][0]["members"] == [["u1"], ["u2", "u3"]]
    assert schedules["ical"]["layers"] == [{"name": "iCal", "calendar": "ical"},
                                           {"name": "overrides", "calendar": "ical-overrides"}]  # fmt: skip
    assert [c["key"] for c in moved.document["calendars"]] == ["ical", "ical-overrides"]
    assert "example.com" not in json.dumps(moved.document), "an address may hold a secret: no document has it"
    assert [(a.section, a.key, a.address) for a in moved.addresses] == [
        ("calendars", "ical", "https://example.com/a.ics"),
        ("calendars", "ical-overrides", "https://example.com/b.ics"),
    ]
    [policy] = moved.document["policies"]
    assert due(policy)[:4] == [
        (0, ["calendar"]),
        (5, ["u4dny931hhjs5"]),
        (5.5, ["calendar"]),
        (10.5, ["u4dny931hhjs5"]),
    ]
    assert len(due(policy)) == 2 * 6 + 1, "repeated five times, then the last resort"
    assert notices(moved, "missing") == []
    for what in ("important notifications", "notify_if_time_from_to", "personal notification rules"):
        assert what in notices(moved, "changed")
    assert "route us-(east|west)" in notices(moved, "left_out")


# -- chains


def chain(*rules: dict[str, Any]) -> dict[str, Any]:
    return {"escalation_chains": [{"id": "C", "name": "Everything", "team_id": "T1"}],
            "escalation_policies": [{"id": f"E{n}", "escalation_chain_id": "C", "position": n} | rule
                                    for n, rule in enumerate(rules)]}  # fmt: skip


def notify(*users: str, **more: Any) -> dict[str, Any]:
    return {"type": "notify_persons", "persons_to_notify": list(users)} | more


def wait(seconds: int) -> dict[str, Any]:
    return {"type": "wait", "duration": seconds}


def test_waits_are_before_what_follows_and_what_is_not_waited_between_is_one_step():
    moved = read(
        chain(notify("U1"), notify("U2"), wait(300), wait(60), notify("U3"), wait(900), {"type": "repeat_escalation"})
    )
    assert due(moved.document["policies"][0])[:5] == [
        (0, ["u1", "u2"]), (6, ["u3"]), (21, ["u1", "u2"]), (27, ["u3"]), (42, ["u1", "u2"]),
    ]  # fmt: skip


def test_a_wait_before_anybody_is_notified_makes_the_first_page_sooner_and_nothing_else():
    moved = read(chain(wait(300), notify("U1"), wait(600), notify("U2")))
    assert due(moved.document["policies"][0]) == [(0, ["u1"]), (15, ["u2"]), (45, ["the last resort"])]
    assert notices(moved, "changed") == ["the wait before anybody is notified"]


def test_what_a_chain_may_do():
    team = {"teams": [{"id": "T1", "name": "Payments"}]}
    hook = {"webhooks": [{"id": "W1", "name": "Status", "url": "https://status.example.org/x"},
                         {"id": "W2", "name": "Template", "url": "https://{{ payload.host }}/x"}]}  # fmt: skip
    moved = read(team, hook, chain(
        {"type": "notify_person_next_each_time", "persons_to_notify_next_each_time": ["U1", "U2"]}, wait(60),
        {"type": "notify_team_members", "team_to_notify": "T1"}, {"type": "trigger_webhook", "action_to_trigger": "W1"},
        {"type": "trigger_webhook", "action_to_trigger": "W2"}, {"type": "notify_whole_channel"}, wait(60),
        notify("U3"), {"type": "resolve"}, notify("U1"),
    ))  # fmt: skip
    [policy] = moved.document["policies"]
    assert policy["team"] == "payments"
    assert policy["steps"] == [
        {
            "delay_s": 60,
            "targets": [{"type": "user", "key": "u1"}, {"type": "user", "key": "u2"}],
            "whom": "round_robin",
        },
        {"delay_s": 60, "targets": [{"type": "team", "key": "payments"}, {"type": "webhook", "key": "status"}]},
        {"delay_s": 1800, "targets": [{"type": "user", "key": "u3"}]},
    ]
    assert set(notices(moved, "left_out")) == {"webhook Template", "webhook W2", "notify_whole_channel", "resolve"}
    assert len(moved.document["teams"][0]["members"]) == 4


def test_integrations_become_services():
    own = [{"id": "I1", "name": "Prometheus", "type": "alertmanager", "default_route": {"escalation_chain_id": "C"}},
           {"id": "I2", "name": "Odd", "type": "kapacitor", "default_route": None}]  # fmt: skip
    made = read({"integrations": own}, chain(notify("U1"))).document
    assert [(s["key"], s.get("policy")) for s in made["services"]] == [("odd", None), ("prometheus", "everything")]
    assert [(i["key"], i["source"]) for i in made["integrations"]] == [("prometheus-alertmanager", "alertmanager")]


def test_what_is_missing_and_what_is_none_of_it():
    moved = read({"results": [{"id": "S", "name": "x", "type": "web", "time_zone": "UTC", "shifts": ["OGONE"]}]})
    assert notices(moved, "missing") == ["the shift OGONE of x"]
    with pytest.raises(Invalid, match="nothing of Grafana OnCall's"):
        read({"results": [{"took": 1}]})

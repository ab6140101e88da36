"""Moving in from PagerDuty: layers in reverse order, zones of Rails, turns of the wall clock, policies, people."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

import pytest
from moving_town import daily, due, layer, notices, rendered, schedule, source, users, weekly

from app.configuration import document
from app.errors import Invalid
from app.moving import pagerduty
from app.moving.comparing import compare, shifts_of
from app.moving.moved import Moved
from app.moving.rails_zones import RAILS_ZONES, iana

CONTRACT = Path(__file__).resolve().parent.parent / "payloads" / "moving" / "pagerduty" / "rest-export-examples.json"
DAY, WEEK = 86_400, 604_800
T0, T1 = datetime(2026, 3, 2, tzinfo=UTC), datetime(2026, 3, 23, tzinfo=UTC)
"""The clocks of New York change on 8 March."""


def read(*exports: Any) -> Moved:
    moved = pagerduty.read([source(users()), *(source(e) for e in exports)], {})
    document.parse(moved.document)
    return moved


def with_rendering(made: dict[str, Any], zone: str, t0: datetime = T0, t1: datetime = T1) -> dict[str, Any]:
    value = made["schedule"]
    where = ZoneInfo(zone)
    layers = [one | {"rendered_schedule_entries": rendered([one], where, t0, t1)} for one in value["schedule_layers"]]
    final = {"rendered_schedule_entries": rendered(layers, where, t0, t1)}
    return {"schedule": value | {"schedule_layers": layers, "final_schedule": final}}


def test_the_example_of_the_contract():
    example = json.loads(CONTRACT.read_text())
    person = {"id": "PXPGF42", "name": "Regina Phalange", "email": "regina@example.org", "role": "user",
              "time_zone": "Eastern Time (US & Canada)", "contact_methods": example["contact_methods"],
              "notification_rules": [example["notification_rule"]]}  # fmt: skip
    other = {"id": "PAM4FGS", "name": "Kyler Kuhn", "email": "kyler@example.org", "role": "observer"}
    team = {"teams": [{"id": "PQ9K7I8", "name": "Engineering"}]}
    exports = [example["schedule"], example["escalation_policy"], {"users": [person, other]}, team]
    moved = pagerduty.read([source(e) for e in exports], {})
    made = moved.document
    [ours] = made["schedules"]
    assert (ours["key"], ours["time_zone"], ours["team"]) == (
        "daily-engineering-rotation", "America/New_York", "engineering",
    )  # fmt: skip
    [one] = ours["layers"]
    assert (one["anchor"], one["starts_at"]) == ("2015-11-06T20:00", "2015-11-07T02:00:00Z")
    assert one["restrictions"][0]["from"] == "08:00"
    assert one["restrictions"][0]["to"] == "17:00"
    [compared] = compare(moved)
    assert (compared.of, compared.equal, compared.total) == ("layer Layer 1", 1, 1)
    [policy] = made["policies"]
    assert policy["repeats"] == 2
    assert due(policy) == [
        (0, ["daily-engineering-rotation", "kyler-kuhn"]),
        (30, ["daily-engineering-rotation", "kyler-kuhn"]),
        (60, ["daily-engineering-rotation", "kyler-kuhn"]),
        (90, ["the last resort"]),
    ]
    by_key = {user["key"]: user for user in made["users"]}
    assert by_key["regina-phalange"]["contact_methods"] == [
        {"channel": "mail", "address": "ann@example.org", "label": "Work"},
        {"channel": "sms", "address": "+15558675310", "label": "Mobile"},
    ]
    assert by_key["regina-phalange"]["notification_rules"] == [
        {"loudness": "loud", "delay_s": 300, "channel": "sms", "address": "+15558675310"}
    ]
    assert by_key["kyler-kuhn"]["role"] == "operator", "an observer is paged by the policy"
    assert notices(moved, "missing") == []
    assert notices(moved, "left_out") == ["push notification contact method of Regina Phalange"]
    assert "voice calls of Regina Phalange" in notices(moved, "changed")
    assert "contact methods" in notices(moved, "told"), "they are unverified"


def test_the_first_layer_of_the_list_is_the_highest():
    base = layer("Layer 1", WEEK, "2026-03-02T09:00:00-05:00", ["PA", "PB"])
    nights = layer("Layer 2", DAY, "2026-03-01T09:00:00-05:00", ["PC"], daily("22:00:00", 28_800))
    moved = read(with_rendering(schedule("Eastern Time (US & Canada)", nights, base), "America/New_York"))
    assert [one["name"] for one in moved.document["schedules"][0]["layers"]] == ["Layer 1", "Layer 2"]
    compared = compare(moved)
    assert [c.of for c in compared] == ["layer Layer 1", "layer Layer 2", "final schedule"]
    assert [(c.equal, c.differences) for c in compared] == [(c.total, ()) for c in compared]
    assert sum(c.total for c in compared) > 40, "it compares something"


def test_a_difference_says_when_and_who():
    base = layer("Layer 1", WEEK, "2026-03-02T09:00:00-05:00", ["PA", "PB"])
    made = with_rendering(schedule("America/New_York", base), "America/New_York")
    entry = made["schedule"]["final_schedule"]["rendered_schedule_entries"][1]
    assert entry["user"]["id"] == "PB"
    entry["user"] = {"id": "PGONE"}
    whole, final = compare(read(made))
    assert whole.equal == whole.total
    assert (final.total, final.equal) == (final.total, final.total - 1)
    [difference] = final.differences
    assert (difference.theirs, difference.ours) == (("PGONE",), ("ben",))
    assert difference.starts_at == datetime(2026, 3, 9, 13, tzinfo=UTC), "09:00 in New York, in summer time"


@pytest.mark.parametrize(
    ("hours", "members"),
    [(12, ["PA", "PB"]), (12, ["PA", "PB", "PC"]), (8, ["PA", "PB", "PC", "PD"]), (6, ["PA", "PB"])],
)
def test_turns_of_a_part_of_a_day_hand_off_at_the_same_local_time_over_daylight_saving(hours, members):
    made = schedule("America/New_York", layer("shifts", hours * 3600, "2026-02-20T08:00:00-05:00", members))
    moved = read(with_rendering(made, "America/New_York"))
    assert [(c.equal, c.differences) for c in compare(moved)] == [(c.total, ()) for c in compare(moved)]
    assert notices(moved, "changed") == []
    assert len(moved.document["schedules"][0]["layers"]) == 24 // hours


def test_parts_of_a_day_keep_their_restrictions():
    base = layer("base", WEEK, "2026-03-02T09:00:00-05:00", ["PD"])
    shifts = layer("shifts", 43_200, "2026-02-20T08:00:00-05:00", ["PA", "PB", "PC"],
                   weekly(1, "00:00:00", 5 * DAY), weekly(6, "10:00:00", 14_400))  # fmt: skip
    moved = read(with_rendering(schedule("America/New_York", shifts, base), "America/New_York"))
    assert [(c.of, c.differences) for c in compare(moved)] == [
        ("layer base", ()), ("layer shifts", ()), ("final schedule", ()),
    ]  # fmt: skip


def test_turns_that_are_no_part_of_a_day_are_elapsed_time_and_said():
    five = layer("fives", 5 * 3600, "2026-03-02T09:00:00-05:00", ["PA", "PB"])
    moved = read(schedule("America/New_York", five))
    assert notices(moved, "changed") == ["turns of layer fives"]
    assert moved.document["schedules"][0]["layers"][0]["unit"] == "hour"
    steady = read(with_rendering(schedule("Asia/Kolkata", five), "Asia/Kolkata"))
    assert notices(steady, "changed") == [], "no clock changes there"
    assert [c.differences for c in compare(steady)] == [(), ()]


def test_a_layer_that_has_no_equal_is_left_out_and_said():
    odd = layer("odd", 5_000, "2026-03-02T09:00:00-05:00", ["PA", "PB"])
    moved = read(schedule("America/New_York", odd))
    assert notices(moved, "left_out") == ["layer odd"]
    assert moved.document["schedules"][0]["layers"] == []


def test_a_layer_without_anybody_is_left_out_and_the_reason_is_that():
    moved = read(schedule("America/New_York", layer("empty", DAY, "2026-03-02T09:00:00-05:00", [])))
    [left_out] = [notice for notice in moved.notices if notice.kind == "left_out"]
    assert (left_out.what, left_out.why) == ("layer empty", "nobody is in it")


def test_a_virtual_start_after_the_start_leaves_no_hole():
    late = layer("late", DAY, "2026-03-10T09:00:00-04:00", ["PA", "PB", "PC"], start="2026-03-02T00:00:00-05:00")
    moved = read(with_rendering(schedule("America/New_York", late), "America/New_York", T0 + timedelta(hours=5)))
    assert [(c.equal, c.differences) for c in compare(moved)] == [(c.total, ()) for c in compare(moved)]


def test_restrictions_over_midnight_the_weeks_end_and_of_whole_weeks():
    weekend = layer("weekend", WEEK, "2026-03-06T17:00:00-05:00", ["PA", "PB"], weekly(5, "17:00:00", 63 * 3600),
                    start="2026-03-01T00:00:00-05:00")  # fmt: skip
    always = layer("always", WEEK, "2026-03-06T17:00:00-05:00", ["PC"], weekly(1, "00:00:00", WEEK))
    moved = read(with_rendering(schedule("America/New_York", weekend, always), "America/New_York"))
    assert [c.differences for c in compare(moved)] == [(), (), ()]
    low, high = moved.document["schedules"][0]["layers"]
    assert "restrictions" not in low
    assert high["restrictions"] == [{"from": "fri 17:00", "to": "mon 08:00"}]


def test_somebody_may_have_several_turns_and_layers_the_same_name():
    twice = layer("Layer", DAY, "2026-03-01T00:00:00-05:00", ["PA", "PA", "PB"])
    other = layer("Layer", DAY, "2026-03-01T00:00:00-05:00", ["PC"], daily("03:00:00", 3600))
    ended = layer("old", DAY, "2025-03-01T00:00:00-05:00", ["PD"], end="2026-03-05T00:00:00-05:00")
    moved = read(with_rendering(schedule("America/New_York", other, twice, ended), "America/New_York"))
    assert [one["name"] for one in moved.document["schedules"][0]["layers"]] == ["old", "Layer", "Layer (2)"]
    assert [c.differences for c in compare(moved)] == [(), (), (), ()]


def test_overrides_take_the_place_of_all_layers_and_the_later_one_wins():
    base = layer("Layer 1", WEEK, "2026-03-02T09:00:00-05:00", ["PA", "PB"])
    made = schedule("America/New_York", base)
    overrides = {"overrides": [
        {"id": "O1", "start": "2026-03-10T00:00:00-04:00", "end": "2026-03-12T00:00:00-04:00", "user": {"id": "PC"}},
        {"id": "O2", "start": "2026-03-11T00:00:00-04:00", "end": "2026-03-11T12:00:00-04:00", "user": {"id": "PD"}},
        {"id": "O3", "start": "2020-03-11T00:00:00-04:00", "end": "2020-03-11T12:00:00-04:00", "user": {"id": "PLEFT"}},
    ]}  # fmt: skip
    exports = [source(users()), source(made), source(overrides, "overrides-PSCHED1.json")]
    moved = pagerduty.read(exports, {})
    assert [(o.user, f"{o.starts_at:%d %H}", f"{o.ends_at:%d %H}") for o in moved.overrides] == [
        ("cara", "10 04", "11 04"), ("dan", "11 04", "11 16"), ("cara", "11 16", "12 04"),
    ]  # fmt: skip
    assert moved.missing == [], "who left and had an override long ago keeps nobody from moving in"
    assert notices(moved, "left_out") == ["the user PLEFT"]
    t0 = datetime(2026, 3, 11, tzinfo=UTC)
    on_call = shifts_of(moved.document["schedules"][0], moved.overrides, t0, t0 + timedelta(days=1))
    assert {user: len(parts) for user, parts in on_call.items()} == {"cara": 2, "dan": 1}


def test_overrides_are_also_found_in_the_schedule_itself():
    entry = {"start": "2026-03-10T00:00:00-04:00", "end": "2026-03-12T00:00:00-04:00", "user": {"id": "PC"}}
    base = layer("Layer 1", WEEK, "2026-03-02T09:00:00-05:00", ["PA", "PB"])
    more = {"overrides_subschedule": {"rendered_schedule_entries": [entry]}}
    [override] = read(schedule("America/New_York", base, **more)).overrides
    assert (override.schedule, override.user) == ("primary", "cara")


# -- policies


def rule(minutes: int, *targets: str, **more: Any) -> dict[str, Any]:
    kinds = {"P": "user_reference", "S": "schedule_reference"}
    return {"escalation_delay_in_minutes": minutes,
            "targets": [{"id": t, "type": kinds[t[0]]} for t in targets]} | more  # fmt: skip


def policy(*rules: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"escalation_policy": {"id": "PPOL", "name": "Everything", "escalation_rules": list(rules)} | more}


def test_delays_count_from_their_rule_to_the_next_and_loops_after_the_first_pass():
    moved = read(policy(rule(5, "PA"), rule(10, "PB", "PC"), rule(30, "PD"), num_loops=1))
    assert due(moved.document["policies"][0]) == [
        (0, ["ana"]), (5, ["ben", "cara"]), (15, ["dan"]),
        (45, ["ana"]), (50, ["ben", "cara"]), (60, ["dan"]), (90, ["the last resort"]),
    ]  # fmt: skip


@pytest.mark.parametrize("written", ["round_robin", {"type": "round_robin"}])
def test_round_robin_and_what_has_no_equal(written: Any):
    more = {"escalation_rule_assignment_strategy": written}
    moved = read(
        policy(rule(5, "PA", "PB", **more), rule(0, "PC"), num_loops=30, on_call_handoff_notifications="always")
    )
    made = moved.document["policies"][0]
    assert [step.get("whom", "everyone") for step in made["steps"]] == ["round_robin", "everyone"]
    assert made["repeats"] == 20
    assert notices(moved, "changed") == ["a delay of 0 s", "num_loops 30"]
    assert "on_call_handoff_notifications: always" in notices(moved, "told")


def test_a_schedule_that_is_not_in_the_export_is_missing():
    moved = read(policy(rule(5, "SGONE"), rule(5, "PA")))
    assert notices(moved, "missing") == ["target schedule SGONE"]
    [summary] = [source({"schedules": [{"id": "P1", "name": "Only in the list"}]})]
    assert notices(pagerduty.read([summary], {}), "missing") == ["the layers of schedule Only in the list"]


def test_a_shift_based_schedule_without_events_is_there_without_layers_and_said():
    value = {"id": "PV3", "name": "New", "time_zone": "UTC", "rotations": [{"events": []}]}
    moved = read({"schedule": value})
    assert moved.document["schedules"] == [{"key": "new", "name": "New", "time_zone": "Etc/UTC", "layers": []}]
    assert notices(moved, "left_out") == ["the rotations of schedule New"]


def test_of_too_many_layers_those_that_ended_first_are_left_out():
    layers = [layer(f"L{n}", DAY, "2026-03-01T00:00:00-05:00", ["PA"]) for n in range(21)]
    layers[5]["end"], layers[7]["end"] = "2026-05-01T00:00:00Z", "2026-04-01T00:00:00Z"
    moved = read(schedule("UTC", *layers))
    assert notices(moved, "left_out") == ["layers L7"]
    assert len(moved.document["schedules"][0]["layers"]) == 20


def test_services_and_what_sends_to_them():
    service = {
        "id": "PSERV", "name": "Checkout", "description": "Takes the money", "status": "active",
        "escalation_policy": {"id": "PPOL"}, "teams": [{"id": "PT", "summary": "Payments"}],
        "auto_resolve_timeout": 14_400, "acknowledgement_timeout": 600, "incident_urgency_rule": {"type": "constant"},
        "support_hours": {"type": "fixed_time_per_day", "time_zone": "Berlin", "days_of_week": [1, 2, 3, 4, 5],
                          "start_time": "09:00:00", "end_time": "17:00:00"},
        "integrations": [
            {"id": "I1", "type": "events_api_v2_inbound_integration", "name": "Prometheus",
             "integration_key": "secret"},
            {"id": "I2", "type": "generic_email_inbound_integration", "name": "Mail"},
        ],
    }  # fmt: skip
    moved = read(policy(rule(5, "PA")), {"services": [service]})
    [made] = moved.document["services"]
    assert (made["policy"], made["team"], made["support_hours"]["time_zone"]) == (
        "everything",
        "payments",
        "Europe/Berlin",
    )
    assert moved.document["integrations"] == [
        {"key": "checkout-prometheus", "name": "Prometheus", "source": "pagerduty", "service": "checkout"}
    ]
    assert "secret" not in json.dumps(moved.document)
    assert notices(moved, "left_out") == ["auto_resolve_timeout of Checkout", "integration Mail"]


# -- people


def test_whoever_is_known_by_mail_keeps_key_role_and_contact_methods():
    there = {"key": "boss", "name": "The boss", "email": "Ana@Example.org", "role": "admin",
             "contact_methods": [{"channel": "mail", "address": "ana@example.org", "label": "mine"}],
             "notification_rules": [
                 {"loudness": "loud", "delay_s": 0, "channel": "mail", "address": "ana@example.org"}]}  # fmt: skip
    methods = [{"id": "C1", "type": "email_contact_method", "address": "ana@example.org", "label": "Work"},
               {"id": "C2", "type": "sms_contact_method", "country_code": 49, "address": "030 901820"}]  # fmt: skip
    export = users()
    export["users"][0] |= {"contact_methods": methods, "notification_rules": [
        {"type": "assignment_notification_rule", "urgency": "high", "contact_method": {"id": "C2"}}]}  # fmt: skip
    moved = pagerduty.read([source(export)], {"users": [there]})
    [ana] = [user for user in moved.document["users"] if user["key"] == "boss"]
    assert ana == {"key": "boss", "name": "The boss", "email": "Ana@Example.org", "role": "admin",
                   "contact_methods": [
                       *there["contact_methods"], {"channel": "sms", "address": "+4930901820"}]}  # fmt: skip


def test_without_the_export_of_users_people_are_found_by_name_or_missing():
    references = [{"id": "PA", "summary": "Ana"}, {"id": "PX", "summary": "Xenia"}]
    base = layer("Layer 1", WEEK, "2026-03-02T09:00:00-05:00", ["PA", "PX"])
    there = {"key": "ana-k", "name": "ana", "email": "ana@example.org", "role": "operator"}
    moved = pagerduty.read([source(schedule("UTC", base, users=references))], {"users": [there]})
    assert moved.document["schedules"][0]["layers"][0]["members"] == [["ana-k"], ["xenia"]]
    assert notices(moved, "missing") == ["the mail address of Xenia (PX)"]


def test_the_same_name_twice_gets_keys_with_ids_whatever_the_order():
    a, b = schedule("UTC", id_="PS1"), schedule("UTC", id_="PS2")
    keys = [[s["key"] for s in read(*exports).document["schedules"]] for exports in ((a, b), (b, a))]
    assert keys == [["primary-ps1", "primary-ps2"]] * 2
    assert "the key primary in schedules" in notices(read(a, b), "told")


def test_a_file_of_something_else_is_refused():
    with pytest.raises(Invalid, match=r"export\.json: there is nothing to import in it"):
        pagerduty.read([source({"results": []})], {})


# -- zones


def test_every_zone_of_rails_is_one_of_ours():
    assert len(RAILS_ZONES) == 152
    assert {iana(name) for name in RAILS_ZONES} <= available_timezones()


@pytest.mark.parametrize(
    ("name", "zone"),
    [
        ("Eastern Time (US & Canada)", "America/New_York"),
        ("Pacific Time (US & Canada)", "America/Los_Angeles"),
        ("(GMT+01:00) Berlin", "Europe/Berlin"),
        ("Chennai", "Asia/Kolkata"),
        ("Nuku'alofa", "Pacific/Tongatapu"),
        ("Solomon Is.", "Pacific/Guadalcanal"),
        ("Indiana (East)", "America/Indiana/Indianapolis"),
        ("Bern", "Europe/Zurich"),
        ("Europe/Kirov", "Europe/Kirov"),
        ("Calcutta", "Asia/Kolkata"),
    ],
)
def test_zones_by_name(name: str, zone: str):
    assert iana(name) == zone


def test_an_unknown_zone_is_said_with_what_it_became():
    moved = read(schedule("Middle Earth"))
    assert notices(moved, "changed") == ["the time zone Middle Earth"]
    assert moved.document["schedules"][0]["time_zone"] == "UTC"

"""Silences, windows, rules and intervals over the API: who may, what is refused, what is kept and counted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import ANY

import pytest
from bodies import body_of
from whole import Whole

pytestmark = pytest.mark.asyncio(loop_scope="module")


def at(**later: float) -> str:
    return (datetime.now(UTC) + timedelta(**later)).isoformat()


async def call(house: Whole, person: str, method: str, path: str, body: Any = None, **headers: str) -> Any:
    return await house.http.request(method, f"/api/v1{path}", json=body, headers=house.as_person(person) | headers)


async def silenced(house: Whole, person: str = "ana", **members: Any) -> dict[str, Any]:
    body = {"matchers": '{alertname="HighErrorRate"}', "ends_at": at(hours=1), "comment": "planned"} | members
    made = await call(house, person, "POST", "/silences", body)
    assert made.status_code == 201, made.text
    return dict(made.json())


async def test_from_making_one_to_its_end(house: Whole) -> None:
    made = await silenced(house)
    assert (made["state"], made["owner"], made["created_by"], made["service"]) == ("active", "ana", "Ana", None)
    assert made["text"] == '{alertname="HighErrorRate"}'
    await house.post("alertmanager", body_of("alertmanager"))
    assert await house.one("SELECT count(*) FROM incidents") == 0
    read = (await call(house, "dan", "GET", f"/silences/{made['id']}")).json()
    assert (read["suppressed"], read["firing"]) == (1, 1)
    [kept] = (await call(house, "dan", "GET", f"/suppressed?by=silence&name={made['id']}")).json()["items"]
    assert (kept["service"], kept["integration"]) == ("checkout", "checkout-alertmanager")
    assert kept["suppressed"]["because"] == "Ana silenced it: planned"
    assert kept["suppressed"]["until"] == kept["recheck_at"]
    assert datetime.fromisoformat(made["ends_at"]) == datetime.fromisoformat(kept["recheck_at"])

    extended = await call(house, "ben", "POST", f"/silences/{made['id']}/extend", {"ends_at": at(hours=3)})
    assert extended.status_code == 200, extended.text
    [kept] = (await call(house, "dan", "GET", "/suppressed")).json()["items"]
    assert kept["suppressed"]["until"] == extended.json()["ends_at"] == kept["recheck_at"]

    ended = (await call(house, "ben", "POST", f"/silences/{made['id']}/expire")).json()
    assert (ended["state"], ended["expired_by"]) == ("expired", "api_key:ben-key")
    assert await house.one("SELECT recheck_at <= tocsin_now() FROM occurrences") is True
    assert (
        await call(house, "ben", "POST", f"/silences/{made['id']}/extend", {"ends_at": at(hours=3)})
    ).status_code == 409
    listed = {
        s: (await call(house, "ana", "GET", f"/silences?state={s}")).json()["items"] for s in ("active", "expired")
    }
    assert ([s["id"] for s in listed["active"]], [s["id"] for s in listed["expired"]]) == ([], [made["id"]])
    actions = await house.rows("SELECT action FROM audit_records WHERE entity_key = :id ORDER BY id", id=made["id"])
    assert [r.action for r in actions] == ["silence.created", "silence.edited", "silence.expired"]


@pytest.mark.parametrize(
    ("members", "field"),
    [
        ({"matchers": "{}"}, "matchers"),
        ({"matchers": '{a=~".*"}'}, "matchers"),
        ({"matchers": '{a=~"["}'}, "matchers"),
        ({"matchers": [{"name": "a", "value": "[", "isRegex": True}]}, "matchers[0]"),
        ({"ends_at": at(days=31)}, "ends_at"),
        ({"ends_at": at(hours=-1), "starts_at": at(hours=-2)}, "ends_at"),
        ({"ends_at": at(hours=1), "starts_at": at(hours=2)}, "ends_at"),
        ({"comment": "  "}, "comment"),
        ({"service": "nothing"}, "service"),
        ({"owner": "nobody"}, "owner"),
    ],
)
async def test_silences_that_cannot_be(house: Whole, members: dict[str, Any], field: str) -> None:
    body = {"matchers": '{a="b"}', "ends_at": at(hours=1), "comment": "c"} | members
    answer = await call(house, "ana", "POST", "/silences", body)
    assert answer.status_code == 422
    assert [e["field"] for e in answer.json()["errors"]] == [field]


async def test_a_machine_names_an_owner_and_a_viewer_makes_none(house: Whole) -> None:
    body = {"matchers": '{a="b"}', "ends_at": at(hours=1), "comment": "c"}
    answer = await call(house, "machine", "POST", "/silences", body)
    assert [e["field"] for e in answer.json()["errors"]] == ["owner"]
    assert (await silenced(house, "machine", owner="ben"))["owner"] == "ben"
    await house.execute("UPDATE users SET role = 'viewer' WHERE key = 'dan'")
    assert (await call(house, "dan", "POST", "/silences", body)).status_code == 403
    assert (await call(house, "dan", "GET", "/silences")).status_code == 200
    await house.execute("UPDATE users SET role = 'operator' WHERE key = 'dan'")


async def test_the_same_create_twice_makes_one(house: Whole) -> None:
    body = {"matchers": '{a="b"}', "ends_at": at(hours=1), "comment": "c"}
    both = [await call(house, "ana", "POST", "/silences", body, **{"Idempotency-Key": "once"}) for _ in range(2)]
    assert both[0].json() == both[1].json()
    assert await house.one("SELECT count(*) FROM silences") == 1


async def test_a_preview_says_what_matches_and_changes_nothing(house: Whole) -> None:
    for name in ("HighErrorRate", "Slow"):
        await house.post("alertmanager", body_of("alertmanager", name))
    seen = (await call(house, "dan", "POST", "/silences/preview", {"matchers": '{alertname=~"High.*"}'})).json()
    assert (seen["firing"], [a["labels"]["alertname"] for a in seen["alerts"]]) == (1, ["HighErrorRate"])
    assert await house.one("SELECT count(*) FROM silences") == 0


async def test_an_incident_is_silenced_in_one_go(house: Whole) -> None:
    await house.post("alertmanager", body_of("alertmanager"))
    number = await house.one("SELECT number FROM incidents")
    body = {"for_minutes": 120, "comment": "the vendor is on it"}
    made = await call(house, "ana", "POST", f"/incidents/{number}/silence", body)
    assert made.status_code == 201, made.text
    assert made.json()["service"] == "checkout"
    assert made.json()["text"] == '{alertname="HighErrorRate", job="checkout", severity="critical"}'
    [silence] = (await call(house, "ana", "GET", "/silences")).json()["items"]
    assert (silence["firing"], silence["suppressed"]) == (1, 0)
    incident = (await call(house, "ana", "GET", f"/incidents/{number}")).json()
    assert (incident["state"], incident["acknowledged_by"]) == ("acknowledged", "ana")
    told = [e["text"] for e in (await call(house, "ana", "GET", f"/incidents/{number}/timeline")).json()["items"]]
    assert any("the vendor is on it" in text for text in told)
    await house.post("alertmanager", body_of("alertmanager", "Slow"))
    assert (await call(house, "ana", "POST", "/incidents/999/silence", body)).status_code == 404


@pytest.mark.parametrize("source", ["pagerduty", "opsgenie", "generic"])
async def test_an_incident_without_labels_is_silenced_by_its_dedup_key(house: Whole, source: str) -> None:
    body = {"title": "Disk", "dedup_key": "Disk"} if source == "generic" else body_of(source, "Disk")
    await house.post(source, body)
    number = await house.one("SELECT number FROM incidents")
    made = await call(house, "ana", "POST", f"/incidents/{number}/silence", {"for_minutes": 120, "comment": "c"})
    assert made.status_code == 201, made.text
    assert made.json()["text"] == f'{{__dedup_key__="Disk", __integration__="checkout-{source}"}}'
    seen = (await call(house, "ana", "POST", "/silences/preview", {"matchers": made.json()["text"]})).json()
    assert seen["firing"] == 1
    await house.execute("TRUNCATE alerts, occurrences, incidents CASCADE")
    await house.post(source, body)
    await house.post(source, body_of(source, "Other"))
    assert await house.rows("SELECT a.dedup_key, o.suppressed ->> 'by' AS by FROM occurrences o JOIN alerts a"
                            " ON a.id = o.alert_id ORDER BY o.id") == [("Disk", "silence"), (ANY, None)]  # fmt: skip


async def test_a_machine_that_silences_an_incident_names_an_owner(house: Whole) -> None:
    await house.post("alertmanager", body_of("alertmanager"))
    path = f"/incidents/{await house.one('SELECT number FROM incidents')}/silence"
    body = {"for_minutes": 120, "comment": "c"}
    refused = await call(house, "machine", "POST", path, body)
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "owner")
    assert (await call(house, "machine", "POST", path, {**body, "owner": "nobody"})).status_code == 422
    assert (await call(house, "machine", "POST", path, {**body, "owner": "ben"})).json()["owner"] == "ben"


async def test_an_incident_of_which_nothing_fires_has_nothing_to_silence(house: Whole) -> None:
    await house.post("alertmanager", body_of("alertmanager"))
    await house.execute("UPDATE alerts SET state = 'resolved', ended_at = tocsin_now()")
    number = await house.one("SELECT number FROM incidents")
    answer = await call(house, "ana", "POST", f"/incidents/{number}/silence", {"for_minutes": 5, "comment": "c"})
    assert (answer.status_code, answer.json()["code"]) == (409, "nothing_fires")


WINDOW = {"key": "upgrade", "name": "Upgrade", "comment": "c", "owner": "ben", "services": ["checkout"]}
WEEKLY = {"weekly": {"days": ["sun"], "at": "22:00", "minutes": 240, "time_zone": "Europe/Berlin"}}
RULE = {"key": "down", "name": "Down", "source": '{alertname="Down"}', "target": '{severity="warning"}'}
INTERVAL = {"key": "nights", "name": "Nights", "intervals": [{"weekdays": ["monday"]}]}


async def test_windows_are_managed_by_whoever_manages_the_team(house: Whole) -> None:
    body = WINDOW | {"starts_at": at(hours=-1), "ends_at": at(hours=1)}
    assert (await call(house, "ana", "POST", "/maintenance-windows", body)).status_code == 403
    made = await call(house, "ben", "POST", "/maintenance-windows", body)
    assert made.status_code == 201, made.text
    await house.post("alertmanager", body_of("alertmanager"))
    read = await call(house, "dan", "GET", "/maintenance-windows/upgrade")
    assert (read.json()["suppressed"], read.json()["firing"]) == (1, 1)
    edit = {k: v for k, v in body.items() if k != "key"} | {"ends_at": at(hours=2)}
    edited = await call(house, "ben", "PUT", "/maintenance-windows/upgrade", edit, **{"If-Match": read.headers["ETag"]})
    assert (edited.status_code, edited.json()["version"]) == (200, 2)
    outdated = await call(
        house, "ben", "PUT", "/maintenance-windows/upgrade", edit | {"name": "x"}, **{"If-Match": '"1"'}
    )
    assert outdated.status_code == 412
    assert (await call(house, "ben", "DELETE", "/maintenance-windows/upgrade")).status_code == 204
    assert await house.one("SELECT recheck_at <= tocsin_now() FROM occurrences") is True


async def test_the_next_periods_of_a_window(house: Whole) -> None:
    edit = {k: v for k, v in (WINDOW | WEEKLY).items() if k != "key"}
    seen = await call(house, "dan", "POST", "/maintenance-windows/preview?count=3", edit)
    starts = [datetime.fromisoformat(p["starts_at"]) for p in seen.json()["periods"]]
    assert len(starts) == 3
    assert (starts[2] - starts[1]).days in (6, 7), "a week, but for the night in which clocks change"


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/maintenance-windows", WINDOW, ""),
        ("/maintenance-windows", WINDOW | WEEKLY | {"services": ["nothing"]}, "services[0]"),
        ("/maintenance-windows", WINDOW | WEEKLY | {"comment": ""}, "comment"),
        ("/maintenance-windows", WINDOW | WEEKLY | {"owner": "nobody"}, "owner"),
        ("/maintenance-windows", WINDOW | WEEKLY | {"ends_at": "9999-12-31T23:59:59-23:59"}, "ends_at"),
        ("/maintenance-windows", WINDOW | WEEKLY | {"ends_at": 5}, "ends_at"),
        ("/maintenance-windows", WINDOW | {"starts_at": at(hours=2), "ends_at": at(hours=1)}, "ends_at"),
        ("/maintenance-windows", WINDOW | {"weekly": WEEKLY["weekly"] | {"minutes": True}}, "weekly.minutes"),
        ("/maintenance-windows", WINDOW | {"weekly": WEEKLY["weekly"] | {"days": ["sun"] * 2}}, "weekly.days"),
        ("/maintenance-windows", WINDOW | WEEKLY | {"with_dependents": 1}, "with_dependents"),
        ("/inhibition-rules", RULE | {"source": "{}"}, "source"),
        ("/inhibition-rules", RULE | {"target": '{a=~"["}'}, "target"),
        ("/time-intervals", INTERVAL | {"intervals": [{"weekdays": ["funday"]}]}, "intervals[0].weekdays[0]"),
        ("/time-intervals", INTERVAL | {"intervals": [{"months": [True]}]}, "intervals[0].months[0]"),
        (
            "/time-intervals",
            INTERVAL | {"intervals": [{"times": [{"start_time": "9", "end_time": "10:00"}]}]},
            "intervals[0].times[0].start_time",
        ),
        ("/time-intervals", INTERVAL | {"intervals": [{"day": 1}]}, "intervals[0].day"),
        ("/silences", {"matchers": [{"name": "a"}], "ends_at": at(hours=1), "comment": "c"}, "matchers[0].value"),
        ("/incidents/1/silence", {"for_minutes": True, "comment": "c"}, "for_minutes"),
        ("/time-intervals", INTERVAL | {"intervals": []}, "intervals"),
        ("/time-intervals", INTERVAL | {"intervals": [{"location": "Europe/Berlin"}]}, "intervals[0]"),
    ],
)
async def test_what_cannot_be(house: Whole, path: str, body: dict[str, Any], field: str) -> None:
    answer = await call(house, "cara", "POST", path, body)
    assert answer.status_code == 422, answer.text
    assert [e["field"] for e in answer.json()["errors"]] == [field]


@pytest.mark.parametrize(("path", "body"), [("/inhibition-rules", RULE), ("/time-intervals", INTERVAL)])
async def test_rules_and_intervals_are_the_admins(house: Whole, path: str, body: dict[str, Any]) -> None:
    assert (await call(house, "ben", "POST", path, body)).status_code == 403
    assert (await call(house, "cara", "POST", path, body)).status_code == 201
    assert (await call(house, "cara", "POST", path, body)).json()["code"] == "key_taken"
    assert [each["key"] for each in (await call(house, "dan", "GET", path)).json()["items"]] == [body["key"]]
    edit = {k: v for k, v in body.items() if k != "key"} | {"name": "Other"}
    assert (await call(house, "cara", "PUT", f"{path}/{body['key']}", edit)).json()["name"] == "Other"
    assert (await call(house, "cara", "DELETE", f"{path}/{body['key']}")).status_code == 204
    assert (await call(house, "cara", "GET", f"{path}/{body['key']}")).status_code == 404


async def test_windows_rules_and_intervals_are_exported_and_applied(house: Whole) -> None:
    cara = house.as_person("cara")
    for path, body in (
        ("/maintenance-windows", WINDOW | WEEKLY), ("/inhibition-rules", RULE), ("/time-intervals", INTERVAL),
    ):  # fmt: skip
        assert (await call(house, "cara", "POST", path, body)).status_code == 201
    exported = (await house.http.get("/api/v1/configuration/export", headers=cara)).json()
    for section in ("maintenance_windows", "inhibition_rules", "time_intervals"):
        assert len(exported[section]) == 1, section
    wanted = {"format": 1, "inhibition_rules": [RULE | {"name": "Other"}], "time_intervals": []}
    applied = await house.http.post("/api/v1/configuration/apply?prune=true", json=wanted, headers=cara)
    assert applied.status_code == 200, applied.text
    assert [(c["action"], c["kind"]) for c in applied.json()["changes"]] == [
        ("edit", "inhibition_rule"), ("delete", "time_interval"),
    ]  # fmt: skip
    assert await house.one("SELECT count(*) FROM suppression_rules") == 2


async def test_the_screen_shows_by_what_and_ends_a_silence(house: Whole) -> None:
    made = await silenced(house, comment="disks <are> swapped")
    await house.post("alertmanager", body_of("alertmanager"))
    screen = await house.http.get("/suppressed", headers=house.as_person("ana"))
    assert screen.status_code == 200
    for text in ("Silence: Ana silenced it: disks &lt;are&gt; swapped", "1 firing, 1 so far", made["id"]):
        assert text in screen.text
    for action, told in (("extend", "ends later now"), ("expire", "The silence is over")):
        pressed = await house.http.post(f"/silences/{made['id']}/{action}", headers=house.as_person("ana"))
        assert pressed.status_code == 303
        assert told in (await house.http.get(pressed.headers["location"], headers=house.as_person("ana"))).text
    assert await house.one("SELECT expired_at IS NOT NULL FROM silences") is True


async def test_the_screen_says_once_that_it_was_a_routing_rule(house: Whole) -> None:
    rule = {"key": "hush", "name": "Hush", "when": "true", "then": {"suppress": True}}
    assert (await call(house, "cara", "PUT", "/routing-rules", {"rules": [rule]})).status_code == 200
    await house.post("alertmanager", body_of("alertmanager"))
    screen = (await house.http.get("/suppressed", headers=house.as_person("ana"))).text
    assert '<p class="text">Routing rule &#34;Hush&#34; (version 1)' in screen
    assert (await call(house, "cara", "PUT", "/routing-rules", {"rules": []})).status_code == 200


async def test_the_button_of_an_incident(house: Whole) -> None:
    await house.post("alertmanager", body_of("alertmanager"))
    number = await house.one("SELECT number FROM incidents")
    ana = house.as_person("ana")
    assert "Silence this for 2 h" in (await house.http.get(f"/incidents/{number}", headers=ana)).text
    pressed = await house.http.post(
        f"/incidents/{number}/silence", data={"for_minutes": "120", "comment": "the vendor"}, headers=ana
    )
    assert pressed.status_code == 303, pressed.text
    assert "Its alerts are silenced" in (await house.http.get(pressed.headers["location"], headers=ana)).text
    assert await house.one("SELECT owner FROM silences") == "ana"
    assert (await house.http.post(f"/incidents/{number}/silence", headers=ana)).status_code == 303
    said = f"SELECT count(*) FROM silences WHERE comment = 'from incident {number}'"
    assert await house.one(said) == 1  # one tap: a reason is welcome, not asked for


async def test_a_silence_that_cannot_be_read_any_more_stops_no_alert(house: Whole) -> None:
    made = await silenced(house)
    await house.execute("""UPDATE silences SET matchers = '[{"name": "a", "value": "[", "isRegex": true}]'""")
    await house.execute("UPDATE configuration_version SET version = version + 1")
    assert (await house.post("alertmanager", body_of("alertmanager"))).json()["events"] == {"opened": 1}
    assert await house.one("SELECT count(*) FROM incidents") == 1
    assert made["state"] == "active"

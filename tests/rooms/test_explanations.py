"""Why: every decision from the request to the page, with the rule and version that made it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from bodies import body_of
from whole import Whole

from app.db.engine import dumps
from app.rehearsal import stages as stages_of_road

pytestmark = pytest.mark.asyncio(loop_scope="module")

RULES = [{"key": "shop", "name": "Shop", "when": '{job="checkout"}', "then": {"impact": 1}}]
ROUTED = {
    "rules": [
        {
            "rule": "blips",
            "name": "Blips",
            "scope": "",
            "version": 4,
            "because": 'routing rule "Blips" (version 4): true',
            "set": {"note": "Look twice", "labels": {"area": "web"}},
        },
        {
            "rule": "own",
            "name": "Own",
            "scope": "checkout",
            "version": 2,
            "because": "it says so",
            "set": {"suppress": True},
        },
    ]
}


async def explanation(house: Whole, path: str, who: str = "ana") -> list[dict[str, Any]]:
    answer = await house.http.get(f"/api/v1/{path}/explanation", headers=house.as_person(who))
    assert answer.status_code == 200, answer.text
    assert answer.json()["complete"] is True
    return list(answer.json()["stages"])


async def sends(house: Whole, name: str = "HighErrorRate") -> str:
    """The receipt's id."""
    answer = await house.post("alertmanager", body_of("alertmanager", name))
    assert answer.status_code == 202, answer.text
    return str(answer.json()["receipt"])


def of(stages: list[dict[str, Any]], stage: str) -> list[str]:
    return [s["decided"] for s in stages if s["stage"] == stage]


async def test_from_the_request_to_the_incident(house: Whole) -> None:
    cara = house.as_person("cara")
    published = await house.http.put("/api/v1/priority-rules", json={"rules": RULES}, headers=cara)
    version = published.json()["version"]
    receipt = await sends(house)
    number = await house.one("SELECT number FROM incidents")
    stages = await explanation(house, f"receipts/{receipt}")
    assert [s["stage"] for s in stages] == [
        "receipt", "event", "routing", "correlation", "priority", "priority", "priority", "escalation",
    ]  # fmt: skip
    assert of(stages, "event") == ["“HighErrorRate” from checkout-alertmanager, firing, severity critical: opened"]
    assert of(stages, "priority") == ["priority P1", "impact 1", "urgency 1"]
    [_, impact, urgency] = [s for s in stages if s["stage"] == "priority"]
    assert (impact["rule"], impact["scope"], impact["version"]) == ("shop", "organisation", version)
    assert 'labels.job = "checkout"' in impact["because"]
    assert (urgency["rule"], urgency["scope"], urgency["version"]) == ("default", None, None)
    assert {s["incident"] for s in stages[1:]} == {number}
    assert await explanation(house, f"incidents/{number}") == stages[1:]
    alert = next(s["alert"] for s in stages if s["alert"])
    assert await explanation(house, f"alerts/{alert}") == stages[1:]


async def test_what_was_only_counted_and_what_was_refused(house: Whole) -> None:
    await sends(house)
    again = await explanation(house, f"receipts/{await sends(house)}")
    assert [(s["decided"], s["because"]) for s in again[1:]] == [
        ("event 0, “HighErrorRate”: repeated", "known already: only counted")
    ]
    body = body_of("alertmanager")
    body["alerts"].append("nonsense")
    answer = await house.post("alertmanager", body)
    stages = await explanation(house, f"receipts/{answer.json()['receipt']}")
    assert "event 1: " in stages[0]["because"]
    assert of(stages, "event")[1] == "event 1: quarantined"


async def test_what_routing_rules_set_and_what_keeps_it_quiet(house: Whole) -> None:
    await sends(house)
    await house.execute(
        "UPDATE occurrences SET routed = CAST(:routed AS jsonb), suppressed = CAST(:why AS jsonb)",
        routed=dumps(ROUTED),
        why=dumps({"by": "silence", "name": "Friday", "because": "somebody works on it", "until": "2026-11-23"}),
    )
    number = await house.one("SELECT number FROM incidents")
    stages = await explanation(house, f"incidents/{number}")
    routing = [s for s in stages if s["stage"] == "routing"]
    assert [(s["decided"], s["rule"], s["scope"], s["version"]) for s in routing] == [
        ("note Look twice, labels area=web", "blips", "organisation", 4),
        ("suppress yes", "own", "service:checkout", 2),
    ]
    [quiet] = [s for s in stages if s["stage"] == "suppression"]
    assert quiet["decided"] == "kept quiet by silence “Friday” until 2026-11-23"
    assert [s["stage"] for s in stages][:4] == ["event", "routing", "routing", "suppression"]


async def quiet(house: Whole) -> dict[str, Any]:
    """The stage in which the newest alert was suppressed."""
    alert = await house.one("SELECT alert_id FROM occurrences ORDER BY id DESC LIMIT 1")
    [found] = [s for s in await explanation(house, f"alerts/{alert}") if s["stage"] == "suppression"]
    return found


async def test_what_keeps_an_alert_quiet_is_named_with_its_version(house: Whole) -> None:
    cara = house.as_person("cara")
    at = datetime.now(UTC)
    until = (at + timedelta(hours=1)).isoformat()
    silence = {"matchers": '{alertname="A"}', "ends_at": until, "comment": "c", "owner": "ana"}
    made = await house.http.post("/api/v1/silences", json=silence, headers=cara)
    inhibition = {"key": "down", "name": "Down", "source": '{alertname="A"}', "target": '{alertname="B"}'}
    days = [{"times": [{"start_time": "00:00", "end_time": "24:00"}]}]
    interval = {"key": "always", "name": "Always", "intervals": days, "matchers": '{alertname="C"}'}
    window = {"key": "up", "name": "Up", "comment": "c", "owner": "ben", "services": ["checkout"],
              "starts_at": (at - timedelta(hours=1)).isoformat(), "ends_at": until}  # fmt: skip
    for path, body in (("inhibition-rules", inhibition), ("time-intervals", interval)):
        assert (await house.http.post(f"/api/v1/{path}", json=body, headers=cara)).status_code == 201
    told = {}
    for name in "ABC":
        await sends(house, name)
        told[name] = await quiet(house)
    assert (await house.http.post("/api/v1/maintenance-windows", json=window, headers=cara)).status_code == 201
    await sends(house, "D")
    told["D"] = await quiet(house)
    assert {name: (stage["rule"], stage["scope"], stage["version"]) for name, stage in told.items()} == {
        "A": (made.json()["id"], None, None),
        "B": ("down", None, 1),
        "C": ("always", None, 1),
        "D": ("up", None, 1),
    }


@pytest.mark.parametrize("then", [{"suppress": True}, {"hold_minutes": 5}])
async def test_a_routing_rule_that_keeps_an_alert_quiet_is_named(house: Whole, then: dict[str, Any]) -> None:
    cara = house.as_person("cara")
    rule = {"key": "hush", "name": "Hush", "when": "true", "then": then}
    for path, scope in (("", "organisation"), ("services/checkout/", "service:checkout")):
        url = f"/api/v1/{path}routing-rules"
        published = (await house.http.put(url, json={"rules": [rule]}, headers=cara)).json()
        await sends(house, f"Of the {scope}")
        stage = await quiet(house)
        assert (stage["rule"], stage["scope"], stage["version"]) == ("hush", scope, published["version"])
        assert (await house.http.put(url, json={"rules": []}, headers=cara)).status_code == 200


async def test_an_incident_that_no_rule_decided_says_so(house: Whole) -> None:
    await sends(house)
    await house.post("pagerduty", body_of("pagerduty", "Disk"))
    because = []
    for number in await house.rows("SELECT number FROM incidents ORDER BY number"):
        [opened] = [s for s in await explanation(house, f"incidents/{number.number}") if s["stage"] == "correlation"]
        because.append(opened["because"])
    assert because == [
        "no correlation rule matched: same service and alertname",
        "no correlation rule matched: the same service and alert, which has no alertname",
    ]


async def test_the_path_of_a_symptom_in_words() -> None:
    data = {"title": "Slow", "path": "checkout -> payments -> db-1"}
    [stage] = stages_of_road.of_entry(SimpleNamespace(kind="symptom_joined", at=None, data=data), 1)
    assert stage.because == "checkout depends on payments, which depends on db-1"


async def test_what_joins_says_why(house: Whole) -> None:
    await sends(house)
    other = body_of("alertmanager")
    other["alerts"][0]["fingerprint"] = "00000000000000ff"
    other["alerts"][0]["labels"]["pod"] = "b"
    await house.post("alertmanager", other)
    number = await house.one("SELECT number FROM incidents")
    [opened, joined] = [s for s in await explanation(house, f"incidents/{number}") if s["stage"] == "correlation"]
    assert "within 30 minutes" in joined["because"]
    assert opened["alert"] != joined["alert"]


async def test_rules_of_a_service_are_named_as_its_own(house: Whole) -> None:
    cara = house.as_person("cara")
    for kind, then in (("correlation", {"key": ["labels.job"]}), ("priority", {"urgency": 1})):
        rule = {"key": f"own-{kind}", "name": "Own", "when": '{job="checkout"}', "then": then}
        path = f"/api/v1/services/checkout/{kind}-rules"
        assert (await house.http.put(path, json={"rules": [rule]}, headers=cara)).status_code == 200
    await sends(house)
    other = body_of("alertmanager")
    other["alerts"][0]["fingerprint"] = "00000000000000fe"
    other["alerts"][0]["labels"]["alertname"] = "Another"
    await house.post("alertmanager", other)
    stages = await explanation(house, f"incidents/{await house.one('SELECT number FROM incidents')}")
    told = [(s["stage"], s["rule"], s["scope"]) for s in stages if s["rule"] in ("own-correlation", "own-priority")]
    assert told == [
        ("correlation", "own-correlation", "service:checkout"),
        ("priority", "own-priority", "service:checkout"),
        ("correlation", "own-correlation", "service:checkout"),
    ]
    opened = next(s for s in stages if s["stage"] == "correlation")
    assert "same labels.job" in opened["because"]
    for kind in ("correlation", "priority"):
        emptied = await house.http.put(f"/api/v1/services/checkout/{kind}-rules", json={"rules": []}, headers=cara)
        assert emptied.status_code == 200


async def test_a_page_names_the_round_as_the_timeline_does() -> None:
    row = SimpleNamespace(
        purpose="page", user_name="Ana", channel="sms", loudness="loud", state="sent", step=0, round=1, why="",
        because="", created_at=datetime(2026, 11, 22, tzinfo=UTC),
    )  # fmt: skip
    assert stages_of_road.of_notification(row, 1).because == "step 1 of round 1"


async def test_what_people_did_is_told_too(house: Whole) -> None:
    await sends(house)
    number = await house.one("SELECT number FROM incidents")
    await house.http.post(f"/api/v1/incidents/{number}/acknowledge", headers=house.as_person("ana"))
    assert "Acknowledged by Ana" in of(await explanation(house, f"incidents/{number}"), "response")[0]


@pytest.mark.parametrize("path", [f"receipts/{UUID(int=5)}", f"alerts/{UUID(int=5)}", "incidents/999"])
async def test_what_is_not_there_is_404(house: Whole, path: str) -> None:
    answer = await house.http.get(f"/api/v1/{path}/explanation", headers=house.as_person("ana"))
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


async def test_the_screen_says_why(house: Whole) -> None:
    await sends(house)
    await house.execute("UPDATE occurrences SET routed = CAST(:routed AS jsonb)", routed=dumps(ROUTED))
    number = await house.one("SELECT number FROM incidents")
    screen = await house.http.get(f"/incidents/{number}", headers=house.as_person("ana"))
    assert screen.status_code == 200
    why = screen.text.split('id="why"')[1].split("</section>")[0]
    assert "note Look twice" in why
    assert "routing rule blips, version 4" in why
    assert "rule own of the service checkout, version 2" in why
    assert "severity is critical" in why

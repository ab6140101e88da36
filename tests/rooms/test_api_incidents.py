"""`/incidents` over HTTP: every action and its "already" answers, lists and filters, what a machine may not do."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bodies import body_of
from whole import Whole

pytestmark = pytest.mark.asyncio(loop_scope="module")

INCIDENTS = "/api/v1/incidents"


async def fires(house: Whole, name: str = "HighErrorRate", severity: str = "critical") -> int:
    """A new alert; the number of its incident."""
    body = body_of("alertmanager", name)
    body["alerts"][0]["labels"]["severity"] = severity
    assert (await house.post("alertmanager", body)).status_code == 202
    return int(await house.one("SELECT number FROM incidents ORDER BY number DESC LIMIT 1"))


async def resolves(house: Whole, name: str = "HighErrorRate") -> None:
    body = body_of("alertmanager", name)
    body["alerts"][0] |= {"status": "resolved", "endsAt": datetime.now(UTC).isoformat()}
    assert (await house.post("alertmanager", body)).status_code == 202


async def act(
    house: Whole, number: int, what: str, body: Any = None, *, who: str = "ana", method: str = "POST", status: int = 200
) -> dict[str, Any]:
    answer = await house.http.request(method, f"{INCIDENTS}/{number}/{what}", json=body, headers=house.as_person(who))
    assert answer.status_code == status, answer.text
    return dict(answer.json())


async def read(house: Whole, path: str, who: str = "ana", **query: Any) -> Any:
    answer = await house.http.get(f"{INCIDENTS}{path}", params=query, headers=house.as_person(who))
    assert answer.status_code == 200, answer.text
    return answer.json()


async def story(house: Whole, number: int) -> list[tuple[str, str]]:
    """Kind and actor of what people did."""
    entries = (await read(house, f"/{number}/timeline"))["items"]
    return [(e["kind"], e["actor"]) for e in entries if e["actor"].startswith(("user:", "api_key:"))]


# -- acknowledge


async def test_the_first_to_acknowledge_has_it_and_the_second_is_told_who(house):
    number = await fires(house)
    first = await act(house, number, "acknowledge", who="ana")
    assert (first["result"], first["by"]) == ("acknowledged", "ana")
    assert first["incident"]["state"] == "acknowledged"
    assert first["incident"]["acknowledged_by"] == "ana"
    for who in ("ben", "ana"):
        second = await act(house, number, "acknowledge", who=who)
        assert (second["result"], second["by"], second["at"]) == ("already_acknowledged", "ana", first["at"])
    assert await story(house, number) == [("acknowledged", "user:ana")]


@pytest.mark.parametrize(("severity", "minutes"), [("critical", {30, 60, None}), ("info", {None})])
async def test_an_acknowledgement_lasts_as_long_as_its_priority_says(house, severity, minutes):
    number = await fires(house, severity=severity)
    incident = (await act(house, number, "acknowledge"))["incident"]
    expected = {1: 30, 2: 60}.get(incident["priority"])
    assert expected in minutes
    if expected is None:
        assert incident["wakes_at"] is None
    else:
        lasts = datetime.fromisoformat(incident["wakes_at"]) - datetime.fromisoformat(incident["acknowledged_at"])
        assert (lasts, incident["wakes_because"]) == (timedelta(minutes=expected), "expires")


async def test_acknowledging_what_is_resolved_says_so(house):
    number = await fires(house)
    await resolves(house)
    told = await act(house, number, "acknowledge")
    assert (told["result"], told["by"]) == ("already_resolved", "source")
    assert told["incident"]["state"] == "resolved"


async def test_a_machine_can_take_nothing_but_may_do_the_rest(house):
    number = await fires(house)
    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    for what, body in (("acknowledge", None), ("snooze", {"until": later}), ("mitigate", None)):
        said = await act(house, number, what, body, who="machine", status=403)
        assert said["code"] == "no_person"
    assert await story(house, number) == []
    await act(house, number, "notes", {"text": "deployed 1.2.3"}, who="machine", status=201)
    await act(house, number, "escalate", who="machine")
    assert (await act(house, number, "resolve", {"confirmed": True}, who="machine"))["result"] == "resolved"
    assert await story(house, number) == [
        ("note", "api_key:machine"),
        ("escalated_by_hand", "api_key:machine"),
        ("resolved", "api_key:machine"),
    ]


async def test_a_viewer_may_look_and_touch_nothing(house):
    number = await fires(house)
    await house.execute("UPDATE users SET role = 'viewer' WHERE key = 'dan'")
    try:
        assert (await read(house, f"/{number}", who="dan"))["number"] == number
        for what in ("acknowledge", "unacknowledge", "resolve", "mitigate", "close", "escalate"):
            assert (await act(house, number, what, who="dan", status=403))["role_needed"] == "operator"
    finally:
        await house.execute("UPDATE users SET role = 'operator' WHERE key = 'dan'")


async def test_nobody_gets_401_and_reads_nothing(house):
    number = await fires(house)
    for path in ("", f"/{number}", f"/{number}/timeline", f"/{number}/alerts", f"/{number}/notifications"):
        answer = await house.http.get(INCIDENTS + path)
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
    assert (await house.http.post(f"{INCIDENTS}/{number}/acknowledge")).status_code == 401


# -- the other actions


async def test_given_back_it_pages_from_the_start(house):
    number = await fires(house)
    await act(house, number, "unacknowledge", status=409)
    await act(house, number, "acknowledge")
    done = await act(house, number, "unacknowledge", who="ben")
    assert (done["result"], done["incident"]["state"], done["incident"]["epoch"]) == ("done", "triggered", 2)
    assert done["incident"]["acknowledged_by"] is None
    assert await house.one("SELECT withdrawn_at IS NOT NULL FROM acknowledgements")
    assert (await act(house, number, "acknowledge", who="ben"))["by"] == "ben"


async def test_resolving_while_alerts_fire_asks_first(house):
    number = await fires(house)
    asked = await act(house, number, "resolve")
    assert (asked["result"], asked["firing"], asked["incident"]["state"]) == ("still_firing", 1, "triggered")
    done = await act(house, number, "resolve", {"confirmed": True, "because": "rolled back"})
    assert (done["result"], done["by"]) == ("resolved", "user:ana")
    again = await act(house, number, "resolve", who="ben")
    assert (again["result"], again["by"], again["at"]) == ("already_resolved", "user:ana", done["at"])
    assert (await read(house, f"/{number}/timeline"))["items"][-1]["data"]["because"] == "rolled back"


async def test_resolving_what_the_source_has_resolved_is_no_error(house):
    number = await fires(house)
    await resolves(house)
    assert (await act(house, number, "resolve"))["result"] == "already_resolved"


async def test_close_comes_after_resolve(house):
    number = await fires(house)
    assert (await act(house, number, "close", status=409))["code"] == "not_resolved"
    await act(house, number, "resolve", {"confirmed": True})
    assert (await act(house, number, "close"))["incident"]["state"] == "closed"
    assert (await act(house, number, "close"))["incident"]["state"] == "closed"
    assert (await story(house, number))[-1] == ("closed", "user:ana")


async def test_mitigate_takes_it_as_well(house):
    number = await fires(house)
    done = await act(house, number, "mitigate")
    assert (done["incident"]["state"], done["incident"]["acknowledged_by"]) == ("mitigated", "ana")
    assert done["incident"]["mitigated_at"] is not None
    assert (await act(house, number, "mitigate"))["incident"]["state"] == "mitigated"
    assert (await act(house, number, "acknowledge", who="ben"))["result"] == "already_acknowledged"


async def test_mitigating_what_one_has_acknowledged(house):
    number = await fires(house)
    await act(house, number, "acknowledge")
    assert (await act(house, number, "mitigate"))["incident"]["acknowledged_by"] == "ana"
    assert (await act(house, number, "mitigate", who="ben"))["incident"]["acknowledged_by"] == "ana"


async def test_snooze_is_an_acknowledgement_with_an_end(house):
    number = await fires(house)
    until = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=3)
    for _ in range(2):
        incident = (await act(house, number, "snooze", {"until": until.isoformat()}))["incident"]
        assert (incident["state"], incident["wakes_because"]) == ("acknowledged", "snoozed")
        assert datetime.fromisoformat(incident["wakes_at"]) == until
    assert (await act(house, number, "snooze", {"until": until.isoformat()}, who="ben"))["incident"][
        "acknowledged_by"
    ] == "ben"


@pytest.mark.parametrize("hours", [-1, 0, 24 * 7 + 1])
async def test_a_snooze_ends_within_a_week(house, hours):
    number = await fires(house)
    body = {"until": (datetime.now(UTC) + timedelta(hours=hours)).isoformat()}
    assert (await act(house, number, "snooze", body, status=422))["errors"][0]["field"] == "until"


async def test_reassigned_it_is_triggered_for_somebody_else(house):
    number = await fires(house)
    await act(house, number, "acknowledge")
    incident = (await act(house, number, "reassign", {"user": "ben"}))["incident"]
    assert (incident["state"], incident["assigned_to"], incident["acknowledged_by"]) == ("triggered", "ben", None)
    assert (await act(house, number, "reassign", {"user": "nobody"}, status=404))["code"] == "not_found"
    await house.execute("UPDATE users SET active = false WHERE key = 'dan'")
    try:
        assert (await act(house, number, "reassign", {"user": "dan"}, status=422))["errors"][0]["field"] == "user"
    finally:
        await house.execute("UPDATE users SET active = true WHERE key = 'dan'")


async def test_escalated_now_nobody_has_it(house):
    number = await fires(house)
    await act(house, number, "acknowledge")
    assert (await act(house, number, "escalate"))["incident"]["state"] == "triggered"


async def test_a_note_stands_on_the_timeline(house):
    number = await fires(house)
    text = "replication <b>lags</b> ☂\nby 3 s"
    await act(house, number, "notes", {"text": text}, status=201)
    entry = (await read(house, f"/{number}/timeline"))["items"][-1]
    assert (entry["kind"], entry["actor"], entry["data"]["text"]) == ("note", "user:ana", text)
    for bad in ("", "   ", "x" * 10_001, "a\x00b"):
        await act(house, number, "notes", {"text": bad}, status=422)


async def test_a_priority_that_a_person_sets_is_pinned_and_a_raise_pages_again(house):
    number = await fires(house, severity="info")
    before = await read(house, f"/{number}")
    await act(house, number, "acknowledge")
    pin = {"impact": 1, "urgency": 1, "reason": "all customers"}
    raised = (await act(house, number, "priority", pin, method="PUT"))["incident"]
    assert (raised["priority"], raised["loudness"], raised["state"]) == (1, "loud", "triggered")
    assert raised["priority_pin"]["by"] == "ana"
    assert raised["priority_pin"]["reason"] == "all customers"
    assert raised["epoch"] == before["epoch"] + 1
    lowered = (await act(house, number, "priority", pin | {"impact": 3, "urgency": 3}, method="PUT"))["incident"]
    assert (lowered["priority"], lowered["loudness"], lowered["epoch"]) == (5, "quiet", raised["epoch"])
    assert (await act(house, number, "priority", method="DELETE"))["incident"]["priority_pin"] is None
    for bad in ({"impact": 0}, {"urgency": 4}, {"reason": " "}, {"impact": "1"}):
        await act(house, number, "priority", pin | bad, method="PUT", status=422)


async def test_pinned_open_it_stays_although_its_alerts_are_over(house):
    number = await fires(house)
    assert (await act(house, number, "pin-open", {"pinned": True, "reason": "r"}))["incident"]["pinned_open"] is True
    await resolves(house)
    assert (await read(house, f"/{number}"))["state"] == "triggered"
    assert (await act(house, number, "pin-open", {"pinned": False}))["incident"]["pinned_open"] is False
    assert await house.one("SELECT recovery_due_at IS NOT NULL FROM incidents")


@pytest.mark.parametrize(
    ("what", "method", "body"),
    [("escalate", "POST", None), ("mitigate", "POST", None), ("reassign", "POST", {"user": "ben"}),
     ("snooze", "POST", "soon"), ("priority", "PUT", {"impact": 1, "urgency": 1, "reason": "x"}),
     ("priority", "DELETE", None), ("pin-open", "POST", {"pinned": True, "reason": "r"})],
)  # fmt: skip
async def test_what_is_resolved_is_left_alone(house, what, method, body):
    number = await fires(house)
    await resolves(house)
    given = {"until": (datetime.now(UTC) + timedelta(hours=1)).isoformat()} if body == "soon" else body
    said = await act(house, number, what, given, method=method, status=409)
    assert (said["code"], said["state"]) == ("not_open", "resolved")


async def test_there_is_no_such_storm(house):
    answer = await house.http.get("/api/v1/storms/nope", headers=house.as_person("ana"))
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize("number", [999_999, 2**63 - 1])
async def test_there_is_no_such_incident(house, number):
    for path in ("", "/timeline", "/alerts", "/notifications"):
        answer = await house.http.get(f"{INCIDENTS}/{number}{path}", headers=house.as_person("ana"))
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    for what in ("acknowledge", "unacknowledge", "resolve", "close", "mitigate", "escalate"):
        await act(house, number, what, status=404)


@pytest.mark.parametrize("number", ["0", "-1", str(2**63), "x", "1.0", "１"])
async def test_a_number_is_a_positive_number(house, number):
    answer = await house.http.get(f"{INCIDENTS}/{number}", headers=house.as_person("ana"))
    assert answer.status_code in (422, 404)


# -- reading


async def test_an_incident_tells_where_its_priority_comes_from_and_what_comes_next(house):
    number = await fires(house)
    answer = await house.http.get(f"{INCIDENTS}/{number}", headers=house.as_person("ana"))
    incident = answer.json()
    assert answer.headers["ETag"] == f'"{incident["version"]}"'
    assert (incident["service"], incident["team"], incident["state"]) == ("checkout", "payments", "triggered")
    assert incident["title"].startswith("HighErrorRate")
    assert (incident["firing"], incident["occurrences"], incident["epoch"]) == (1, 1, 1)
    assert incident["verdict"]["inputs"]
    assert incident["next_step"]["step"] is None
    assert incident["next_step"]["names"] == []


async def test_the_alerts_of_an_incident_with_all_that_is_known(house):
    number = await fires(house)
    await fires(house)
    [alert] = (await read(house, f"/{number}/alerts"))["items"]
    assert alert["labels"] == {"alertname": "HighErrorRate", "job": "checkout", "severity": "critical"}
    assert (alert["firing"], alert["events"], alert["source"]) == (True, 2, "alertmanager")
    assert alert["integration"] == "checkout-alertmanager"
    await resolves(house)
    [alert] = (await read(house, f"/{number}/alerts"))["items"]
    assert (alert["firing"], alert["end_kind"]) == (False, "explicit")


async def test_the_timeline_comes_in_pages_oldest_first(house):
    number = await fires(house)
    for n in range(7):
        await act(house, number, "notes", {"text": f"note {n}"}, status=201)
    whole = (await read(house, f"/{number}/timeline", limit=200))["items"]
    assert [e["data"].get("text") for e in whole][-7:] == [f"note {n}" for n in range(7)]
    read_by_pages, cursor = [], {}
    while True:
        page = await read(house, f"/{number}/timeline", limit=2, **cursor)
        read_by_pages += page["items"]
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}
    assert read_by_pages == whole


async def test_a_timeline_whose_beginning_retention_dropped_says_so(house):
    number = await fires(house)
    await act(house, number, "notes", {"text": "looked at"}, status=201)
    for gone in (False, True):
        if gone:  # as when the month in which it opened is dropped, and somebody looked at it later
            await house.execute("UPDATE incidents SET opened_at = opened_at - interval '410 days'")
            await house.execute("DELETE FROM timeline_entries WHERE kind <> 'note'")
        said = "Older entries are gone: they are dropped after 400 days"
        assert (await read(house, f"/{number}/timeline"))["dropped"] == (said if gone else None)
        screen = await house.http.get(f"/incidents/{number}", headers=house.as_person("ana"))
        assert (said in screen.text) is gone


async def listed(house: Whole, who: str = "ana", **query: Any) -> list[str]:
    """Titles without what follows the name, newest first."""
    return [i["title"].split(":")[0].split(" ")[0] for i in (await read(house, "", who, **query))["items"]]


async def test_lists_are_newest_first_and_open_by_default(house):
    for name in ("A1", "A2", "A3", "A4"):
        await fires(house, name)
    await resolves(house, "A2")
    number = await house.one("SELECT number FROM incidents WHERE title LIKE 'A3%'")
    await act(house, number, "acknowledge")
    assert await listed(house) == ["A4", "A3", "A1"]
    assert await listed(house, state="all") == ["A4", "A3", "A2", "A1"]
    assert await listed(house, state="resolved") == ["A2"]
    assert await listed(house, state="acknowledged") == ["A3"]
    assert await listed(house, state=["triggered", "resolved"]) == ["A4", "A2", "A1"]
    assert await listed(house, state=["open", "resolved"]) == ["A4", "A3", "A2", "A1"]


async def test_filters_of_one_kind_add_up_and_of_different_kinds_narrow_down(house):
    await fires(house, "Loud", "critical")
    await fires(house, "Quiet", "info")
    priorities = {i["title"][:4]: i["priority"] for i in (await read(house, ""))["items"]}
    assert await listed(house, priority=priorities["Loud"]) == ["Loud"]
    assert await listed(house, priority=[priorities["Loud"], priorities["Quie"]]) == ["Quiet", "Loud"]
    assert await listed(house, service="checkout", team="payments") == ["Quiet", "Loud"]
    assert await listed(house, service=["nothing", "checkout"]) == ["Quiet", "Loud"]
    for nothing in ({"service": "nothing"}, {"team": "nobody"}, {"service": "\x00"}, {"team": "☂"}):
        assert await listed(house, **nothing) == []
    assert await listed(house, service="checkout", team="nobody") == []


async def test_mine_is_what_i_have_was_handed_or_my_team_owns(house):
    number = await fires(house, "Mine")
    await fires(house, "Other")
    assert await listed(house, "dan", mine=True) == []
    assert await listed(house, "ben", mine=True) == ["Other", "Mine"]
    await act(house, number, "acknowledge", who="dan")
    assert await listed(house, "dan", mine=True) == ["Mine"]
    await act(house, number, "reassign", {"user": "ana"})
    assert await listed(house, "dan", mine=True) == []
    assert await listed(house, "ana", mine=True) == ["Mine"]
    answer = await house.http.get(INCIDENTS, params={"mine": True}, headers=house.as_person("machine"))
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "mine")


async def test_pages_neither_skip_nor_repeat_when_new_incidents_come_in_between(house):
    for n in range(7):
        await fires(house, f"B{n}")
    first = await read(house, "", limit=3)
    await fires(house, "Later")
    number = first["items"][1]["number"]
    await act(house, number, "resolve", {"confirmed": True})
    second = await read(house, "", limit=3, cursor=first["next"])
    third = await read(house, "", limit=3, cursor=second["next"])
    titles = [i["title"][:2] for page in (first, second, third) for i in page["items"]]
    assert titles == ["B6", "B5", "B4", "B3", "B2", "B1", "B0"]
    assert third["next"] is None


@pytest.mark.parametrize(
    "query",
    [{"cursor": "nonsense"}, {"cursor": ""}, {"cursor": "WzFd"}, {"limit": 0}, {"limit": 201}, {"state": "ended"},
     {"priority": 6}, {"priority": "P1"}, {"mine": "perhaps"}],
)  # fmt: skip
async def test_what_cannot_be_asked_is_422(house, query):
    answer = await house.http.get(INCIDENTS, params=query, headers=house.as_person("ana"))
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"]


async def test_a_misspelt_parameter_is_refused_and_named(house):
    answer = await house.http.get(INCIDENTS, params={"stat": "open", "priority": 1}, headers=house.as_person("ana"))
    assert answer.status_code == 422, answer.text
    problem = answer.json()
    assert problem["detail"].startswith("stat: ")
    assert [(e["in"], e["field"]) for e in problem["errors"]] == [("query", "stat")]
    assert "priority" in problem["errors"][0]["message"]

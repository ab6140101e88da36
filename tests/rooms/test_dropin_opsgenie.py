"""Opsgenie's Alert API v2 and its heartbeat ping as their senders speak them, over real HTTP."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import UUID, uuid4

import pytest
from bodies import basic, bearer
from whole import Whole, routing_key

pytestmark = pytest.mark.asyncio(loop_scope="module")

KEY = routing_key("opsgenie")
GENIE = {"Authorization": f"GenieKey {KEY}"}
PAYLOADS = Path(__file__).parents[1] / "payloads" / "opsgenie"
ALERTS = "/v2/alerts"


def alert(**members: Any) -> dict[str, Any]:
    body = {"message": "Disk full on db-1", "alias": "disk/db 1", "priority": "P1", "tags": ["prod"]} | members
    return {name: value for name, value in body.items() if value is not None}


async def ask(house: Whole, method: str, path: str, body: Any = None, status: int = 202) -> dict[str, Any]:
    content: dict[str, Any] = {"content": body} if isinstance(body, bytes) else {} if body is None else {"json": body}
    answer = await house.http.request(method, path, headers=GENIE, **content)
    assert answer.status_code == status, answer.text
    said = dict(answer.json())
    assert said["requestId"] == answer.headers["X-Request-ID"]
    assert said["took"] >= 0
    return said


def at(alias: str, action: str, kind: str = "alias") -> str:
    return f"{ALERTS}/{quote(alias, safe='')}/{action}?identifierType={kind}"


async def became(house: Whole, said: dict[str, Any]) -> dict[str, Any]:
    return dict((await ask(house, "GET", f"{ALERTS}/requests/{said['requestId']}", status=200))["data"])


# -- alerts


async def test_an_alert_is_created_acknowledged_and_closed_by_its_alias(house):
    created = await ask(house, "POST", ALERTS, alert())
    assert created["result"] == "Request will be processed"
    assert await house.one("SELECT state FROM incidents") == "triggered"
    [row] = await house.rows("SELECT id, title, severity, labels FROM alerts")
    assert (row.title, row.severity, row.labels) == (
        "Disk full on db-1",
        "critical",
        {"priority": "P1", "tags": "prod"},
    )
    data = await became(house, created)
    assert (data["success"], data["isSuccess"], data["action"], data["status"]) == (
        True,
        True,
        "Create",
        "Created alert",
    )
    assert (data["alertId"], data["alias"]) == (str(row.id), "disk/db 1")
    assert set(data) == {"success", "isSuccess", "action", "status", "alertId", "alias", "processedAt", "integrationId"}

    acknowledged = await ask(house, "POST", at("disk/db 1", "acknowledge"), {"user": "u", "source": "s", "note": "n"})
    assert (await became(house, acknowledged))["action"] == "Acknowledge"
    closed = await ask(house, "POST", at("disk/db 1", "close"))
    assert (await became(house, closed))["status"] == "Closed alert"
    assert await house.one("SELECT state FROM incidents") == "resolved"
    assert await house.one("SELECT title FROM alerts") == "Disk full on db-1"
    assert (await became(house, await ask(house, "POST", ALERTS, alert())))["status"] == "Created alert", "a new one"


@pytest.mark.parametrize("kind", ["id", "tiny", None])
async def test_an_alert_is_named_by_its_id(house, kind):
    data = await became(house, await ask(house, "POST", ALERTS, alert()))
    path = f"{ALERTS}/{data['alertId']}/close" + (f"?identifierType={kind}" if kind else "")
    await ask(house, "POST", path, {})
    assert await house.rows("SELECT dedup_key, state FROM alerts") == [("disk/db 1", "resolved")]


async def test_without_an_alias_it_is_told_and_every_alert_is_a_new_one(house):
    datas = [await became(house, await ask(house, "POST", ALERTS, alert(alias=None))) for _ in range(2)]
    assert len({d["alias"] for d in datas}) == 2
    await ask(house, "POST", at(datas[0]["alias"], "close"))
    await ask(house, "POST", f"{ALERTS}/{datas[1]['alias']}/close", {})  # taken for an id, which it would be there
    assert {r.state for r in await house.rows("SELECT state FROM alerts")} == {"resolved"}
    assert await house.one("SELECT count(*) FROM alerts") == 2


async def test_an_alias_of_512_characters_is_one_and_one_more_is_refused(house):
    await ask(house, "POST", ALERTS, alert(alias="ä" * 512))
    await ask(house, "POST", at("ä" * 512, "close"))
    assert await house.rows("SELECT state FROM alerts") == [("resolved",)]
    said = await ask(house, "POST", at("a" * 513, "close"), status=422)
    assert said["errors"] == {"alias": "Alias can not be longer than 512 characters."}


async def test_closing_what_is_not_known_is_accepted_and_its_status_says_so(house):
    data = await became(house, await ask(house, "POST", at("nothing", "close")))
    assert (data["success"], data["status"]) == (False, "Alert does not exist")
    assert await house.one("SELECT count(*) FROM incidents") == 0


async def test_what_alertmanager_sends_fires_is_reworded_and_resolves(house):
    recorded = json.loads((PAYLOADS / "alertmanager.json").read_text())["requests"]
    alias = recorded[0]["body"]["alias"]
    await ask(house, "POST", ALERTS, recorded[0]["body"])
    said = await ask(house, "PUT", at(alias, "message"), {"message": "[FIRING:5] DiskFull"})
    assert (await became(house, said))["status"] == "Updated alert"
    await ask(house, "PUT", at(alias, "description"), {"description": "five of them"})
    [row] = await house.rows("SELECT title, annotations->>'description' AS description, severity FROM alerts")
    assert (row.title, row.description, row.severity) == ("[FIRING:5] DiskFull", "five of them", "error")
    assert await house.one("SELECT state FROM incidents") == "triggered"
    await ask(house, "POST", at(alias, "close"), recorded[1]["body"])
    assert await house.one("SELECT state FROM incidents") == "resolved"


@pytest.mark.parametrize("action", ["message", "description"])
async def test_other_words_for_what_is_not_known(house, action):
    data = await became(house, await ask(house, "PUT", at("nothing", action), {action: "x"}))
    assert (data["success"], data["action"], data["alertId"]) == (False, "Update", "")


# -- notes


async def test_a_note_goes_onto_the_timeline_of_the_open_incident(house):
    await ask(house, "POST", ALERTS, alert())
    data = await became(house, await ask(house, "POST", at("disk/db 1", "notes"), {"note": "looks like the backup"}))
    assert (data["action"], data["success"]) == ("Add Note", True)
    [entry] = await house.rows("SELECT actor, data FROM timeline_entries WHERE kind = 'note'")
    assert (entry.actor, entry.data) == ("source:checkout-opsgenie", {"text": "looks like the backup"})


async def test_a_note_on_what_is_over_or_unknown_says_so(house):
    data = await became(house, await ask(house, "POST", at("disk/db 1", "notes"), {"note": "n"}))
    assert (data["success"], data["status"]) == (False, "Alert does not exist")
    await ask(house, "POST", ALERTS, alert())
    await ask(house, "POST", at("disk/db 1", "close"))
    data = await became(house, await ask(house, "POST", at("disk/db 1", "notes"), {"note": "n"}))
    assert (data["success"], data["status"]) == (False, "Alert is not open")
    assert await house.one("SELECT count(*) FROM timeline_entries WHERE kind = 'note'") == 0


# -- whose it is


@pytest.mark.parametrize(
    ("prefix", "headers"),
    [
        ("", {"Authorization": f"GenieKey {KEY}"}),
        ("", {"Authorization": f"geniekey {KEY}"}),
        ("", bearer(KEY)),
        ("", basic("x", KEY)),
        (f"/v1/intake/{KEY}", {}),
        (f"/v1/intake/{KEY}", {"Authorization": "GenieKey another"}),
    ],
)
async def test_where_the_key_may_be(house, prefix, headers):
    for path in (ALERTS, at("disk/db 1", "close")):
        answer = await house.http.post(prefix + path, json=alert(), headers=headers)
        assert answer.status_code == 202, answer.text
    assert await house.rows("SELECT dedup_key, state FROM alerts") == [("disk/db 1", "resolved")]


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        ({}, "Api-Key-or-Authorization header missing"),
        ({"Authorization": "GenieKey"}, "Api-Key-or-Authorization header missing"),
        ({"Authorization": "GenieKey nobody"}, "Could not authenticate"),
    ],
)
@pytest.mark.parametrize("path", [ALERTS, f"{ALERTS}/x/close", "/v2/heartbeats/x/ping"])
async def test_without_a_key_that_counts(house, path, headers, message):
    answer = await house.http.post(path, json=alert(), headers=headers)
    assert (answer.status_code, answer.json()["message"]) == (401, message)
    assert set(answer.json()) == {"message", "took", "requestId"}
    assert await house.one("SELECT count(*) FROM receipts") == 0


async def test_a_routing_key_sees_its_own_requests_only(house):
    said = await ask(house, "POST", ALERTS, alert())
    path = f"{ALERTS}/requests/{said['requestId']}"
    other = {"Authorization": f"GenieKey {routing_key('pagerduty')}"}
    assert (await house.http.get(path, headers=other)).status_code == 404
    for unknown in (uuid4(), "x", "%00"):
        answer = await ask(house, "GET", f"{ALERTS}/requests/{unknown}", status=404)
        assert answer["message"] == "Request not found. It might not be processed, yet."
    [row] = await house.rows("SELECT id FROM alerts")
    other_alert = f"{ALERTS}/{row.id}/close"
    assert (await house.http.post(other_alert, headers=other)).status_code == 403
    assert await house.one("SELECT state FROM alerts WHERE id = :id", id=row.id) == "firing"


# -- what is wrong


@pytest.mark.parametrize(
    ("body", "status", "errors"),
    [
        (alert(message=None), 422, {"message": "Message can not be empty."}),
        (alert(priority="P9"), 422, {"priority": "Priority must be one of P1, P2, P3, P4, P5."}),
        (b"{", 400, None),
        (b"", 400, None),
        (b"[]", 400, None),
    ],
)
async def test_what_cannot_be_right_is_refused_kept_and_told(house, body, status, errors):
    said = await ask(house, "POST", ALERTS, body, status=status)
    assert said.get("errors") == errors
    assert await house.one("SELECT kind FROM quarantine") == "body"
    told = await house.receipt(said["requestId"], KEY)
    assert (told["status"], told["events"]) == (status, [])
    data = await became(house, said)
    assert (data["success"], data["status"]) == (False, told["error"])


@pytest.mark.parametrize("body", [{}, {"note": ""}, {"note": 5}, {"note": "n" * 3, "x": []}])
async def test_a_note_needs_a_text(house, body):
    await ask(house, "POST", ALERTS, alert())
    await ask(house, "POST", at("disk/db 1", "notes"), body, status=202 if body.get("note") == "nnn" else 422)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", ALERTS, 405),
        ("GET", f"{ALERTS}/x/close", 405),
        ("POST", f"{ALERTS}/x/message", 405),
        ("POST", f"{ALERTS}/requests/{UUID(int=7)}", 405),
        ("DELETE", "/v2/heartbeats/x/ping", 405),
        ("DELETE", f"{ALERTS}/x", 404),
        ("POST", f"{ALERTS}/x/snooze", 404),
        ("POST", f"{ALERTS}/x/unacknowledge", 404),
        ("POST", f"{ALERTS}//close", 404),
        ("POST", f"{ALERTS}/a/b/close", 404),
        ("GET", "/v2/heartbeats", 404),
        ("POST", f"{ALERTS}/x/close?identifierType=name", 422),
        ("POST", f"{ALERTS}/%20/close?identifierType=alias", 422),
        ("POST", f"{ALERTS}/%00%FF/close?identifierType=ALIAS", 202),
        ("POST", f"{ALERTS}/x/close?" + "&".join(f"a{n}=1" for n in range(200)), 202),
    ],
)
async def test_other_paths_and_methods(house, method, path, status):
    await ask(house, method, path, status=status)
    kept = await house.one("SELECT count(*) FROM quarantine")
    assert kept == ("%20" in path), "a request that says nothing is worth keeping only when it is one"


async def test_a_body_beyond_the_limit_is_413_with_a_receipt(house):
    said = await ask(house, "POST", ALERTS, b"[" + b" " * (1 << 20), status=413)
    assert (await house.receipt(said["requestId"], KEY))["status"] == 413


# -- heartbeats


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "POST"])
async def test_a_heartbeat_that_there_is_not(house, method):
    said = await ask(house, method, "/v2/heartbeats/nightly/ping", status=404)
    assert said["message"] == "Heartbeat with name [nightly] not found."


async def heartbeat(house: Whole) -> dict[str, Any]:
    """That of the service which the routing key is for, as it stands; made when it is not there."""
    admin = {"Authorization": "Bearer tocsin_cara"}
    found = await house.http.get("/api/v1/heartbeats/nightly-backup", headers=admin)
    if found.status_code == 404:
        beats = {"key": "beats", "name": "Beats", "source": "heartbeat", "service": "checkout"}
        assert (await house.http.post("/api/v1/integrations", headers=admin, json=beats)).status_code in (201, 409)
        nightly = {"key": "nightly-backup", "name": "Nightly backup", "integration": "beats", "interval_s": 86_400}
        found = await house.http.post("/api/v1/heartbeats", headers=admin, json=nightly | {"grace_s": 3600})
        assert found.status_code == 201, found.text
    return dict(found.json())


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "POST"])
async def test_a_heartbeat_is_pinged(house, method):
    before = await heartbeat(house)
    said = await ask(house, method, "/v2/heartbeats/nightly-backup/ping")
    assert said["result"] == "PONG - Heartbeat received"
    after = await heartbeat(house)
    assert (after["state"], after["last_kind"]) == ("up", "success")
    assert after["last_ping_at"] > (before["last_ping_at"] or "")
    anonymous = await house.http.request(method, "/v2/heartbeats/nightly-backup/ping")
    assert anonymous.status_code == 401
    assert (await heartbeat(house))["last_ping_at"] == after["last_ping_at"]

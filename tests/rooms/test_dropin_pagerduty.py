"""PagerDuty's Events API v2 as its senders speak it, over real HTTP."""

from __future__ import annotations

import asyncio
import gzip
import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from bodies import basic, bearer
from whole import Whole, routing_key

pytestmark = pytest.mark.asyncio(loop_scope="module")

KEY = routing_key("pagerduty")
PAYLOADS = Path(__file__).parents[1] / "payloads" / "pagerduty"
PAYLOAD = {"summary": "Disk full on db-1", "source": "db-1", "severity": "critical", "class": "disk"}
ACTION = "'event_action' is invalid (must be one of the following: 'trigger', 'acknowledge' or 'resolve')"
LENGTH = "Length of 'dedup_key' is incorrect (should be less than or equal to 255 characters)"
SEVERITY = "'payload.severity' is invalid (must be one of the following: 'critical', 'warning', 'error' or 'info')"


def event(action: str = "trigger", **members: Any) -> dict[str, Any]:
    body = {"routing_key": KEY, "event_action": action, "dedup_key": "srv01/mysql", "payload": PAYLOAD} | members
    return {name: value for name, value in body.items() if value is not None}


async def enqueue(house: Whole, body: Any, path: str = "/v2/enqueue", headers: dict[str, str] | None = None) -> Any:
    content = {"content": body} if isinstance(body, bytes) else {"json": body}
    return await house.http.post(path, headers=headers or {}, **content)


# -- alert events


async def test_an_alert_triggers_is_acknowledged_and_resolved(house):
    for action, state in (("trigger", "triggered"), ("acknowledge", "acknowledged"), ("resolve", "resolved")):
        answer = await enqueue(house, event(action, payload=PAYLOAD if action == "trigger" else None))
        said = {"status": "success", "message": "Event processed", "dedup_key": "srv01/mysql"}
        assert (answer.status_code, answer.json()) == (202, said)
        assert await house.one("SELECT state FROM incidents") == state
    [alert] = await house.rows("SELECT title, severity, labels, state, dedup_key FROM alerts")
    assert (alert.title, alert.severity, alert.state) == ("Disk full on db-1", "critical", "resolved")
    assert alert.labels == {"source": "db-1", "class": "disk"}, "a resolve by key alone takes no word away"
    kinds = await house.rows("SELECT kind, data->>'title' AS title FROM timeline_entries ORDER BY id")
    told = [(kind, title) for kind, title in kinds if kind in ("acknowledged_at_source", "alert_resolved")]
    assert told == [("acknowledged_at_source", "Disk full on db-1"), ("alert_resolved", "Disk full on db-1")]


async def test_a_trigger_without_a_key_is_a_new_alert_each_time_and_is_told_its_key(house):
    answers = await asyncio.gather(*(enqueue(house, event(dedup_key=None)) for _ in range(5)))
    keys = {a.json()["dedup_key"] for a in answers}
    assert len(keys) == 5
    assert {r.dedup_key for r in await house.rows("SELECT dedup_key FROM alerts")} == keys
    assert (await enqueue(house, event("resolve", dedup_key=min(keys), payload=None))).status_code == 202
    assert await house.one("SELECT count(*) FROM alerts WHERE state = 'firing'") == 4


async def test_a_trigger_after_a_resolve_is_a_new_alert_however_old_its_timestamp(house):
    old = event(payload=PAYLOAD | {"timestamp": "2015-07-17T08:42:58.315+0000"})
    outcomes = []
    for body in (old, old, event("resolve"), old):
        answer = await enqueue(house, body)
        receipt = await house.receipt(answer.headers["Tocsin-Receipt"], KEY)
        outcomes += [e["outcome"] for e in receipt["events"]]
    assert outcomes == ["opened", "repeated", "resolved", "opened"]


@pytest.mark.parametrize("action", ["acknowledge", "resolve"])
async def test_an_unknown_key_is_accepted_and_opens_nothing(house, action):
    assert (await enqueue(house, event(action))).status_code == 202
    assert await house.one("SELECT count(*) FROM incidents") == 0
    assert (await enqueue(house, event())).status_code == 202
    assert await house.one("SELECT state FROM incidents") == "triggered"


async def test_what_alertmanager_sends_fires_and_resolves(house):
    recorded = json.loads((PAYLOADS / "alertmanager.json").read_text())["requests"]
    for request in recorded:
        answer = await enqueue(house, request["body"] | {"routing_key": KEY})
        assert (answer.status_code, answer.json()["dedup_key"]) == (202, request["body"]["dedup_key"])
    states = await house.rows("SELECT title, state FROM alerts ORDER BY id")
    assert [(s.title[:19], s.state) for s in states] == [
        ("[FIRING:4] DiskFull", "resolved"),
        ("[FIRING:1] UnicodeH", "firing"),
    ]


# -- whose it is


@pytest.mark.parametrize(
    ("path", "headers", "told"),
    [
        ("/v2/enqueue", {}, KEY),
        ("/v2/enqueue/", {}, KEY),
        ("/v2/enqueue", {"X-Routing-Key": KEY}, None),
        ("/v2/enqueue", bearer(KEY), None),
        ("/v2/enqueue", basic("tocsin", KEY), None),
        (f"/v1/intake/{KEY}/v2/enqueue", {}, None),
        (f"/v1/intake/{KEY}/v2/enqueue", {}, "another"),
        ("/v2/enqueue", {"X-Routing-Key": KEY} | bearer("another"), "another"),
    ],
)
async def test_where_the_routing_key_may_be(house, path, headers, told):
    answer = await enqueue(house, event(routing_key=told), path, headers)
    assert answer.status_code == 202, answer.text
    [row] = await house.rows("SELECT details FROM events")
    assert KEY not in json.dumps(row.details)


@pytest.mark.parametrize("path", ["/v2/enqueue", "/v2/change/enqueue"])
async def test_whoever_is_not_known_is_refused_in_the_words_of_the_api(house, path):
    answer = await enqueue(house, event(routing_key=None), path)
    assert (answer.status_code, answer.json()["errors"]) == (400, ["'routing_key' is missing or blank"])
    for body, headers in ((event(routing_key="x" * 32), {}), (event(), bearer("nobody"))):
        answer = await enqueue(house, body, path, headers)
        assert (answer.status_code, answer.json()["status"]) == (401, "invalid key")
    assert await house.one("SELECT count(*) FROM receipts") == 0


async def test_the_key_of_another_source_is_refused_with_a_receipt(house):
    other = routing_key("opsgenie")
    answer = await enqueue(house, event(routing_key=other))
    assert (answer.status_code, "opsgenie" in answer.json()["errors"][0]) == (403, True)
    assert (await house.receipt(answer.headers["Tocsin-Receipt"], other))["status"] == 403
    assert await house.one("SELECT count(*) FROM alerts") == 0


# -- what is wrong


@pytest.mark.parametrize(
    ("body", "errors"),
    [
        (event(payload=PAYLOAD | {"severity": "fatal"}), [SEVERITY]),
        (event(payload={}), [f"'payload.{n}' is missing or blank" for n in ("summary", "source", "severity")]),
        (event("explode"), [ACTION]),
        (event("resolve", dedup_key=None), ["'dedup_key' is missing or blank"]),
        (event(dedup_key="k" * 256), [LENGTH]),
    ],
)
async def test_an_invalid_event_is_answered_as_the_api_does_and_kept(house, body, errors):
    answer = await enqueue(house, body)
    said = {"status": "invalid event", "message": "Event object is invalid", "errors": errors}
    assert (answer.status_code, answer.json()) == (400, said)
    [kept] = await house.rows("SELECT kind, error, body FROM quarantine")
    assert (kept.kind, kept.error, json.loads(kept.body)) == (
        "body",
        "\n".join(errors),
        body | {"routing_key": "[hidden]"},
    )
    told = await house.receipt(answer.headers["Tocsin-Receipt"], KEY)
    assert (told["status"], told["error"], told["events"]) == (400, "\n".join(errors), [])


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"x"', b"\xff", b"[" * 10_000])
@pytest.mark.parametrize("headers", [{}, {"X-Routing-Key": KEY}])
@pytest.mark.parametrize("path", ["/v2/enqueue", "/v2/change/enqueue"])
async def test_what_is_no_object_is_unrecognized(house, body, headers, path):
    answer = await enqueue(house, body, path, headers)
    assert (answer.status_code, answer.json()["status"]) == (400, "Unrecognized object")
    assert answer.json()["message"] == "Event object format is unrecognized"
    assert ("Tocsin-Receipt" in answer.headers) is bool(headers)


@pytest.mark.parametrize("way", ["body", "header"])
async def test_512_kib_are_taken_and_no_more(house, way):
    headers = {"X-Routing-Key": KEY} if way == "header" else {}
    body = event(payload=PAYLOAD | {"custom_details": ""})
    body["payload"]["custom_details"] = "x" * (512 * 1024 - len(json.dumps(body).encode()))
    raw = json.dumps(body).encode()
    assert len(raw) == 512 * 1024
    assert (await enqueue(house, raw, headers=headers)).status_code == 202
    for content, more in ((raw + b" ", {}), (gzip.compress(raw + b" "), {"Content-Encoding": "gzip"})):
        answer = await enqueue(house, content, headers=headers | more)
        assert (answer.status_code, answer.json()["status"]) == (413, "invalid event")
        assert "512 KiB" in answer.json()["errors"][0]
        assert ("Tocsin-Receipt" in answer.headers) is (way == "header")


async def test_gzip_is_understood_with_the_key_in_the_body(house):
    answer = await enqueue(house, gzip.compress(json.dumps(event()).encode()), headers={"Content-Encoding": "gzip"})
    assert answer.status_code == 202


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
async def test_events_are_posted(house, method):
    answer = await house.http.request(method, "/v2/enqueue")
    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")


@pytest.mark.parametrize(
    "path", ["/v2", "/v2/", "/v2/enqueue/x", "/v2/change", f"/v1/intake/{KEY}/v2/x", "/v2/ENQUEUE"]
)
async def test_other_paths_are_not_ours(house, path):
    answer = await enqueue(house, event(), path)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


async def test_what_was_kept_with_a_made_key_is_replayed_under_it(house):
    answer = await enqueue(house, event(dedup_key=None, payload=PAYLOAD | {"severity": "fatal"}))
    assert answer.status_code == 400
    [kept] = await house.rows("SELECT id, headers FROM quarantine")
    fixed = json.dumps(event(dedup_key=None)).encode()
    await house.execute("UPDATE quarantine SET body = :body WHERE id = :id", body=fixed, id=kept.id)
    done = await house.http.post(f"/api/v1/quarantine/{kept.id}/replay", headers=house.as_person("cara"))
    assert done.json()["events"] == {"opened": 1}
    assert await house.one("SELECT dedup_key FROM alerts") == kept.headers[":request"]


async def test_what_is_kept_does_not_show_the_routing_key(house):
    told = {"inner": f'"routing_key": "{KEY[::-1]}"', "routing_key": "of somebody else"}
    raw = json.dumps(event(payload={"summary": told})).replace('"routing_key": ', '"routing_key"\t:\n ')
    assert (await enqueue(house, raw.encode())).status_code == 400
    [kept] = await house.rows("SELECT body FROM quarantine")
    assert json.loads(kept.body) == event(
        routing_key="[hidden]", payload={"summary": told | {"routing_key": "[hidden]"}}
    )


# -- change events


CHANGE = {
    "routing_key": KEY,
    "payload": {"summary": "Build Success", "source": "ci", "timestamp": "2026-11-20T08:42:58.315+0000",
                "custom_details": {"build_number": "220"}},
    "links": [{"href": "https://ci.example.org/220", "text": "build"}],
}  # fmt: skip


def a_change(summary: str = "Build Success", **payload: Any) -> dict[str, Any]:
    told = {"summary": summary, "source": "ci"} | payload
    return {"routing_key": KEY, "payload": told, "links": CHANGE["links"]}


async def test_a_change_is_kept_with_a_receipt(house):
    answer = await enqueue(house, CHANGE, "/v2/change/enqueue")
    assert (answer.status_code, answer.json()) == (202, {"status": "success", "message": "Change event processed"})
    receipt = await house.receipt(answer.headers["Tocsin-Receipt"], KEY)
    assert (receipt["status"], receipt["events"]) == (202, [{"index": 0, "outcome": "change", "alert": None}])
    listed = (await house.http.get("/api/v1/changes?service=checkout", headers=house.as_person("ana"))).json()
    [change] = listed["items"]
    assert UUID(change.pop("id")).version == 7
    assert change == {
        "at": "2026-11-20T08:42:58.315000Z",
        "service": "checkout",
        "integration": "checkout-pagerduty",
        "summary": "Build Success",
        "source": "ci",
        "links": [["https://ci.example.org/220", "build"]],
        "details": {"custom_details": {"build_number": "220"}},
        "receipt_id": receipt["id"],
    }
    assert await house.one("SELECT count(*) FROM alerts") == 0


async def test_a_change_without_a_summary_is_refused(house):
    answer = await enqueue(house, {"routing_key": KEY, "payload": {"source": "ci"}}, "/v2/change/enqueue")
    said = {"status": "invalid event", "message": "Event object is invalid"}
    assert (answer.status_code, answer.json()) == (400, said | {"errors": ["'payload.summary' is missing or blank"]})
    assert (await house.receipt(answer.headers["Tocsin-Receipt"], KEY))["status"] == 400
    assert await house.one("SELECT count(*) FROM changes") == 0
    assert await house.one("SELECT kind FROM quarantine") == "body"


async def test_changes_are_listed_newest_first_by_cursor(house):
    for n in range(5):
        await enqueue(house, a_change(f"Release {n}"), f"/v1/intake/{KEY}/v2/change/enqueue")
    as_ana, found, address = house.as_person("ana"), [], "/api/v1/changes?limit=2"
    following: str | None = ""
    while following is not None:
        slice_ = (await house.http.get(address + (f"&cursor={following}" if following else ""), headers=as_ana)).json()
        found += [change["summary"] for change in slice_["items"]]
        following = slice_["next"]
    assert found == [f"Release {n}" for n in (4, 3, 2, 1, 0)]
    assert (await house.http.get("/api/v1/changes?service=nothing", headers=as_ana)).json()["items"] == []
    assert (await house.http.get("/api/v1/changes?service=Not%20a%20key", headers=as_ana)).status_code == 422
    assert (await house.http.get("/api/v1/changes", headers=bearer(KEY))).status_code == 401


async def test_what_was_changed_in_the_day_before_is_shown_beside_the_incident(house):
    now: datetime = await house.one("SELECT tocsin_now()")
    for hours, summary in ((25, "too long ago"), (23, "yesterday"), (1, "an hour ago")):
        at = (now - timedelta(hours=hours)).isoformat()
        await enqueue(house, a_change(summary, timestamp=at), "/v2/change/enqueue")
    await house.execute(
        """INSERT INTO changes SELECT gen_random_uuid(), receipt_id, integration_id, service_id + 1000, at,
           'of another service', source, links, details FROM changes WHERE summary = 'an hour ago'"""
    )
    await enqueue(house, event())
    await enqueue(house, a_change("afterwards"), "/v2/change/enqueue")
    number = await house.one("SELECT number FROM incidents")
    path = f"/api/v1/incidents/{number}/changes"
    first = (await house.http.get(f"{path}?limit=2", headers=house.as_person("ana"))).json()
    second = (await house.http.get(f"{path}?cursor={first['next']}", headers=house.as_person("ana"))).json()
    assert [(c["summary"], c["since_opened"]) for c in first["items"] + second["items"]] == [
        ("afterwards", True), ("an hour ago", False), ("yesterday", False),
    ]  # fmt: skip
    assert second["next"] is None
    assert (await house.http.get(f"{path[:-8]}9/changes", headers=house.as_person("ana"))).status_code == 404
    screen = await house.http.get(f"/incidents/{number}", headers=house.as_person("ana"))
    assert screen.status_code == 200
    shown = {s: s in screen.text for s in ("an hour ago", "yesterday", "too long ago", "afterwards")}
    assert shown == {"an hour ago": True, "yesterday": True, "too long ago": False, "afterwards": True}
    assert screen.text.count("while this was open") == 1
    assert 'href="https://ci.example.org/220"' in screen.text

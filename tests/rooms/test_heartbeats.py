"""Heartbeats over HTTP: pings as healthchecks' clients send them, hostile ones too; the API; apply and export."""

from __future__ import annotations

import asyncio
import io
import json
import random
import string
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio
from whole import Whole, shared

from app import logs

pytestmark = pytest.mark.asyncio(loop_scope="module")

BACKUP = {"key": "backup", "name": "Backup", "integration": "beats", "interval_s": 300, "grace_s": 60}


@pytest_asyncio.fixture(loop_scope="module")
async def beats(house: Whole) -> Whole:
    """With an integration for heartbeats, whose routing key is `ping_key`, and nothing expected."""
    await house.execute("DELETE FROM heartbeats")
    await house.execute("DELETE FROM integrations WHERE key = 'beats'")
    house.http.headers["Authorization"] = "Bearer tocsin_cara"
    made = await house.http.post(
        "/api/v1/integrations",
        json={"key": "beats", "name": "Beats", "source": "heartbeat", "service": "checkout"},
    )
    assert made.status_code == 201, made.text
    house.ping_key = made.json()["routing_key"]  # type: ignore[attr-defined]
    return house


async def create(house: Whole, **members: Any) -> tuple[dict[str, Any], str]:
    """What is answered, and the path to ping."""
    made = await house.http.post("/api/v1/heartbeats", json=BACKUP | members)
    assert made.status_code == 201, made.text
    return made.json(), httpx.URL(made.json()["ping_url"]).path


async def read(house: Whole, key: str = "backup") -> dict[str, Any]:
    answer = await house.http.get(f"/api/v1/heartbeats/{key}")
    assert answer.status_code == 200, answer.text
    return answer.json()


async def pings(house: Whole, key: str = "backup") -> list[dict[str, Any]]:
    return (await house.http.get(f"/api/v1/heartbeats/{key}/pings")).json()["items"]


async def test_a_ping_is_answered_as_its_clients_expect(beats):
    made, path = await create(beats)
    assert (made["state"], made["due_at"], len(path.removeprefix("/ping/"))) == ("new", None, 22)
    for method in ("GET", "POST", "HEAD"):
        answer = await beats.http.request(method, path, headers={"Authorization": ""})
        assert (answer.status_code, answer.text) == (200, "" if method == "HEAD" else "OK")
        assert answer.headers["content-type"].startswith("text/plain")
        assert answer.headers["ping-body-limit"] == "10000"
        assert answer.headers["access-control-allow-origin"] == "*"
    now = await read(beats)
    assert (now["state"], now["last_kind"], now["version"]) == ("up", "success", 1)
    assert [p["kind"] for p in await pings(beats)] == ["success"] * 3
    assert (await beats.http.put(path)).status_code == 405


async def test_starts_failures_logs_exit_statuses_and_runs(beats):
    _, path = await create(beats)
    run = str(uuid4())
    for suffix, kind in (("/start", "start"), ("/log", "log"), ("/0", "success"), ("/7", "fail"), ("/fail", "fail")):
        assert (await beats.http.post(f"{path}{suffix}?rid={run}", content=f"said {kind}")).text == "OK"
    found = await pings(beats)
    assert [(p["kind"], p["exit_status"], p["body"]) for p in found] == [
        ("fail", None, "said fail"),
        ("fail", 7, "said fail"),
        ("success", 0, "said success"),
        ("log", None, "said log"),
        ("start", None, "said start"),
    ]
    assert {p["run"] for p in found} == {run}
    assert [p["duration_ms"] is not None for p in found] == [False, False, True, False, False]
    now = await read(beats)
    assert (now["state"], now["down_because"], now["running"]) == ("down", "it ended with exit status 7", False)
    assert await beats.one("SELECT due_at <= tocsin_now() FROM heartbeats"), "the worker is to tell"


async def test_by_key_under_a_ping_key(beats):
    await create(beats)
    await create(beats, key="start")
    key = beats.ping_key
    assert (await beats.http.get(f"/ping/{key}/backup")).text == "OK"
    assert (await beats.http.get(f"/ping/{key}/backup/3")).text == "OK"
    assert (await beats.http.get(f"/ping/{key}/start")).text == "OK", "what looks like a kind is a key here"
    assert [p["exit_status"] for p in await pings(beats)] == [3, None]
    assert (await read(beats, "start"))["last_kind"] == "success"
    for path in (f"{key}/none", f"{key[::-1]}/backup", f"{key}/BACKUP", f"{key}/b%00"):
        assert (await beats.http.get(f"/ping/{path}")).status_code == 404, path
    other = await beats.http.get(f"/ping/{key}/backup/start/now")
    assert (other.status_code, other.text) == (400, "invalid url format")
    disabled = {"name": "Beats", "service": "checkout", "enabled": False}
    assert (await beats.http.put("/api/v1/integrations/beats", json=disabled)).status_code == 200
    assert (await beats.http.get(f"/ping/{key}/backup")).status_code == 404
    told = await beats.http.post(f"/v1/intake/{key}/alertmanager", json={})
    assert (told.status_code, told.json()["code"]) == (403, "wrong_source")


async def test_what_cannot_be_right(beats):
    _, path = await create(beats)
    token = path.removeprefix("/ping/")
    for wrong in ("/256", "/1000", "/-1", "/٣", "/stop", "/", "/start/", "/start/now", "?rid=7", "/start?rid=../x"):
        answer = await beats.http.get(f"{path}{wrong}")
        assert (answer.status_code, answer.text) == (400, "invalid url format"), wrong
    for unknown in (token[::-1], token[:-1], token + "A", "", "x", "%00" * 22, "🔔" * 22, "A" * 5_000):
        answer = await beats.http.get(f"/ping/{unknown}")
        assert (answer.status_code, answer.text) == (404, "not found"), unknown
    assert (await read(beats))["last_ping_at"] is None


async def test_random_pings_are_never_an_error_of_ours(beats):
    _, path = await create(beats)
    dice = random.Random(7)
    alphabet = string.printable + "é🔔\x00%/?&#"
    for _ in range(150):
        tail = "".join(dice.choice(alphabet) for _ in range(dice.randrange(1, 40)))
        start = dice.choice([path, f"/ping/{beats.ping_key}", "/ping"])
        body = dice.randbytes(dice.randrange(0, 300))
        answer = await beats.http.post(f"{start}/{quote(tail)}?rid={quote(tail[:9])}", content=body)
        assert answer.status_code < 500, (start, tail)


async def test_bodies_are_kept_up_to_a_limit_and_never_refused(beats):
    _, path = await create(beats)
    for body in (b"x" * 3_000_000, b"\xff\x00\xfe", b"", "grün\x00".encode()):
        assert (await beats.http.post(path, content=body)).text == "OK"
    found = (await pings(beats))[::-1]
    assert [(p["encoding"], len(p["body"] or "")) for p in found] == [
        ("utf-8", 10_000),
        ("base64", 4),
        (None, 0),
        ("utf-8", 5),
    ]


async def test_the_newest_pings_are_kept(beats):
    _, path = await create(beats)
    for n in range(105):
        assert (await beats.http.post(path, content=str(n))).text == "OK"
    assert await beats.one("SELECT count(*) FROM heartbeat_pings") == 100
    page = (await beats.http.get("/api/v1/heartbeats/backup/pings", params={"limit": 60})).json()
    rest = await beats.http.get("/api/v1/heartbeats/backup/pings", params={"limit": 60, "cursor": page["next"]})
    bodies = [p["body"] for p in page["items"] + rest.json()["items"]]
    assert bodies == [str(n) for n in range(104, 4, -1)]


async def test_pings_at_once_are_all_counted(beats):
    _, path = await create(beats)
    answers = await asyncio.gather(*(beats.http.get(path) for _ in range(20)))
    assert {a.text for a in answers} == {"OK"}
    assert len(await pings(beats)) == 20


async def test_tokens_are_shown_once_and_rotated(beats):
    headers = {"Idempotency-Key": "h"}
    made = await beats.http.post("/api/v1/heartbeats", json=BACKUP, headers=headers)
    path = httpx.URL(made.json()["ping_url"]).path
    again = await beats.http.post("/api/v1/heartbeats", json=BACKUP, headers=headers)
    assert (again.json()["ping_url"], again.headers["Idempotency-Replayed"]) == (None, "true")
    token = path.removeprefix("/ping/")
    assert (await read(beats))["token_hint"] == token[-4:]
    kept = await beats.rows(
        """SELECT to_jsonb(h)::text FROM heartbeats h UNION ALL SELECT to_jsonb(a)::text FROM audit_records a
           UNION ALL SELECT convert_from(body, 'UTF8') FROM idempotency_keys"""
    )
    assert not [row for (row,) in kept if token in row]
    rotated = await beats.http.post("/api/v1/heartbeats/backup/rotate")
    assert (rotated.status_code, rotated.json()["version"]) == (201, 2)
    assert (await beats.http.get(path)).status_code == 404
    assert (await beats.http.get(httpx.URL(rotated.json()["ping_url"]).path)).text == "OK"


async def test_a_heartbeat_over_its_life(beats):
    made, path = await create(beats, fed_by={"integration": "checkout-prometheus"})
    assert (made["service"], made["severity"], made["fed_by"]["matchers"]) == (
        "checkout",
        "error",
        'alertname="Watchdog"',
    )
    assert (await beats.http.post("/api/v1/heartbeats", json=BACKUP)).json()["code"] == "key_taken"
    await beats.http.get(path)
    edit = {"name": "Nightly", "cron": "30 2 * * *", "time_zone": "Europe/Berlin", "severity": "critical"}
    edited = await beats.http.put("/api/v1/heartbeats/backup", json=edit, headers={"If-Match": made["version"] * '"1"'})
    assert (edited.status_code, edited.headers["etag"]) == (200, '"2"')
    assert edited.json()["expected_at"].endswith(("T00:30:00Z", "T01:30:00Z")), "02:30 in Berlin"
    assert (edited.json()["state"], edited.json()["interval_s"], edited.json()["fed_by"]) == ("up", None, None)
    outdated = await beats.http.put("/api/v1/heartbeats/backup", json=edit, headers={"If-Match": '"1"'})
    assert outdated.status_code == 412
    paused = await beats.http.post("/api/v1/heartbeats/backup/pause")
    assert (paused.json()["state"], paused.json()["due_at"]) == ("paused", None)
    assert (await beats.http.post("/api/v1/heartbeats/backup/pause")).json()["version"] == paused.json()["version"]
    assert (await beats.http.get(path)).text == "OK"
    assert (await read(beats))["state"] == "paused"
    assert (await beats.http.post("/api/v1/heartbeats/backup/resume")).json()["state"] == "up"
    in_use = await beats.http.delete("/api/v1/integrations/beats")
    assert (in_use.status_code, in_use.json()["used_by"]) == (409, [{"type": "heartbeat", "key": "backup"}])
    assert (await beats.http.delete("/api/v1/heartbeats/backup")).status_code == 204
    assert (await beats.http.get("/api/v1/heartbeats/backup")).status_code == 404
    trail = (await beats.http.get("/api/v1/audit", params={"entity": "heartbeat", "limit": 5})).json()["items"]
    assert [r["action"].partition(".")[2] for r in trail] == ["deleted", "resumed", "paused", "edited", "created"]


@pytest.mark.parametrize(
    ("members", "field"),
    [
        ({"interval_s": None}, ""),
        ({"cron": "0 2 * * *", "time_zone": "UTC"}, ""),
        ({"interval_s": None, "cron": "0 2 * * *"}, ""),
        ({"interval_s": None, "cron": "0 2 31 2 *", "time_zone": "UTC"}, "cron"),
        ({"interval_s": None, "cron": "0 25 * * *", "time_zone": "UTC"}, "cron"),
        ({"interval_s": None, "cron": "0 2 * * *", "time_zone": "Berlin"}, "time_zone"),
        ({"interval_s": 0}, "interval_s"),
        ({"interval_s": "300"}, "interval_s"),
        ({"grace_s": -1}, "grace_s"),
        ({"severity": "none"}, "severity"),
        ({"key": "Backup"}, "key"),
        ({"name": " "}, "name"),
        ({"integration": "nothing"}, "integration"),
        ({"integration": "checkout-generic"}, "integration"),
        ({"fed_by": {"integration": "nothing"}}, "fed_by.integration"),
        ({"fed_by": {"integration": "beats"}}, "fed_by.integration"),
        ({"fed_by": {"integration": "checkout-prometheus", "matchers": "alertname="}}, None),
        ({"fed_by": {"integration": "checkout-prometheus", "matchers": "{"}}, "fed_by.matchers"),
        ({"fed_by": {"integration": "checkout-prometheus", "matchers": 'a=~"("'}}, "fed_by.matchers"),
        ({"nonsense": 1}, "nonsense"),
    ],
)
async def test_what_a_heartbeat_cannot_be(beats, members, field):
    answer = await beats.http.post("/api/v1/heartbeats", json=BACKUP | members)
    if field is None:
        assert answer.status_code == 201
        return
    assert answer.status_code == 422, answer.text
    assert [e["field"] for e in answer.json()["errors"]] == [field]


async def test_managers_edit_those_of_their_teams(beats):
    await create(beats)
    as_dan, as_ben = (beats.as_person(person) for person in ("dan", "ben"))
    assert (await beats.http.get("/api/v1/heartbeats", headers=as_dan)).status_code == 200
    assert (await beats.http.post("/api/v1/heartbeats/backup/pause", headers=as_dan)).status_code == 403
    assert (await beats.http.post("/api/v1/heartbeats/backup/pause", headers=as_ben)).status_code == 200
    await beats.execute("UPDATE services SET team_id = NULL")
    refused = await beats.http.delete("/api/v1/heartbeats/backup", headers=as_ben)
    assert (refused.status_code, refused.json()["code"]) == (403, "not_your_team")


async def test_lists_by_cursor(beats):
    for key in ("a", "b", "c"):
        await create(beats, key=key)
    page = (await beats.http.get("/api/v1/heartbeats", params={"limit": 2, "service": "checkout"})).json()
    rest = (await beats.http.get("/api/v1/heartbeats", params={"cursor": page["next"]})).json()
    assert [[h["key"] for h in items["items"]] for items in (page, rest)] == [["a", "b"], ["c"]]
    assert (await beats.http.get("/api/v1/heartbeats", params={"service": "other"})).json()["items"] == []


async def test_applied_exported_and_pruned(beats):
    document = {"format": 1, "heartbeats": [BACKUP | {"fed_by": {"integration": "checkout-prometheus"}}]}
    applied = await beats.http.post("/api/v1/configuration/apply", json=document)
    assert applied.status_code == 200, applied.text
    token = applied.json()["ping_tokens"]["backup"]
    assert (await beats.http.get(f"/ping/{token}")).text == "OK"
    exported = (await beats.http.get("/api/v1/configuration/export")).json()
    assert token not in json.dumps(exported)
    assert (
        exported["heartbeats"]
        == [BACKUP | {"fed_by": {"integration": "checkout-prometheus", "matchers": 'alertname="Watchdog"'}}]
        or exported["heartbeats"] == document["heartbeats"]
    )
    again = await beats.http.post("/api/v1/configuration/apply", json=exported)
    assert (again.json()["changes"], again.json()["ping_tokens"]) == ([], {})
    moved = {"format": 1, "heartbeats": [BACKUP | {"integration": "checkout-generic"}]}
    refused = await beats.http.post("/api/v1/configuration/plan", json=moved)
    assert refused.json()["errors"][0]["field"] == "heartbeats[0].integration"
    gone = await beats.http.post(
        "/api/v1/configuration/apply", json={"format": 1, "heartbeats": []}, params={"prune": True}
    )
    assert [(c["action"], c["key"]) for c in gone.json()["changes"]] == [("delete", "backup")]


async def test_the_screen_says_how_they_are(beats):
    empty = await beats.http.get("/heartbeats")
    assert (empty.status_code, "No heartbeats yet" in empty.text) == (200, True)
    _, path = await create(beats, name="Back<up>")
    await create(beats, key="second", interval_s=None, cron="30 2 * * *", time_zone="Europe/Berlin")
    await beats.http.get(f"{path}/9")
    shown = (await beats.http.get("/heartbeats")).text
    assert "Down: Back&lt;up&gt;." in shown
    assert "it ended with exit status 9" in shown
    assert "expected by 30 2 * * * (Europe/Berlin)" in shown
    first = await beats.http.get("/heartbeats", params={"limit": 1})
    assert ("second" not in first.text, 'rel="next"' in first.text) == (True, True)


async def test_tokens_are_in_no_log_line(server, tmp_path):
    written = io.StringIO()
    logs.configure("debug", written)
    try:
        async with shared(server, tmp_path) as house:
            token = "Ab3" + "x" * 18 + "Z"
            for path in (token, f"{token}/start", f"{token}/fail/now", f"{token}{token[:10]}/backup", f"{token}?rid=1"):
                await house.http.get(f"/ping/{path}")
            await house.execute("ALTER TABLE heartbeats RENAME TO elsewhere")
            assert (await house.http.get(f"/ping/{token}")).status_code == 500
    finally:
        logs.configure("info")
    assert written.getvalue().count("/ping/") >= 6
    assert token not in written.getvalue()

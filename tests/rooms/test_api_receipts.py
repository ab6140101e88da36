"""`/receipts` and `/quarantine` over HTTP: what became of every request, and what people do with what was kept."""

from __future__ import annotations

import json
from base64 import b64decode
from typing import Any
from uuid import uuid4

import pytest
from bodies import bearer, body_of
from whole import Whole, routing_key

pytestmark = pytest.mark.asyncio(loop_scope="module")

QUARANTINE = "/api/v1/quarantine"


async def ask(house: Whole, path: str, who: str = "cara", status: int = 200, method: str = "GET", **query: Any) -> Any:
    answer = await house.http.request(method, f"/api/v1{path}", params=query, headers=house.as_person(who))
    assert answer.status_code == status, answer.text
    return answer.json() if answer.content else None


async def kept(house: Whole, **query: Any) -> list[dict[str, Any]]:
    return list((await ask(house, "/quarantine", **query))["items"])


async def test_a_receipt_tells_of_each_event_what_became_of_it(house):
    body = body_of("alertmanager", "First")
    body["alerts"] += body_of("alertmanager", "Second")["alerts"] + [{"labels": 5}]
    sent = await house.post("alertmanager", body)
    told = await ask(house, f"/receipts/{sent.json()['receipt']}", who="ana")
    assert (told["integration"], told["source"]) == ("checkout-alertmanager", "alertmanager")
    assert (told["status"], told["size"]) == (202, len(json.dumps(body, separators=(",", ":")).encode()))
    assert [(e["index"], e["outcome"]) for e in told["events"]] == [(0, "opened"), (1, "opened"), (2, "quarantined")]
    alerts = {str(r.id) for r in await house.rows("SELECT id FROM alerts")}
    assert {told["events"][0]["alert"], told["events"][1]["alert"]} == alerts


async def test_a_routing_key_reads_its_own_receipts_and_nothing_else(house):
    sent = await house.post("generic", body_of("generic"))
    path = f"/api/v1/receipts/{sent.json()['receipt']}"
    assert (await house.http.get(path, headers=bearer(routing_key("generic")))).status_code == 200
    other = await house.http.get(path, headers=bearer(routing_key("grafana")))
    assert (other.status_code, other.json()["code"]) == (404, "not_found")
    assert (await house.http.get(path, headers=bearer("nobody"))).status_code == 401
    assert (await house.http.get(path)).status_code == 401
    for elsewhere in ("/quarantine", "/incidents", "/services", "/users"):
        answer = await house.http.get(f"/api/v1{elsewhere}", headers=bearer(routing_key("generic")))
        assert answer.status_code == 401, elsewhere


async def test_a_rotated_key_reads_what_its_predecessor_sent_and_an_expired_one_nothing(house):
    sent = await house.post("generic", body_of("generic"))
    path = f"/api/v1/receipts/{sent.json()['receipt']}"
    await house.execute(
        """INSERT INTO routing_keys (integration_id, key_hash, hint, created_at, expires_at)
           SELECT id, sha256('newer'), 'ewer', tocsin_now(), NULL FROM integrations WHERE source = 'generic'
           UNION ALL SELECT id, sha256('expired'), 'ired', tocsin_now(), tocsin_now() FROM integrations
           WHERE source = 'generic'"""
    )
    assert (await house.http.get(path, headers=bearer("newer"))).status_code == 200
    assert (await house.http.get(path, headers=bearer("expired"))).status_code == 401


async def test_there_is_no_such_receipt(house):
    assert (await ask(house, f"/receipts/{uuid4()}", status=404))["code"] == "not_found"
    await ask(house, "/receipts/nonsense", status=422)
    assert (
        await house.http.get(f"/api/v1/receipts/{uuid4()}", headers=bearer(routing_key("generic")))
    ).status_code == 404


async def test_the_quarantine_is_listed_newest_first_and_filtered(house):
    await house.post("generic", b"{one")
    await house.post("grafana", b"{two")
    await house.post("generic", b"{one")
    assert [(k["integration"], k["count"], k["kind"]) for k in await kept(house)] == [
        ("checkout-grafana", 1, "body"),
        ("checkout-generic", 2, "body"),
    ]
    assert [k["integration"] for k in await kept(house, integration="checkout-generic")] == ["checkout-generic"]
    assert await kept(house, integration="checkout-prometheus") == []
    assert await kept(house, state="replayed") == []
    assert len(await kept(house, state="all")) == 2
    first = await ask(house, "/quarantine", limit=1)
    second = await ask(house, "/quarantine", limit=1, cursor=first["next"])
    assert [first["items"][0]["source"], second["items"][0]["source"], second["next"]] == ["grafana", "generic", None]
    for query in ({"state": "lost"}, {"integration": "No such"}, {"cursor": "x"}):
        await ask(house, "/quarantine", status=422, **query)


@pytest.mark.parametrize(("body", "encoding"), [("{ünïcode".encode(), "text"), (b"\xff\x00\xfe", "base64")])
async def test_what_was_kept_is_shown_as_it_came(house, body, encoding):
    await house.post("generic", body, {"User-Agent": "a script"})
    [line] = await kept(house)
    shown = await ask(house, f"/quarantine/{line['id']}")
    assert shown["encoding"] == encoding
    assert (shown["body"].encode() if encoding == "text" else b64decode(shown["body"])) == body
    assert shown["headers"]["user-agent"] == "a script"
    assert "authorization" not in shown["headers"]
    assert {name: shown[name] for name in line} == line


async def test_an_event_that_was_refused_alone_is_kept_alone(house):
    body = body_of("alertmanager")
    body["alerts"].append({"labels": "odd", "note": "☂"})
    sent = await house.post("alertmanager", body)
    [line] = await kept(house)
    assert (line["kind"], line["receipt_id"]) == ("event", sent.json()["receipt"])
    assert json.loads((await ask(house, f"/quarantine/{line['id']}"))["body"]) == {"labels": "odd", "note": "☂"}


async def quarantine(house: Whole, kind: str, body: Any, source: str = "alertmanager") -> str:
    """Something that a version before a fix could not process."""
    quarantined = uuid4()
    await house.execute(
        """INSERT INTO quarantine (id, integration_id, kind, at, last_at, error, headers, body, body_hash)
           SELECT :id, i.id, :kind, tocsin_now(), tocsin_now(), 'a bug', '{}', :body, sha256(:body) FROM integrations i
           WHERE i.source = :source""",
        id=quarantined, kind=kind, body=json.dumps(body).encode(), source=source,
    )  # fmt: skip
    return str(quarantined)


@pytest.mark.parametrize("source", ["alertmanager", "grafana", "prometheus", "generic"])
@pytest.mark.parametrize("kind", ["body", "batch", "event"])
async def test_after_a_fix_what_was_kept_goes_along_the_road(house, kind, source):
    body = body_of(source)
    event = body[0] if isinstance(body, list) else body["alerts"][0] if "alerts" in body else body
    quarantined = await quarantine(house, kind, event if kind == "event" else body, source)
    done = await ask(house, f"/quarantine/{quarantined}/replay", method="POST")
    assert done["events"] == {"opened": 1}
    assert await house.one("SELECT state FROM incidents") == "triggered"
    assert (await ask(house, f"/receipts/{done['receipt']}"))["events"][0]["outcome"] == "opened"
    shown = await ask(house, f"/quarantine/{quarantined}")
    assert (shown["state"], shown["replay_receipt_id"]) == ("replayed", done["receipt"])
    assert await kept(house) == []
    again = await ask(house, f"/quarantine/{quarantined}/replay", method="POST", status=409)
    assert (again["code"], again["state"]) == ("not_waiting", "replayed")
    assert (await ask(house, f"/quarantine/{quarantined}/discard", method="POST", status=409))["code"] == "not_waiting"


@pytest.mark.parametrize("source", ["pagerduty", "opsgenie"])
@pytest.mark.parametrize("kind", ["body", "batch"])
async def test_what_vendors_doors_kept_goes_along_the_road(house, kind, source):
    quarantined = await quarantine(house, kind, body_of(source), source)
    done = await ask(house, f"/quarantine/{quarantined}/replay", method="POST")
    assert done["events"] == {"opened": 1}


async def test_what_still_cannot_be_processed_stays_and_counts_no_more(house):
    await house.post("generic", b"{not json")
    [line] = await kept(house)
    said = await ask(house, f"/quarantine/{line['id']}/replay", method="POST", status=409)
    assert said["code"] == "still_refused"
    assert "not JSON" in said["detail"]
    assert await kept(house) == [line]
    assert await house.one("SELECT count(*) FROM receipts") == 1


async def test_a_replayed_body_that_is_partly_valid_keeps_the_rest(house):
    body = body_of("alertmanager")
    body["alerts"].append({"labels": 5})
    quarantined = await quarantine(house, "batch", body)
    done = await ask(house, f"/quarantine/{quarantined}/replay", method="POST")
    assert done["events"] == {"opened": 1, "quarantined": 1}
    [line] = await kept(house)
    assert (line["kind"], line["receipt_id"]) == ("event", done["receipt"])


async def test_what_is_discarded_is_still_shown_and_the_same_body_is_kept_anew(house):
    await house.post("generic", b"{not json")
    [line] = await kept(house)
    await ask(house, f"/quarantine/{line['id']}/discard", method="POST", status=204)
    assert await kept(house) == []
    assert (await ask(house, f"/quarantine/{line['id']}"))["state"] == "discarded"
    assert (await ask(house, f"/quarantine/{line['id']}/replay", method="POST", status=409))["state"] == "discarded"
    await house.post("generic", b"{not json")
    assert [k["count"] for k in await kept(house)] == [1]


async def test_operators_look_managers_replay(house):
    quarantined = await quarantine(house, "batch", body_of("alertmanager"))
    await ask(house, f"/quarantine/{quarantined}", who="ana")
    for what in ("replay", "discard"):
        said = await ask(house, f"/quarantine/{quarantined}/{what}", who="ana", method="POST", status=403)
        assert said["role_needed"] == "manager"
    await ask(house, f"/quarantine/{quarantined}/replay", who="ben", method="POST")
    assert (await house.http.get(QUARANTINE)).status_code == 401


@pytest.mark.parametrize("what", ["", "/replay", "/discard"])
async def test_there_is_no_such_body(house, what):
    method = "POST" if what else "GET"
    assert (await ask(house, f"/quarantine/{uuid4()}{what}", method=method, status=404))["code"] == "not_found"
    await ask(house, f"/quarantine/nonsense{what}", method=method, status=422)

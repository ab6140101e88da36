"""What a 2xx means, and every other answer of the intake (behaviour.md 1), over real HTTP."""

from __future__ import annotations

import asyncio
import gzip
import io
import json
import zlib
from collections.abc import AsyncIterator
from hashlib import sha256
from typing import Any
from uuid import UUID

import pytest
from bodies import SOURCES, accepted, basic, bearer, body_of, limit
from whole import routing_key, shared

from app import logs, metrics

pytestmark = pytest.mark.asyncio(loop_scope="module")


# -- 2xx


@pytest.mark.parametrize("source", SOURCES)
async def test_2xx_means_alert_and_incident_are_stored(house, source):
    answer = await house.post(source, body_of(source))
    assert answer.status_code == accepted(source)
    assert await house.one("SELECT state FROM alerts") == "firing"
    assert await house.one("SELECT state FROM incidents") == "triggered"
    assert await house.one("SELECT count(*) FROM ladders WHERE next_step_at IS NOT NULL") == 1
    told = await house.receipt(answer.headers["Tocsin-Receipt"], routing_key(source))
    assert (told["status"], told["source"], told["error"]) == (accepted(source), source, None)
    assert [e["outcome"] for e in told["events"]] == ["opened"]


async def test_the_answer_is_small_json_with_the_receipt(house):
    answer = await house.post("alertmanager", body_of("alertmanager"))
    said = answer.json()
    assert said == {"receipt": answer.headers["Tocsin-Receipt"], "status": 202, "events": {"opened": 1}}
    assert UUID(said["receipt"]).version == 7
    assert len(answer.content) < 300
    assert answer.headers["Cache-Control"] == "no-store"


async def test_prometheus_is_answered_as_alertmanager_answers(house):
    answer = await house.http.post(
        "/api/v2/alerts", json=body_of("prometheus"), headers=bearer(routing_key("prometheus"))
    )
    assert (answer.status_code, answer.content) == (200, b"")


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/v1/intake/{key}/prometheus", {}),
        ("/v1/intake/{key}/api/v2/alerts", {}),
        ("/v1/intake/{key}/api/v1/alerts", {}),
        ("/v1/intake/prometheus", "bearer"),
        ("/v1/intake/prometheus/", "basic"),
        ("/api/v2/alerts", "bearer"),
        ("/api/v2/alerts", "basic"),
        ("/api/v1/alerts", "bearer"),
    ],
)
async def test_the_key_comes_in_the_path_as_bearer_or_as_password(house, path, headers):
    key = routing_key("prometheus")
    given = {"bearer": bearer(key), "basic": basic("whoever", key)}.get(headers or "", {})
    answer = await house.http.post(path.format(key=key), json=body_of("prometheus"), headers=given)
    assert answer.status_code == 200


async def test_bearer_is_a_word_in_any_case_and_unicode_user_names_do_not_matter(house):
    key = routing_key("generic")
    for given in ({"Authorization": f"bearer {key}"}, {"Authorization": f"BEARER  {key}"}, basic("näme:☂"[:4], key)):
        answer = await house.http.post("/v1/intake/generic", json=body_of("generic"), headers=given)
        assert answer.status_code == 202, given


async def test_repeats_are_counted_in_their_receipt_and_on_the_alert(house):
    first, second = [await house.post("alertmanager", body_of("alertmanager")) for _ in range(2)]
    assert (first.json()["events"], second.json()["events"]) == ({"opened": 1}, {"repeated": 1})
    assert await house.one("SELECT events FROM alerts") == 2
    assert await house.one("SELECT count(*) FROM events") == 1


async def test_what_no_rule_matches_and_has_no_policy_is_accepted_all_the_same(house):
    await house.execute("UPDATE services SET policy_id = NULL, team_id = NULL")
    answer = await house.post("generic", {"title": "something", "dedup_key": "disk/db-1"})
    assert (answer.status_code, answer.json()["events"]) == (202, {"opened": 1})
    assert await house.one("SELECT count(*) FROM incidents") == 1


async def test_many_senders_at_once_share_commits_and_nothing_is_lost(house):
    bodies = [body_of("alertmanager", f"Alert{n % 40}") for n in range(200)]
    answers = await asyncio.gather(*(house.post("alertmanager", b) for b in bodies))
    assert {a.status_code for a in answers} == {202}
    assert await house.one("SELECT count(*) FROM receipts") == 200
    assert await house.one("SELECT sum(events) FROM alerts") == 200
    assert await house.one("SELECT count(*) FROM alerts") == 40
    assert await house.one("SELECT count(DISTINCT xmin::text) FROM receipts") < 200


# -- partly valid


async def test_in_a_partly_valid_body_the_refused_event_is_quarantined_alone(house):
    body = body_of("alertmanager")
    body["alerts"].insert(0, {"status": "firing", "labels": "not an object"})
    answer = await house.post("alertmanager", body)
    assert answer.status_code == 202
    said = answer.json()
    assert said["events"] == {"quarantined": 1, "opened": 1}
    assert len(said["refused"]) == 1
    [kept] = await house.rows("SELECT kind, state, error, receipt_id, body FROM quarantine")
    assert (kept.kind, kept.state, str(kept.receipt_id)) == ("event", "waiting", said["receipt"])
    assert json.loads(kept.body) == body["alerts"][0]
    told = await house.receipt(said["receipt"], routing_key("alertmanager"))
    assert told["error"] == f"event 0: {kept.error}", "whoever sent it may know why"
    assert [(e["index"], e["outcome"], e["alert"] is None) for e in told["events"]] == [
        (0, "quarantined", True),
        (1, "opened", False),
    ]


async def test_prometheus_gets_400_with_the_valid_alerts_stored(house):
    body = [{"labels": {}}, *body_of("prometheus")]
    answer = await house.post("prometheus", body)
    assert answer.status_code == 400
    assert answer.json() == "at least one label pair required"
    assert await house.one("SELECT state FROM alerts") == "firing"
    told = await house.receipt(answer.headers["Tocsin-Receipt"], routing_key("prometheus"))
    assert (told["status"], [e["outcome"] for e in told["events"]]) == (400, ["quarantined", "opened"])
    assert await house.one("SELECT kind FROM quarantine") == "event"


# -- 400


@pytest.mark.parametrize("source", SOURCES)
async def test_a_body_that_cannot_be_parsed_is_kept_once_and_counted(house, source):
    answers = [await house.post(source, b"{not json") for _ in range(3)]
    assert {a.status_code for a in answers} == {400}
    if source == "prometheus":  # as Alertmanager's own API answers
        assert {a.json()["code"] for a in answers} == {400}
        assert all(a.json()["message"].startswith('parsing alerts body from "" failed') for a in answers)
    else:
        assert {a.headers["Content-Type"] for a in answers} == {"application/problem+json"}
        assert {a.json()["code"] for a in answers} == {"unparsable"}
        assert all(a.json()["receipt"] == a.headers["Tocsin-Receipt"] for a in answers)
    assert "not JSON" in answers[0].text
    [kept] = await house.rows("SELECT kind, count, body, body_hash, receipt_id, last_at > at AS later FROM quarantine")
    assert (kept.kind, kept.count, kept.body, kept.later) == ("body", 3, b"{not json", True)
    assert kept.body_hash == sha256(b"{not json").digest()
    assert str(kept.receipt_id) == answers[-1].headers["Tocsin-Receipt"]
    assert len({a.headers["Tocsin-Receipt"] for a in answers}) == 3
    told = await house.receipt(answers[0].headers["Tocsin-Receipt"], routing_key(source))
    assert (told["status"], told["events"]) == (400, [])
    assert "not JSON" in told["error"]


async def test_other_bodies_and_other_integrations_are_kept_by_themselves(house):
    for source in ("alertmanager", "generic"):
        for body in (b"{", b"["):
            assert (await house.post(source, body)).status_code == 400
    assert await house.rows("SELECT count FROM quarantine") == [(1,)] * 4


# -- 401, 403, 404, 405


@pytest.mark.parametrize(
    "headers",
    [
        {},
        bearer("nobody"),
        basic("tocsin", "nobody"),
        basic("", ""),
        *(
            {"Authorization": value}
            for value in ("", "Bearer", "Digest x", "Basic !!", "Basic //46eA==", b"Basic \xff", b"Bearer \xff")
        ),
    ],
)
@pytest.mark.parametrize("path", ["/v1/intake/generic", "/api/v2/alerts"])
async def test_without_a_key_that_counts_nothing_is_read(house, path, headers):
    answer = await house.http.post(path, json=body_of("generic"), headers=headers)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["code"] == "unauthenticated"
    assert "Tocsin-Receipt" not in answer.headers
    assert await house.one("SELECT count(*) FROM receipts") == 0


async def test_an_api_key_is_no_routing_key(house):
    answer = await house.http.post("/v1/intake/generic", json={}, headers=house.as_person("cara"))
    assert answer.status_code == 401


async def test_the_key_in_the_path_counts_not_the_header(house):
    path = f"/v1/intake/nobody{'x' * 20}/generic"
    assert (await house.http.post(path, json={}, headers=bearer(routing_key("generic")))).status_code == 401


@pytest.mark.parametrize("source", SOURCES)
async def test_a_key_opens_the_path_of_its_own_source_only(house, source):
    other = next(s for s in SOURCES if s != source)
    answer = await house.post(source, body_of(source), key=routing_key(other))
    assert (answer.status_code, answer.json()["code"]) == (403, "wrong_source")
    told = await house.receipt(answer.headers["Tocsin-Receipt"], routing_key(other))
    assert (told["status"], told["source"], told["events"]) == (403, other, [])
    assert await house.one("SELECT count(*) FROM alerts") == 0
    assert await house.one("SELECT count(*) FROM quarantine") == 0


async def test_a_disabled_integration_takes_nothing(house):
    """From two seconds after somebody disabled it (`Entrances`)."""
    await house.execute("UPDATE integrations SET enabled = false WHERE source = 'generic'")
    async with asyncio.timeout(5):
        while (answer := await house.post("generic", body_of("generic"))).status_code == 202:
            pass
    assert (answer.status_code, answer.json()["code"]) == (403, "disabled")
    assert answer.headers["Tocsin-Receipt"] == answer.json()["receipt"]
    await house.execute("UPDATE integrations SET enabled = true WHERE source = 'generic'")
    async with asyncio.timeout(5):
        while (await house.post("generic", body_of("generic"))).status_code != 202:
            pass


async def test_an_unknown_source_is_404_with_a_receipt_for_whom_we_know(house):
    answer = await house.http.post(f"/v1/intake/{routing_key('generic')}/smoke", json={})
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert "generic" in answer.json()["detail"]
    told = await house.receipt(answer.headers["Tocsin-Receipt"], routing_key("generic"))
    assert told["status"] == 404
    assert (await house.http.post("/v1/intake/smoke", json={})).status_code == 401


@pytest.mark.parametrize(
    "path", ["/v1/intake", "/v1/intake/", "/v1/intake/a/b/c", "/v1/intake/k/Generic", "/v1/intak", "/v1"]
)
async def test_other_paths_are_404(house, path):
    answer = await house.http.post(path, json={}, headers=bearer(routing_key("generic")))
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS"])
@pytest.mark.parametrize("path", ["/v1/intake/generic", "/v1/intake/{key}/generic"])
async def test_alerts_are_sent_with_post(house, method, path):
    answer = await house.http.request(method, path.format(key=routing_key("generic")))
    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")
    assert (answer.content == b"") == (method == "HEAD")


@pytest.mark.parametrize(("method", "status"), [("GET", 200), ("PUT", 405), ("DELETE", 405), ("PATCH", 405)])
async def test_where_alertmanager_lists_alerts_so_do_we(house, method, status):
    answer = await house.http.request(method, f"/v1/intake/{routing_key('prometheus')}/api/v2/alerts")
    assert answer.status_code == status
    assert answer.headers.get("Allow") == ("GET,POST" if status == 405 else None)


# -- 413, 415, gzip


@pytest.mark.parametrize("source", SOURCES)
async def test_up_to_the_limit_is_taken(house, source):
    size = len(json.dumps(body_of(source)).encode())
    body = json.dumps(body_of(source, padding=limit(source) - size)).encode()
    assert len(body) == limit(source)
    assert (await house.post(source, body)).status_code == accepted(source)


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("how", ["declared", "chunked", "gzip", "deflate"])
async def test_beyond_the_limit_is_413_with_a_receipt(house, source, how):
    body = b"[" + b" " * limit(source)
    content: Any = body
    headers = {}
    if how == "chunked":
        content = in_pieces(body)
    elif how in ("gzip", "deflate"):
        content = gzip.compress(body) if how == "gzip" else zlib.compress(body)
        headers["Content-Encoding"] = how
        assert len(content) < 100_000
    path = f"/v1/intake/{routing_key(source)}/{source}"
    answer = await house.http.post(path, content=content, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
    told = await house.receipt(answer.headers["Tocsin-Receipt"], routing_key(source))
    assert told["status"] == 413
    assert await house.one("SELECT count(*) FROM quarantine") == 0
    assert (await house.post(source, body_of(source))).status_code == accepted(source)


async def in_pieces(body: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(body), 65536):
        yield body[start : start + 65536]


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("encoding", ["gzip", "x-gzip", "GZIP", "deflate", "identity", ""])
async def test_compressed_bodies_are_taken(house, source, encoding):
    plain = json.dumps(body_of(source)).encode()
    body = {"deflate": zlib.compress, "identity": bytes, "": bytes}.get(encoding, gzip.compress)(plain)
    answer = await house.post(source, body, {"Content-Encoding": encoding})
    assert answer.status_code == accepted(source)


async def test_a_gzip_body_of_several_members_is_taken_whole(house):
    plain = json.dumps(body_of("generic")).encode()
    answer = await house.post(
        "generic", gzip.compress(plain[:20]) + gzip.compress(plain[20:]), {"Content-Encoding": "gzip"}
    )
    assert (answer.status_code, answer.json()["events"]) == (202, {"opened": 1})


@pytest.mark.parametrize(
    "body",
    [
        b"not gzip at all",
        gzip.compress(b'{"title": "x"}', mtime=0)[:-9],
        gzip.compress(b"{}", mtime=0) + b"and more",
        gzip.compress(b"{}", mtime=0) * 200,
    ],
)
async def test_what_is_not_gzip_is_400_and_kept(house, body):
    answer = await house.post("generic", body, {"Content-Encoding": "gzip"})
    assert (answer.status_code, answer.json()["code"]) == (400, "unparsable")
    [kept] = await house.rows("SELECT kind, body, headers->>'content-encoding' AS encoding FROM quarantine")
    assert (kept.kind, kept.body, kept.encoding) == ("body", body, "gzip")


async def test_other_encodings_are_415(house):
    answer = await house.post("generic", b"{}", {"Content-Encoding": "br"})
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_encoding")
    assert (await house.receipt(answer.headers["Tocsin-Receipt"], routing_key("generic")))["status"] == 415


@pytest.mark.parametrize("media", ["text/plain", "application/x-www-form-urlencoded", "nonsense", ""])
async def test_the_content_type_does_not_matter(house, media):
    answer = await house.post("generic", json.dumps(body_of("generic")).encode(), {"Content-Type": media})
    assert answer.status_code == 202


# -- what is told elsewhere


async def test_routing_keys_are_in_no_log_line(server, tmp_path):
    written = io.StringIO()
    logs.configure("debug", written)
    try:
        async with shared(server, tmp_path) as house:
            key = routing_key("generic")
            await house.post("generic", body_of("generic"))
            await house.post("generic", b"{not json")
            await house.post("generic", b"", {"Content-Encoding": "gzip"})
            await house.http.post("/v1/intake/generic", json={}, headers=bearer(key))
            await house.http.post("/v1/intake/generic", json={}, headers=basic("x", key))
            await house.http.get(f"/v1/intake/{key}/generic")
            await house.http.post(f"/v1/intake/{key}/other", json={})
            await house.http.post(f"/v1/intake/{key}/a/path/that/is/none", json={})
            await house.http.get(f"/api/v1/receipts/{UUID(int=7)}", headers=bearer(key))
            vendors = [
                ("pagerduty", "/v2/enqueue"),
                ("pagerduty", "/v2/change/enqueue"),
                ("opsgenie", "/v2/alerts/x/notes"),
            ]
            for source, path in vendors:
                key_too = {"Authorization": f"GenieKey {routing_key(source)}"} if source == "opsgenie" else {}
                body = {"routing_key": routing_key(source), "note": "n"}
                await house.http.post(path, json=body, headers=key_too)
                await house.http.post(f"/v1/intake/{routing_key(source)}{path}", json=body)
            await house.execute("ALTER TABLE receipts RENAME TO elsewhere")
            for source, path in vendors:
                answer = await house.http.post(f"/v1/intake/{routing_key(source)}{path}", json={"note": "n"})
                assert answer.status_code == 503
            assert (await house.post("generic", body_of("generic"))).status_code == 503
    finally:
        logs.configure("info")
    assert written.getvalue().count("\n") > 3
    assert not [s for s in SOURCES if routing_key(s) in written.getvalue()]


async def test_requests_and_outcomes_are_counted(house):
    def count(name: str, **labels: str) -> float:
        return metrics.REGISTRY.get_sample_value(name, labels) or 0.0

    named = {"source": "generic", "status": "202"}
    before = count("tocsin_intake_requests_total", **named)
    await house.post("generic", body_of("generic"))
    assert count("tocsin_intake_requests_total", **named) == before + 1

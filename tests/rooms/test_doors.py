"""Mappings, signatures, CloudEvents and tests of integrations over HTTP, from the API to the receipt."""

from __future__ import annotations

import asyncio
import hmac
import json
import random
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest
from bodies import SOURCES, body_of
from test_intake_fuzz import mutated, nothing_is_lost, odd
from whole import Whole, routing_key

from app.configuration import document, yaml_text
from app.ingest.adapters import ADAPTERS
from app.ingest.marking import SAMPLES

pytestmark = pytest.mark.asyncio(loop_scope="module")

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = sorted((ROOT / "docs" / "examples" / "mappings").glob("*.yaml"))
MAPPING = {
    "events": "body.alerts",
    "when": "event.state != 'pending'",
    "fields": {
        "title": "event.text",
        "status": "event.state",
        "dedup_key": "string(event.id)",
        "severity": "event.level > 3 ? 'critical' : 'warning'",
    },
    "labels": {"alertname": "event.text", "host": "event.host.name"},
    "required": ["dedup_key"],
}
BODY = {"alerts": [{"id": 7, "text": "Disk full", "level": 5, "state": "down", "host": {"name": "db-1"}}]}


async def ask(house: Whole, method: str, path: str, body: Any = None, who: str = "cara", **headers: str) -> Any:
    given = house.as_person(who) | headers
    return await house.http.request(method, f"/api/v1{path}", json=body, headers=given)


async def made(house: Whole, key: str, **more: Any) -> str:
    """The routing key of a new integration."""
    await house.execute("DELETE FROM integrations WHERE key = :key", key=key)
    wanted = {"key": key, "name": key, "source": "generic", "service": "checkout"} | more
    answer = await ask(house, "POST", "/integrations", wanted)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["routing_key"])


async def post(
    house: Whole, key: str, body: Any, headers: dict[str, str] | None = None, source: str = "generic"
) -> Any:
    """Until the routing key is known: within a moment of its making (`Entrances`)."""
    async with asyncio.timeout(5):
        while (answer := await house.post(source, body, headers, key)).status_code == 401:
            if answer.json()["code"] != "unauthenticated":
                break
    return answer


async def counts(house: Whole) -> list[int]:
    tables = ("receipts", "events", "quarantine", "alerts", "occurrences", "incidents")
    return [await house.one(f"SELECT count(*) FROM {table}") for table in tables]


# -- mappings


async def test_json_of_anybody_pages_somebody(house):
    key = await made(house, "mapped", mapping=MAPPING)
    answer = await post(house, key, BODY)
    assert (answer.status_code, answer.json()["events"]) == (202, {"opened": 1})
    [alert] = await house.rows("SELECT dedup_key, title, severity, labels FROM alerts")
    assert tuple(alert) == ("7", "Disk full", "critical", {"alertname": "Disk full", "host": "db-1"})
    assert await house.one("SELECT state FROM incidents") == "triggered"
    up = {"alerts": [{"id": 7, "state": "up", "text": "Disk full", "level": 1}]}
    assert (await post(house, key, up)).json()["events"] == {"resolved": 1}


async def test_a_refused_event_is_told_kept_and_replayed_after_the_fix(house):
    key = await made(house, "mapped", mapping=MAPPING)
    wrong = BODY["alerts"][0] | {"id": 8, "level": "high"}
    answer = await post(house, key, {"alerts": [*BODY["alerts"], wrong]}, {"X-Event-Key": "kept"})
    assert answer.json()["events"] == {"opened": 1, "quarantined": 1}
    assert "fields.severity" in answer.json()["refused"][0]
    [kept] = (await ask(house, "GET", "/quarantine?integration=mapped")).json()["items"]
    assert "No matching overloads" in kept["error"]
    refused = await ask(house, "POST", f"/quarantine/{kept['id']}/replay")
    assert (refused.status_code, refused.json()["code"]) == (409, "still_refused")
    fields = MAPPING["fields"] | {"severity": "event.level == 'high' ? 'critical' : 'warning'"}
    edit = {"name": "mapped", "service": "checkout", "mapping": MAPPING | {"fields": fields}}
    assert (await ask(house, "PUT", "/integrations/mapped", edit)).status_code == 200
    replayed = await ask(house, "POST", f"/quarantine/{kept['id']}/replay")
    assert (replayed.status_code, replayed.json()["events"]) == (200, {"opened": 1})
    assert await house.one("SELECT severity FROM alerts WHERE dedup_key = '8'") == "critical"
    told = (await ask(house, "GET", f"/quarantine/{kept['id']}")).json()
    assert told["headers"]["x-event-key"] == "kept"
    assert not {"authorization", "cookie"} & told["headers"].keys()


@pytest.mark.parametrize(
    ("mapping", "field", "said"),
    [
        ({"fields": {"title": "event.a +"}}, "mapping.fields.title", "line 1, column 10"),
        ({"fields": {"titel": "event.a"}}, "mapping.fields.titel", ""),
        ({"fields": {"title": ""}}, "mapping.fields.title", "empty"),
        ({"fields": {"title": "event.a\x00"}}, "mapping.fields", "cannot be stored"),
        ({"fieldz": {}}, "mapping.fieldz", "misspelt"),
        ({"events": 5}, "mapping.events", "a text is needed"),
        ("event.a", "mapping", ""),
    ],
)
async def test_a_wrong_mapping_is_not_saved(house, mapping, field, said):
    wanted = {"key": "wrong", "name": "x", "source": "generic", "service": "checkout", "mapping": mapping}
    path = "/integrations/checkout-generic"
    edit = {name: value for name, value in wanted.items() if name not in ("key", "source")}
    for answer in (await ask(house, "POST", "/integrations", wanted), await ask(house, "PUT", path, edit)):
        assert answer.status_code == 422, answer.text
        assert [e for e in answer.json()["errors"] if e["field"].startswith(field) and said in e["message"]]
    assert (await ask(house, "GET", path)).json()["mapping"] is None


async def test_only_the_sources_that_take_one_have_a_mapping(house):
    edit = {"name": "x", "service": "checkout", "mapping": {}}
    answer = await ask(house, "PUT", "/integrations/checkout-prometheus", edit)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "mapping")


async def test_a_mapping_goes_out_and_in_with_the_configuration(house):
    await made(house, "mapped", mapping=MAPPING)
    exported = (await ask(house, "GET", "/configuration/export")).json()
    [mine] = [i for i in exported["integrations"] if i["key"] == "mapped"]
    assert mine["mapping"] == MAPPING
    mine["mapping"]["labels"]["site"] = "'north'"
    applied = await ask(house, "POST", "/configuration/apply", {"integrations": [mine]})
    assert applied.status_code == 200, applied.text
    assert (await ask(house, "GET", "/integrations/mapped")).json()["mapping"]["labels"]["site"] == "'north'"
    mine["mapping"]["labels"]["site"] = "north"
    refused = await ask(house, "POST", "/configuration/plan", {"integrations": [mine]})
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["field"] == "integrations[0].mapping.labels.site"


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
async def test_the_shipped_examples_can_be_applied(house, path):
    wanted = document.plain(document.parse(yaml_text.read(path.read_text())))
    await house.execute("DELETE FROM integrations WHERE key = :key", key=wanted["integrations"][0]["key"])
    answer = await ask(house, "POST", "/configuration/apply", wanted)
    assert answer.status_code == 200, answer.text
    assert [c["action"] for c in answer.json()["changes"]] == ["create"]
    again = await ask(house, "POST", "/configuration/apply", wanted)
    assert again.json()["changes"] == []


# -- trying


async def test_a_mapping_is_tried_before_it_is_saved(house):
    body = BODY["alerts"]
    payload = {"alerts": [*body, body[0] | {"id": 8, "level": "x"}, body[0] | {"state": "pending"}]}
    asked = {"mapping": MAPPING, "payload": payload, "service": "checkout"}
    answer = await ask(house, "POST", "/integrations/try", asked, who="ana")
    assert answer.status_code == 200, answer.text
    said = answer.json()
    [event] = said["events"]
    assert (event["index"], event["dedup_key"], event["severity"], event["kind"]) == (0, "7", "critical", "firing")
    assert event["priority"] in (1, 2, 3, 4, 5)
    assert event["suppressed"] is None
    [severity] = [f for f in event["fields"] if f["field"] == "fields.severity"]
    assert severity == {
        "field": "fields.severity",
        "expression": MAPPING["fields"]["severity"],
        "reads": {"event.level": 5},
        "value": "critical",
        "error": None,
    }
    [refused] = said["refused"]
    assert refused["index"] == 1
    assert [f["field"] for f in refused["fields"] if f["error"]] == ["fields.severity"]
    assert said["left_out"] == [2]
    assert await counts(house) == [0] * 6


async def test_an_integration_is_tried_as_it_is(house):
    await made(house, "mapped", mapping=MAPPING)
    said = (await ask(house, "POST", "/integrations/mapped/try", {"payload": BODY})).json()
    assert [e["title"] for e in said["events"]] == ["Disk full"]
    for source in SOURCES:
        text = json.dumps(body_of(source))
        said = (await ask(house, "POST", f"/integrations/checkout-{source}/try", {"text": text})).json()
        assert [e["kind"] for e in said["events"]] == ["firing"]
    form = {"text": "title=Disk&dedup_key=d", "headers": {"Content-Type": "application/x-www-form-urlencoded"}}
    said = (await ask(house, "POST", "/integrations/checkout-generic/try", form)).json()
    assert [(e["title"], e["dedup_key"]) for e in said["events"]] == [("Disk", "d")]
    assert await counts(house) == [0] * 6


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "payload"),
        ({"payload": {}, "text": "{}"}, "payload"),
        ({"text": "{no json"}, "payload"),
        ({"payload": {}, "service": "nowhere"}, "service"),
        ({"payload": {}, "mapping": {"when": "x"}}, "mapping.when"),
        ({"payload": {}, "source": "prometheus"}, "source"),
    ],
)
async def test_what_cannot_be_tried_is_said(house, body, field):
    answer = await ask(house, "POST", "/integrations/try", body)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field)
    assert (await ask(house, "POST", "/integrations/nowhere/try", {"payload": {}})).status_code == 404


# -- tests


@pytest.mark.parametrize("source", SOURCES)
async def test_the_test_button_pages_nobody(house, source):
    answer = await ask(house, "POST", f"/integrations/checkout-{source}/test")
    assert answer.status_code == 200, answer.text
    said = answer.json()
    assert [e["outcome"] for e in said["events"]] == ["opened"]
    [would] = said["would"]["events"]
    assert (would["suppressed"], "tocsin_test" in would["labels"]) == (None, False)
    assert would["priority"] in (1, 2, 3, 4, 5)
    assert await house.one("SELECT labels->>'tocsin_test' FROM alerts") == "true"
    assert await house.one("SELECT suppressed->>'name' FROM occurrences") == "tocsin-test"
    assert await house.one("SELECT expires_at IS NOT NULL FROM alerts"), "no test fires forever"
    assert await house.one("SELECT count(*) FROM incidents") == 0
    told = (await ask(house, "GET", f"/receipts/{said['receipt']}")).json()
    assert (told["integration"], told["status"]) == (f"checkout-{source}", said["status"])
    assert (await ask(house, "POST", f"/integrations/checkout-{source}/test")).json()["events"][0][
        "outcome"
    ] == "opened"


async def test_every_source_of_this_tree_has_a_sample_of_its_own():
    assert SAMPLES.keys() == ADAPTERS.keys()


@pytest.mark.parametrize("source", ["pagerduty", "opsgenie"])
async def test_a_test_of_a_vendors_format_is_read_by_its_adapter(house, source):
    said = (await ask(house, "POST", f"/integrations/checkout-{source}/test")).json()
    assert (said["detail"], said["would"]["events"][0]["dedup_key"]) == (None, "tocsin-test")


async def test_a_test_says_what_would_suppress_the_real_thing(house):
    path = "/integrations/checkout-generic/test"
    ends_at = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    silence = {"matchers": '{alertname="TocsinTest"}', "ends_at": ends_at, "comment": "c"}
    await ask(house, "POST", "/silences", silence, who="ana")
    [would] = (await ask(house, "POST", path)).json()["would"]["events"]
    assert would["suppressed"] == "Ana silenced it: c"
    body = {"payload": {"title": "Disk", "labels": {"alertname": "TocsinTest"}}}
    for place, more in (("checkout-generic/try", {}), ("try", {"service": "checkout"})):
        [would] = (await ask(house, "POST", f"/integrations/{place}", body | more)).json()["events"]
        assert would["suppressed"] == "Ana silenced it: c"
    assert (await ask(house, "POST", "/integrations/try", body)).json()["events"][0]["suppressed"] is None
    rule = {"key": "hush", "name": "Hush", "when": "true", "then": {"hold_minutes": 5}}
    await house.execute("TRUNCATE silences")
    assert (await ask(house, "PUT", "/routing-rules", {"rules": [rule]})).status_code == 200
    [would] = (await ask(house, "POST", path)).json()["would"]["events"]
    assert would["suppressed"].startswith('routing rule "Hush" (version 1)')
    assert (await ask(house, "PUT", "/routing-rules", {"rules": []})).status_code == 200


async def test_a_pasted_resolve_ends_nothing(house):
    key = await made(house, "mapped", mapping=MAPPING)
    await post(house, key, BODY)
    up = {"alerts": [BODY["alerts"][0] | {"state": "up"}]}
    said = (await ask(house, "POST", "/integrations/mapped/test", {"payload": up})).json()
    assert [e["kind"] for e in said["would"]["events"]] == ["resolved"]
    assert [e["outcome"] for e in said["events"]] == ["unmatched_resolve"]
    assert await house.one("SELECT state FROM alerts WHERE dedup_key = '7'") == "firing"
    said = (await ask(house, "POST", "/integrations/mapped/test", {"payload": BODY})).json()
    assert [e["outcome"] for e in said["events"]] == ["opened"]
    assert await house.one("SELECT count(*) FROM incidents") == 1
    bare = (await ask(house, "POST", "/integrations/mapped/test")).json()
    assert "paste" in bare["detail"]


async def test_who_may_press_it(house):
    path = "/integrations/checkout-generic/test"
    assert (await ask(house, "POST", path, who="ana")).status_code == 403
    assert (await ask(house, "POST", path, who="ben")).status_code == 200
    assert (await ask(house, "POST", "/integrations/nowhere/test")).status_code == 404
    assert (await ask(house, "POST", path, {"text": "{no json"})).status_code == 422
    await house.execute("UPDATE integrations SET enabled = false WHERE source = 'generic'")
    assert (await ask(house, "POST", path)).json()["code"] == "disabled"


async def test_once_for_an_idempotency_key(house):
    path, key = "/integrations/checkout-generic/test", {"Idempotency-Key": "press-1"}
    first, second = await ask(house, "POST", path, **key), await ask(house, "POST", path, **key)
    assert first.json() == second.json()
    assert await house.one("SELECT count(*) FROM receipts") == 1


async def test_the_test_buttons_of_vendors_page_nobody(house):
    body = body_of("grafana")
    body["alerts"][0]["labels"] = {"alertname": "TestAlert", "instance": "Grafana"}
    await house.post("grafana", body)
    marked = body_of("generic")
    marked["labels"]["tocsin_test"] = "true"
    await house.post("generic", marked)
    assert await house.one("SELECT count(*) FROM alerts") == 2
    assert await house.one("SELECT count(*) FROM incidents") == 0


# -- signatures


def signed(secret: str, raw: bytes, at: int | None = None) -> dict[str, str]:
    given = {} if at is None else {"X-Grafana-Alerting-Timestamp": str(at)}
    message = raw if at is None else f"{at}:".encode() + raw
    return {"X-Grafana-Alerting-Signature": hmac.new(secret.encode(), message, sha256).hexdigest()} | given


async def secret_is(house: Whole, secret: str, **more: Any) -> None:
    answer = await ask(house, "PUT", "/integrations/signed/signing-secret", {"secret": secret} | more)
    assert answer.status_code == 204, answer.text


async def until(house: Whole, key: str, raw: bytes, headers: dict[str, str], status: int) -> httpx.Response:
    """Within two seconds of the change (`Entrances`)."""
    async with asyncio.timeout(5):
        while (answer := await house.post("grafana", raw, headers, key)).status_code != status:
            pass
    return answer


async def test_a_signature_is_asked_for_and_nothing_else_is_taken(house):
    key = await made(house, "signed", source="grafana")
    await secret_is(house, "first secret")
    raw = json.dumps(body_of("grafana")).encode()
    answer = await until(house, key, raw, {}, 401)
    assert answer.json()["code"] in ("no_signature", "unauthenticated")
    answer = await until(house, key, raw, signed("wrong secret", raw), 403)
    assert answer.json()["code"] == "wrong_signature"
    await house.clear()
    for headers in ({}, signed("wrong secret", raw), signed("first secret", raw + b" ")):
        assert (await house.post("grafana", raw, headers, key)).status_code in (401, 403)
    receipts = await house.rows("SELECT status, error, outcomes FROM receipts ORDER BY id")
    assert [r.status for r in receipts] == [401, 403, 403]
    assert all("signature" in r.error and r.outcomes == [] for r in receipts)
    assert (await counts(house))[1:] == [0] * 5
    now = int(await house.one("SELECT extract(epoch FROM tocsin_now())"))
    for headers in (signed("first secret", raw), signed("first secret", raw, now)):
        assert (await house.post("grafana", raw, headers, key)).status_code == 202
    old = await house.post("grafana", raw, signed("first secret", raw, now - 400), key)
    assert (old.status_code, "timestamp" in old.json()["detail"]) == (403, True)
    broken = b"{no json"
    assert (await house.post("grafana", broken, signed("first secret", broken), key)).status_code == 400


async def test_two_secrets_count_while_one_is_rotated_out(house):
    key = await made(house, "signed", source="grafana")
    raw = json.dumps(body_of("grafana")).encode()
    for number in range(3):
        await secret_is(house, f"secret {number}")
    await until(house, key, raw, signed("secret 2", raw), 202)
    assert (await house.post("grafana", raw, signed("secret 1", raw), key)).status_code == 202
    assert (await house.post("grafana", raw, signed("secret 0", raw), key)).status_code == 403
    shown = (await ask(house, "GET", "/integrations/signed")).json()["signing_secrets"]
    assert [s["expires_at"] is None for s in shown] == [True, False]
    assert [sorted(s) for s in shown] == [["created_at", "expires_at"]] * 2
    await secret_is(house, "secret 3", overlap_h=0)
    await until(house, key, raw, signed("secret 2", raw), 403)
    assert (await ask(house, "DELETE", "/integrations/signed/signing-secret")).status_code == 204
    await until(house, key, raw, {}, 202)
    assert (await ask(house, "GET", "/integrations/signed")).json()["signing_secrets"] == []


async def test_a_signing_secret_is_kept_sealed_and_never_told(house):
    await made(house, "signed", source="grafana")
    await secret_is(house, "correct horse battery")
    assert b"horse" not in await house.one("SELECT sealed FROM signing_secrets ORDER BY id DESC LIMIT 1")
    told = [
        (await ask(house, "GET", path)).text
        for path in ("/configuration/export", "/integrations/signed", "/integrations", "/audit?limit=50")
    ]
    assert "horse" not in "".join(told)
    assert "signing_secret_set" in told[-1]
    assert json.loads(told[0])["secrets"] == ["integrations/signed/signing-secret"]
    exported = json.loads(told[0])
    assert (await ask(house, "POST", "/configuration/apply", exported)).json()["changes"] == []
    for path, body, who, status in (
        ("signed", {"secret": "short"}, "cara", 422),
        ("checkout-prometheus", {"secret": "long enough"}, "cara", 422),
        ("signed", {"secret": "long enough"}, "ana", 403),
        ("nowhere", {"secret": "long enough"}, "cara", 404),
    ):
        assert (await ask(house, "PUT", f"/integrations/{path}/signing-secret", body, who)).status_code == status
    answer = await ask(
        house, "PUT", "/integrations/signed/signing-secret", {"secret": "long enough"}, **{"If-Match": '"9"'}
    )
    assert answer.status_code == 412


async def test_a_secret_that_cannot_be_read_lets_nobody_in(house):
    key = await made(house, "signed", source="grafana")
    await secret_is(house, "first secret")
    await house.execute("UPDATE signing_secrets SET sealed = '\\x0102'")
    raw = json.dumps(body_of("grafana")).encode()
    answer = await until(house, key, raw, signed("first secret", raw), 403)
    assert "TOCSIN_SECRET_KEY" in answer.json()["detail"]
    await ask(house, "DELETE", "/integrations/signed/signing-secret")


# -- CloudEvents, SNS, receipts


async def test_cloudevents_over_http(house):
    event = {"specversion": "1.0", "id": "1", "source": "/s", "type": "t", "data": {"title": "CPU"}}
    structured = {"Content-Type": "application/cloudevents+json"}
    batch = {"Content-Type": "application/cloudevents-batch+json"}
    assert (await house.post("generic", event, structured)).json()["events"] == {"opened": 1}
    assert (await house.post("generic", [event, event | {"id": "2"}], batch)).json()["events"] == {
        "repeated": 1,
        "opened": 1,
    }
    binary = {f"ce-{name}": value for name, value in event.items() if name != "data"}
    assert (await house.post("generic", event["data"], binary)).json()["events"] == {"repeated": 1}
    assert (await house.post("generic", event, batch)).status_code == 400


async def test_whoever_has_the_key_may_ask_whether_it_may_send(house):
    path = f"/v1/intake/{routing_key('generic')}/generic"
    asked = await house.http.options(path, headers={"WebHook-Request-Origin": "events.example.org"})
    assert (asked.status_code, asked.headers["WebHook-Allowed-Origin"]) == (200, "events.example.org")
    assert (await house.http.options(path)).status_code == 405
    wrong = await house.http.options("/v1/intake/nobody/generic", headers={"WebHook-Request-Origin": "x"})
    assert wrong.status_code == 401
    assert await counts(house) == [0] * 6


async def test_what_sns_asks_is_in_the_receipt_and_its_list(house):
    asked = {
        "Type": "SubscriptionConfirmation",
        "TopicArn": "arn:aws:sns:us-west-2:1:T",
        "SubscribeURL": "https://sns.us-west-2.amazonaws.com/?Action=ConfirmSubscription&Token=x",
    }
    answer = await house.post("generic", json.dumps(asked).encode(), {"Content-Type": "text/plain; charset=UTF-8"})
    assert answer.status_code == 202
    await house.post("generic", body_of("generic"))
    await house.post("prometheus", body_of("prometheus"))
    listed = (await ask(house, "GET", "/receipts?integration=checkout-generic&limit=1", who="ana")).json()
    assert [len(r["events"]) for r in listed["items"]] == [1]
    more = (await ask(house, "GET", f"/receipts?integration=checkout-generic&cursor={listed['next']}")).json()
    assert [r["id"] for r in more["items"]] == [answer.headers["Tocsin-Receipt"]]
    assert "SubscribeURL" not in more["items"][0]["error"]
    assert "https://sns.us-west-2.amazonaws.com/?Action=ConfirmSubscription" in more["items"][0]["error"]
    assert (await ask(house, "GET", "/receipts")).status_code == 422


# -- whatever is thrown at it

SEED = 20261122


async def test_mapped_bodies_in_pieces(house):
    chance = random.Random(SEED)
    bodies = [
        (path.stem, request)
        for path in EXAMPLES
        for request in json.loads((ROOT / "tests/payloads/mapped" / f"{path.stem}.json").read_text())["requests"]
    ]
    keys = {}
    for path in EXAMPLES:
        [wanted] = document.plain(document.parse(yaml_text.read(path.read_text())))["integrations"]
        keys[path.stem] = await made(house, wanted["key"], mapping=wanted["mapping"])
        assert (await post(house, keys[path.stem], [])).status_code == 202
    await house.clear()
    answers: list[httpx.Response] = []
    for _ in range(20):
        thrown = []
        for name, request in (chance.choice(bodies) for _ in range(12)):
            raw = request["text"] if "text" in request else json.dumps(mutated(request["body"], chance))
            if chance.random() < 0.1:
                raw = raw[: chance.randrange(len(raw) + 1)]
            if chance.random() < 0.1:
                raw = json.dumps(odd(chance))
            headers = dict(chance.choice(bodies)[1]["headers"] if chance.random() < 0.2 else request["headers"])
            path = f"/v1/intake/{keys[name]}/generic"
            thrown.append(house.http.post(path, content=raw.encode("utf-8", "replace"), headers=headers))
        async with asyncio.timeout(20):
            answers += await asyncio.gather(*thrown)
    assert {a.status_code for a in answers} <= {202, 400}
    assert {a.status_code for a in answers} == {202, 400}
    await nothing_is_lost(house, answers)


async def test_mappings_and_payloads_of_any_shape_are_tried(house):
    chance = random.Random(SEED)
    parts = [
        "event",
        ".a",
        ".b",
        "[0]",
        "['x']",
        " + ",
        " == ",
        "'t'",
        "1",
        " ? ",
        " : ",
        "(",
        ")",
        "string(",
        "&&",
        "!",
    ]
    answers = []
    for _ in range(150):
        expression = "".join(chance.choice(parts) for _ in range(chance.randrange(1, 8)))
        mapping = mutated(MAPPING | {"fields": {"title": expression, "dedup_key": "string(event.id)"}}, chance)
        body = {"mapping": mapping, "payload": mutated(BODY, chance)}
        content = json.dumps(body)
        answers.append(
            await house.http.post(
                "/api/v1/integrations/try",
                content=content,
                headers=house.as_person("cara") | {"Content-Type": "application/json"},
            )
        )
    assert {a.status_code for a in answers} == {200, 422}
    deep = '{"payload": ' + "[" * 5_000 + "]" * 5_000 + "}"
    given = house.as_person("cara") | {"Content-Type": "application/json"}
    answer = await house.http.post("/api/v1/integrations/try", content=deep, headers=given)
    assert answer.status_code in (400, 422)
    assert await counts(house) == [0] * 6

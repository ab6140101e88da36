"""Alertmanager's API v2 as recorded from the real one: statuses and bodies, and where we differ on purpose."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from bodies import basic, bearer, body_of
from whole import Whole, routing_key

pytestmark = pytest.mark.asyncio(loop_scope="module")

RECORDED = Path(__file__).parents[1] / "payloads" / "alertmanager-api" / "conformance.json"
BASE = datetime(2026, 11, 21, 19, 11, 57, tzinfo=UTC)
"""About when it was recorded: instants in requests are moved by the distance from it to now."""
KEY = routing_key("prometheus")

ACCEPTED_HERE = {
    "alerts: missing labels": "one bad alert never keeps the others of its request out: 400, as for other bad labels",
    "alerts: bad label name": "any UTF-8 is a label name, as in Alertmanager since 0.27",
    "alerts: one valid one invalid": "the same",
    "alerts: generatorURL not a uri": "an alert is worth more than its link, which is left out",
    "alerts: no body": "answered as any other body that is no JSON: 400",
    "alerts: text/plain": "the media type is not asked for: a page more rather than a page less",
    "alerts: no content type": "the same",
    "alerts: form": "it is no JSON whatever it is called: 400",
    "silence: delete unknown": "404, as Alertmanager answers since 0.26",
}
"""Exchanges whose status differs, and why."""
STATUSES = {
    "alerts: missing labels": 400, "alerts: bad label name": 200, "alerts: one valid one invalid": 200,
    "alerts: generatorURL not a uri": 200, "alerts: no body": 400, "alerts: text/plain": 200,
    "alerts: no content type": 200, "alerts: form": 400, "silence: delete unknown": 404,
}  # fmt: skip
OTHER_WORDS = {
    "alerts: object instead of list", "alerts: bad date", "alerts: number label value", "alerts: broken JSON",
    "alerts: missing labels", "alerts: no body", "alerts: form", "alerts: v1",
}  # fmt: skip
"""Refused alike, or taken alike, with a body in other words: Prometheus, who sends these, only logs it."""
BY_CONFIGURATION = {"receivers", "status", "get groups", "get groups dotted receiver"}
"""What the recorded configuration decides: names of receivers, group_by. Compared in tests of their own."""

INHIBITION = {
    "key": "critical", "name": "Critical", "source": '{severity="critical"}', "target": '{severity="warning"}',
    "equal": ["host"],
}  # fmt: skip
"""As the recorded Alertmanager was configured."""


def exchanges() -> list[dict[str, Any]]:
    return list(json.loads(RECORDED.read_text()))


class Replay:
    """Sends what was recorded as if it were now, and writes answers as they would have been then."""

    def __init__(self, house: Whole) -> None:
        self.house = house
        self.began = datetime.now(UTC)
        self.ids: dict[str, str] = {}

    async def ask(self, exchange: dict[str, Any]) -> Any:
        request = exchange["request"]
        body = request["body"]
        if isinstance(body, str):
            content = body.encode()
        else:
            content = b"" if body is None else json.dumps(self._now(body)).encode()
        path = request["path"]
        for then, now in self.ids.items():
            path = path.replace(then, now)
        headers = request["headers"] | ({} if request["method"] == "OPTIONS" else bearer(KEY))
        return await self.house.http.request(request["method"], path, content=content, headers=headers)

    def _now(self, value: Any, name: str = "") -> Any:
        if isinstance(value, list):
            return [self._now(v) for v in value]
        if isinstance(value, dict):
            return {k: self._now(v, k) for k, v in value.items()}
        if name in ("startsAt", "endsAt") and value.startswith("2026-11-21"):
            moved = datetime.fromisoformat(value) - BASE + datetime.now(UTC)
            return moved.isoformat()
        return self.ids.get(value, value) if isinstance(value, str) else value

    def learn(self, recorded: Any, answered: Any) -> None:
        """Which of our ids stands for one that was recorded."""
        if isinstance(recorded, dict) and "silenceID" in recorded and isinstance(answered, dict):
            self.ids[recorded["silenceID"]] = answered["silenceID"]


def plain(value: Any, ids: dict[str, str]) -> Any:
    """Without what is another one each time: instants, ids, receivers (here: services), members newer than 0.25."""
    then = {now: recorded for recorded, now in ids.items()}
    if isinstance(value, list):
        return [plain(v, ids) for v in value]
    if isinstance(value, dict):
        kept = {k: plain(v, ids) for k, v in value.items() if k not in ("mutedBy", "routeLabels", "receivers")}
        if "matchers" in kept:
            assert kept.pop("annotations", {}) == {}  # of a silence: newer than 0.25
        return {k: "an instant" if k in ("startsAt", "endsAt", "updatedAt") else v for k, v in kept.items()}
    return then.get(value, value) if isinstance(value, str) else value


def same(name: str, recorded: Any, answered: Any, ids: dict[str, str]) -> bool:
    if name in OTHER_WORDS or name in BY_CONFIGURATION or name in ACCEPTED_HERE:
        return True
    one, other = plain(recorded, {}), plain(answered, ids)
    return bool(one == other)


async def test_all_that_was_recorded_is_answered_alike(house: Whole) -> None:
    replay = Replay(house)
    made = await house.http.post("/api/v1/inhibition-rules", json=INHIBITION, headers=house.as_person("machine"))
    assert made.status_code == 201, made.text
    wrong = []
    for exchange in exchanges():
        name, recorded = exchange["name"], exchange["response"]
        answer = await replay.ask(exchange)
        body = answer.json() if answer.headers.get("content-type") == "application/json" else answer.text or None
        replay.learn(recorded["body"], body)
        status = STATUSES.get(name, recorded["status"])
        if answer.status_code != status or not same(name, recorded["body"], body, replay.ids):
            wrong.append((name, answer.status_code, recorded["status"], body, recorded["body"]))
    assert [w[0] for w in wrong] == [], wrong
    assert STATUSES.keys() == ACCEPTED_HERE.keys()
    assert len(exchanges()) == 71
    assert {e["name"] for e in exchanges()} >= ACCEPTED_HERE.keys() | OTHER_WORDS | BY_CONFIGURATION


async def alerts_there(house: Whole) -> None:
    """Two of checkout, and one of another service that fires with the same name."""
    await house.execute("""
        WITH s AS (INSERT INTO services (key, name, created_at, updated_at)
                   VALUES ('search', 'Search', tocsin_now(), tocsin_now()) ON CONFLICT (key) DO NOTHING RETURNING id)
        INSERT INTO integrations (key, name, source, service_id, created_at, updated_at)
        SELECT 'search-generic', 'Search', 'generic', s.id, tocsin_now(), tocsin_now() FROM s
    """)
    await house.execute("""
        INSERT INTO routing_keys (integration_id, key_hash, hint, created_at)
        SELECT id, sha256('rk7searchZq3'), 'xxxx', tocsin_now() FROM integrations WHERE key = 'search-generic'
        ON CONFLICT DO NOTHING
    """)
    for name in ("Down", "Slow"):
        await house.post("alertmanager", am_body(name))
    told = {"title": "Down", "severity": "critical", "labels": {"alertname": "Down"}}
    assert (await house.post("generic", told, key="rk7searchZq3")).status_code == 202


def am_body(name: str) -> dict[str, Any]:
    return body_of("alertmanager", name)


def silence(**members: Any) -> dict[str, Any]:
    at = datetime.now(UTC)
    return {
        "matchers": [{"name": "alertname", "value": "Down", "isRegex": False, "isEqual": True}],
        "startsAt": at.isoformat(), "endsAt": (at + timedelta(hours=1)).isoformat(), "createdBy": "ann", "comment": "c",
    } | members  # fmt: skip


async def names(house: Whole, credential: dict[str, str], query: str = "") -> list[tuple[str, str]]:
    """(receiver, alertname) of what is answered."""
    answer = await house.http.get(f"/api/v2/alerts{query}", headers=credential)
    assert answer.status_code == 200, answer.text
    return sorted((a["receivers"][0]["name"], a["labels"]["alertname"]) for a in answer.json())


async def test_a_routing_key_sees_and_silences_the_alerts_of_its_service_only(house: Whole) -> None:
    await alerts_there(house)
    key, machine = bearer(routing_key("alertmanager")), house.as_person("machine")
    assert await names(house, key) == [("checkout", "Down"), ("checkout", "Slow")]
    assert await names(house, machine) == [("checkout", "Down"), ("checkout", "Slow"), ("search", "Down")]
    made = await house.http.post("/api/v2/silences", json=silence(), headers=key)
    assert made.status_code == 200, made.text
    assert await names(house, machine, "?silenced=false") == [("checkout", "Slow"), ("search", "Down")]
    assert await names(house, machine, "?active=false") == [("checkout", "Down")]
    ours = await house.http.get(f"/api/v1/silences/{made.json()['silenceID']}", headers=machine)
    assert (ours.json()["service"], ours.json()["created_by"]) == ("checkout", "ann")


async def test_a_routing_key_cannot_end_a_silence_of_everything(house: Whole) -> None:
    machine = house.as_person("machine")
    made = (await house.http.post("/api/v2/silences", json=silence(), headers=machine)).json()["silenceID"]
    key = bearer(KEY)
    listed = (await house.http.get("/api/v2/silences", headers=key)).json()
    assert [s["id"] for s in listed] == [made], "it concerns its alerts, so it is shown"
    assert (await house.http.delete(f"/api/v2/silence/{made}", headers=key)).status_code == 404
    assert (await house.http.delete(f"/api/v2/silence/{made}", headers=machine)).status_code == 200
    [after] = (await house.http.get("/api/v2/silences", headers=key)).json()
    assert after["status"]["state"] == "expired"


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/api/v2/status", bearer(KEY)),
        ("/api/v2/status", basic("anybody", KEY)),
        ("/api/v2/status", basic("anybody", "tocsin_machine")),
        (f"/v1/intake/{KEY}/api/v2/status", {}),
        (f"/v1/intake/{KEY}/api/v2/status/", {}),
    ],
)
async def test_credentials(house: Whole, path: str, headers: dict[str, str]) -> None:
    answer = await house.http.get(path, headers=headers)
    assert answer.status_code == 200
    said = answer.json()
    assert said["cluster"] == {"status": "disabled", "peers": []}
    assert said["versionInfo"].keys() == {"version", "revision", "branch", "buildUser", "buildDate", "goVersion"}
    assert said["config"]["original"].startswith('route:\n  receiver: "checkout"\nreceivers:\n- name: "checkout"\n')


@pytest.mark.parametrize(
    ("headers", "status"),
    [({}, 401), (bearer("nobodys"), 401), (bearer("tocsin_nobody"), 401), (bearer(routing_key("generic")), 403)],
)
async def test_no_credential_that_counts(house: Whole, headers: dict[str, str], status: int) -> None:
    answer = await house.http.get("/api/v2/alerts", headers=headers)
    assert answer.status_code == status
    assert isinstance(answer.json(), str)


async def test_a_scope_that_only_reads_makes_no_silence(house: Whole) -> None:
    await house.execute("UPDATE api_keys SET scopes = '{read}' WHERE key = 'dan-key'")
    dan = house.as_person("dan")
    assert (await house.http.get("/api/v2/silences", headers=dan)).status_code == 200
    assert (await house.http.post("/api/v2/silences", json=silence(), headers=dan)).status_code == 403


async def test_groups_are_by_service_and_alertname(house: Whole) -> None:
    await alerts_there(house)
    answer = await house.http.get("/api/v2/alerts/groups", headers=house.as_person("machine"))
    told = [(g["receiver"]["name"], g["labels"], len(g["alerts"]), g["routeLabels"]) for g in answer.json()]
    assert told == [
        ("checkout", {"alertname": "Down"}, 1, {}),
        ("checkout", {"alertname": "Slow"}, 1, {}),
        ("search", {"alertname": "Down"}, 1, {}),
    ]
    of_one = await house.http.get("/api/v2/alerts/groups?receiver=sea.*", headers=house.as_person("machine"))
    assert [g["receiver"]["name"] for g in of_one.json()] == ["search"]
    names = await house.http.get("/api/v2/receivers", headers=bearer(KEY))
    assert names.json() == [{"name": "checkout"}]


@pytest.mark.parametrize(
    ("members", "status", "said"),
    [
        ({"endsAt": "2062-01-01T00:00:00Z"}, 400, "silence invalid: a silence ends at most 30 days after its start"),
        ({"comment": " "}, 400, "silence invalid: must be a text of 1 to 1000 characters"),
        ({"matchers": [{"name": "x"}]}, 422, {"code": 602, "message": "matchers.0.value in body is required"}),
        ({"matchers": [{"name": "x", "value": "", "isRegex": False}]}, 400,
         "silence invalid: at least one matcher must not match the empty string"),
        ({"id": "no uuid"}, 404, "silence not found"),
    ],
)  # fmt: skip
async def test_silences_that_cannot_be(house: Whole, members: dict[str, Any], status: int, said: Any) -> None:
    answer = await house.http.post("/api/v2/silences", json=silence(**members), headers=bearer(KEY))
    assert (answer.status_code, answer.json()) == (status, said)
    assert await house.one("SELECT count(*) FROM silences") == 0


async def test_an_edit_of_the_end_keeps_the_id(house: Whole) -> None:
    key = bearer(KEY)
    made = (await house.http.post("/api/v2/silences", json=silence(), headers=key)).json()["silenceID"]
    stored = (await house.http.get(f"/api/v2/silence/{made}", headers=key)).json()
    later = (datetime.now(UTC) + timedelta(hours=5)).isoformat()
    body = {name: stored[name] for name in ("id", "matchers", "startsAt", "createdBy", "comment")} | {"endsAt": later}
    assert (await house.http.post("/api/v2/silences", json=body, headers=key)).json() == {"silenceID": made}
    audited = await house.rows(
        "SELECT action, actor FROM audit_records WHERE entity = 'silence' ORDER BY id DESC LIMIT 2"
    )
    assert [tuple(r) for r in audited] == [
        ("silence.edited", "integration:checkout-prometheus"), ("silence.created", "integration:checkout-prometheus"),
    ]  # fmt: skip

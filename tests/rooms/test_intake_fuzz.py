"""Whatever is thrown at the intake: never a 5xx, never a hang, and nothing that was answered with 2xx is missing."""

from __future__ import annotations

import asyncio
import gzip
import json
import random
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import UUID

import httpx
import pytest
from bodies import SOURCES, basic, bearer, body_of
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from whole import Whole, routing_key

pytestmark = pytest.mark.asyncio(loop_scope="module")

ROUNDS = 15
AT_ONCE = 12
WITHIN_S = 20
EXPLAINED = 25
SEED = 20261122
PAYLOADS = Path(__file__).parents[1] / "payloads"

WORDS = [
    *["", "firing", "resolved", "severity", "labels", "\x00", "\ud800", "☂", "x" * 5000, "-1", "1e999", "'; --"],
    *["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "2026-11-20T10:00:00Z", "2026-11-20T10:00:00+25:00"],
    "javascript:alert(1)",
]
NUMBERS = [0, -1, 2**31, 2**63, 2**64, 10**40, 1e308, -0.0, 1.5]


def odd(chance: random.Random, depth: int = 0) -> Any:
    """Any JSON value."""
    kind = chance.randrange(8 if depth < 4 else 5)
    if kind == 0:
        return chance.choice(WORDS)
    if kind == 1:
        return chance.choice(NUMBERS)
    if kind == 2:
        return chance.choice([None, True, False])
    if kind in (3, 4):
        return "".join(chr(chance.randrange(0x20, 0x2FF)) for _ in range(chance.randrange(12)))
    if kind in (5, 6):
        return {
            chance.choice([*WORDS, "alerts", "startsAt"]): odd(chance, depth + 1) for _ in range(chance.randrange(4))
        }
    return [odd(chance, depth + 1) for _ in range(chance.randrange(4))]


def mutated(value: Any, chance: random.Random) -> Any:
    """A copy in which something somewhere is something else."""
    if chance.random() < 0.08:
        return odd(chance)
    if isinstance(value, dict):
        return {(chance.choice(WORDS) if chance.random() < 0.03 else k): mutated(v, chance) for k, v in value.items()}
    if isinstance(value, list):
        items = [mutated(v, chance) for v in value]
        return items + items[:1] if chance.random() < 0.1 else items
    return value


def recorded(source: str) -> list[Any]:
    """Bodies that real senders sent."""
    found: list[Any] = []

    def gather(node: Any) -> Iterator[Any]:
        if isinstance(node, dict) and "body" in node and isinstance(node["body"], (dict, list)):
            yield node["body"]
        elif isinstance(node, (dict, list)):
            for inner in node.values() if isinstance(node, dict) else node:
                yield from gather(inner)

    for file in sorted((PAYLOADS / source).glob("*.json")):
        found += gather(json.loads(file.read_text()))
    return [b for b in found if len(json.dumps(b)) < 20_000][:40]


def content(body: Any, chance: random.Random) -> tuple[bytes, dict[str, str]]:
    """As bytes on the wire, sometimes torn, compressed, or called what they are not."""
    raw = json.dumps(body).encode()
    headers: dict[str, str] = {}
    match chance.randrange(10):
        case 0:
            raw = raw[: chance.randrange(len(raw) + 1)]
        case 1:
            raw = bytes(b ^ (1 << chance.randrange(8)) if chance.random() < 0.01 else b for b in raw)
        case 2:
            raw, headers["Content-Encoding"] = gzip.compress(raw), "gzip"
        case 3:
            raw, headers["Content-Encoding"] = zlib.compress(raw)[: chance.choice([5, 10_000])], "deflate"
        case 4:
            headers["Content-Encoding"] = chance.choice(
                ["gzip", "br", "", "identity", "gzip, gzip", "☂".encode().decode("latin-1")]
            )
        case 5:
            raw = json.dumps(body, ensure_ascii=False).encode("utf-16", "surrogatepass")
        case 6:
            raw = chance.randbytes(chance.randrange(200))
    return raw, headers


def entrance(source: str, chance: random.Random) -> tuple[str, dict[str, str]]:
    """A path and a credential: mostly right, sometimes not."""
    key = routing_key(source)
    odd_key = quote(chance.choice([*WORDS[:8], "a b", "%", "..", key.lower()]), errors="replace", safe="")
    odd_header = chance.choice(["Basic", "Bearer \xff", "Basic \xff", "Basic Og==", "x"])
    ways: list[tuple[str, dict[str, str]]] = [
        (f"/v1/intake/{key}/{source}", {}),
        (f"/v1/intake/{source}", bearer(key)),
        (f"/v1/intake/{source}/", basic("x" * chance.randrange(3), key)),
        (f"/v1/intake/{key}/{chance.choice(SOURCES)}", {}),
        (f"/v1/intake/{odd_key}/{source}", {}),
        (f"/v1/intake/{source}", {"Authorization": odd_header}),
    ]
    if source == "pagerduty":
        what = chance.choice(["enqueue", "enqueue", "change/enqueue", "enqueue/"])
        in_body = {"": key} if chance.random() < 0.7 else {}  # by the name "": `throw` puts it there
        ways = [
            (f"/v2/{what}", {"X-Routing-Key": key}),
            (f"/v2/{what}", in_body),
            (f"/v1/intake/{key}/v2/{what}", in_body),
            *ways,
        ]
    if source == "opsgenie":
        action = chance.choice(["close", "acknowledge", "notes", "%00", "a/b"])
        genie = {"Authorization": f"GenieKey {key}"}
        name, kind = chance.choice([odd_key, "HighErrorRate", str(UUID(int=7))]), chance.choice(["id", "tiny", "alias"])
        ways = [
            ("/v2/alerts", genie),
            (f"/v2/alerts/{name}/{action}?identifierType={kind}", genie),
            (f"/v1/intake/{key}/v2/alerts/", {"Authorization": odd_header}),
            *ways,
        ]
    if source == "prometheus":
        ways.append((f"/v1/intake/{key}/api/v2/alerts", {}))
        ways += [("/api/v2/alerts", bearer(key)), ("/api/v1/alerts", basic("", key))]
    return ways[0] if chance.random() < 0.6 else chance.choice(ways)


ALLOWED = {200, 202, 400, 401, 403, 404, 413, 415, 422}
ASIDE = ["change", "noted", "no_open_incident", "unknown_alert", "reworded"]
"""What a receipt says of requests that are no events."""


async def throw(house: Whole, source: str, body: Any, chance: random.Random) -> httpx.Response:
    path, credential = entrance(source, chance)
    if (key := credential.pop("", None)) is not None and isinstance(body, dict):
        body = body | {"routing_key": key}
    raw, headers = content(body, chance)
    given = {k.encode(): v.encode("latin-1") for k, v in (headers | credential).items()}
    async with asyncio.timeout(WITHIN_S):
        return await house.http.post(path, content=raw, headers=list(given.items()))


@pytest.mark.parametrize("source", SOURCES)
async def test_recorded_bodies_in_pieces(house, source):
    chance = random.Random(f"{SEED}{source}")
    bodies = [*recorded(source), body_of(source)]
    answers: list[httpx.Response] = []
    for _ in range(ROUNDS):
        wrong = [mutated(chance.choice(bodies), chance) for _ in range(AT_ONCE)]
        answers += await asyncio.gather(*(throw(house, source, body, chance) for body in wrong))
    assert {a.status_code for a in answers} <= ALLOWED
    assert {a.status_code for a in answers} & {200, 202}, "some of it must have got through"
    assert {a.status_code for a in answers} & {400, 422}, "some of it must have been wrong"
    await nothing_is_lost(house, answers)


async def nothing_is_lost(house: Whole, answers: list[httpx.Response]) -> None:
    """Whoever is known has a receipt with the status that was answered; every event in it is an alert, or kept."""
    receipts = {str(r.id): r for r in await house.rows("SELECT id, status, outcomes FROM receipts")}
    alerts = {str(r.id) for r in await house.rows("SELECT id FROM alerts")}
    for answer in answers:
        if answer.status_code in (400, 401, 404, 415) and "Tocsin-Receipt" not in answer.headers:
            assert answer.status_code in (401, 404) or str(answer.url.path).startswith("/v2/"), (
                "only a body names its key"
            )
            continue
        receipt = receipts[answer.headers["Tocsin-Receipt"]]
        assert receipt.status == answer.status_code
        for _, outcome, alert in receipt.outcomes:
            assert outcome in ("quarantined", "change", "unknown_alert") or alert in alerts
    assert await house.one("SELECT count(*) FROM quarantine WHERE kind = 'batch'") == 0, "the road failed on something"
    kept = await house.one("SELECT coalesce(sum(count), 0) FROM quarantine WHERE kind = 'body'")
    bad = await house.one(
        "SELECT count(*) FROM receipts WHERE status IN (400, 422) AND error IS NOT NULL AND outcomes = '[]'"
    )
    assert kept == bad
    outcomes = "SELECT count(*) FROM receipts r, jsonb_array_elements(r.outcomes) o WHERE o->>1 {} 'quarantined'"
    assert await house.one("SELECT count(*) FROM quarantine WHERE kind = 'event'") == await house.one(
        outcomes.format("=")
    )
    aside = await house.one(
        "SELECT count(*) FROM receipts r, jsonb_array_elements(r.outcomes) o WHERE o->>1 = ANY (:aside)", aside=ASIDE
    )
    told = await house.one(outcomes.format("<>"))
    assert await house.one("SELECT coalesce(sum(events), 0) FROM alerts") == told - aside
    assert await house.one("SELECT count(*) FROM changes") == await house.one(
        "SELECT count(*) FROM receipts WHERE outcomes->0->>1 = 'change'"
    )
    await everything_is_explained(house, random.Random(SEED))


async def everything_is_explained(house: Whole, chance: random.Random) -> None:
    """Some of the receipts and alerts, whatever they came from: each event, and why each alert is where it is."""
    admin = bearer("tocsin_cara")
    taken = await house.rows("SELECT id, jsonb_array_length(outcomes) AS events FROM receipts WHERE status < 300")
    for receipt in chance.sample(taken, min(EXPLAINED, len(taken))):
        said = await house.http.get(f"/api/v1/receipts/{receipt.id}/explanation", headers=admin)
        assert said.status_code == 200, said.text
        stages = [stage["stage"] for stage in said.json()["stages"]]
        assert stages.count("receipt") == 1
        assert stages.count("event") >= receipt.events or not said.json()["complete"]
    of_alerts = "SELECT a.id, o.id AS occurrence FROM alerts a LEFT JOIN occurrences o ON o.alert_id = a.id"
    alerts = await house.rows(of_alerts)
    for alert in chance.sample(alerts, min(EXPLAINED, len(alerts))):
        said = await house.http.get(f"/api/v1/alerts/{alert.id}/explanation", headers=admin)
        assert said.status_code == 200, said.text
        assert alert.occurrence is not None
        stages = said.json()["stages"]
        decided = {"routing", "suppression"} & {stage["stage"] for stage in stages}
        assert decided or all("unmatched resolve" in stage["decided"] for stage in stages), said.text


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=20), inner, max_size=5),
    max_leaves=20,
)


def around(source: str) -> st.SearchStrategy[Any]:
    """JSON that gets past the first look of this source's adapter."""
    instants = st.sampled_from(["2026-11-20T10:00:00Z", "0001-01-01T00:00:00Z", "", None, 5, "soon"])
    labels = st.dictionaries(st.text(max_size=10), st.text(max_size=10) | JSON, max_size=4)
    alert = st.fixed_dictionaries(
        {"labels": labels | JSON},
        optional={
            "status": st.sampled_from(["firing", "resolved", "acknowledged"]) | JSON,
            "annotations": labels | JSON,
            "startsAt": instants | JSON,
            "endsAt": instants | JSON,
            "starts_at": instants | JSON,
            "ends_at": instants | JSON,
            "fingerprint": st.text(max_size=300) | JSON,
            "dedup_key": st.text(max_size=300) | JSON,
            "title": JSON,
            "severity": JSON,
            "links": JSON,
            "generatorURL": JSON,
            "values": JSON,
        },
    )
    alerts = st.lists(alert | JSON, max_size=4)
    if source == "prometheus":
        return alerts | JSON
    if source == "generic":
        return alert | alerts | JSON
    if source in VENDORS:
        return vendors(source)
    return st.fixed_dictionaries({"version": st.just("4") | JSON, "alerts": alerts | JSON}) | JSON


VENDORS = {"pagerduty", "opsgenie"}


def vendors(source: str) -> st.SearchStrategy[Any]:
    """A message of a vendor's own API of which anything may be anything."""
    word = st.text(max_size=300) | JSON
    if source == "opsgenie":
        names = ["alias", "description", "details", "tags", "entity", "responders", "source", "user", "note"]
        priority = st.sampled_from(["P1", "P5"]) | JSON
        return st.fixed_dictionaries({"message": word}, optional=dict.fromkeys(names, word) | {"priority": priority})
    severity = st.sampled_from(["critical", "info"]) | JSON
    names = ["timestamp", "component", "group", "class", "custom_details"]
    payload = st.fixed_dictionaries(
        {"summary": word, "source": word, "severity": severity}, optional=dict.fromkeys(names, word)
    )
    action = st.sampled_from(["trigger", "acknowledge", "resolve"]) | JSON
    names = ["dedup_key", "links", "images", "client", "client_url"]
    return st.fixed_dictionaries(
        {"event_action": action, "payload": payload | JSON}, optional=dict.fromkeys(names, word)
    )


@pytest.mark.parametrize("source", SOURCES)
async def test_json_of_any_shape(house, source):
    made: list[Any] = []

    @settings(
        max_examples=100,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(around(source))
    def make(body: Any) -> None:
        made.append(body)

    # Apart: connections that the service gives up as idle meanwhile must be seen as closed before they are used again.
    await asyncio.to_thread(make)
    answers: list[httpx.Response] = []
    for start in range(0, len(made), AT_ONCE):
        async with asyncio.timeout(WITHIN_S):
            posts = (house.post(source, json.dumps(body).encode()) for body in made[start : start + AT_ONCE])
            answers += await asyncio.gather(*posts)
    assert {a.status_code for a in answers} <= {200, 202, 400, 422}
    await nothing_is_lost(house, answers)

"""Routing, correlation and priority rules of the organisation and of services, through HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from api_client import api, as_person
from rows import audited
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.web.api import rule_drafts, rule_sets, services

ROUTING = {"key": "blips", "name": "Blips", "when": "true", "then": {"hold_minutes": 3}, "enabled": True}
CORRELATION = {
    "key": "cluster",
    "name": "Clusters",
    "when": 'labels.cluster != ""',
    "then": {"key": ["labels.cluster"], "threshold": {"count": 2, "within_minutes": 5}},
    "enabled": True,
}
PRIORITY = {"key": "db", "name": "Databases", "when": '{team="db"}', "then": {"impact": 1}, "enabled": True}
SETS = [("routing", ROUTING), ("correlation", CORRELATION), ("priority", PRIORITY)]
PLACES = ["", "/services/checkout"]


@pytest.fixture
async def client(engine: AsyncEngine, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with api(engine, tmp_path, rule_sets.router, rule_drafts.router, services.router) as client:
        yield client


async def put(client: httpx.AsyncClient, path: str, *rules: dict[str, Any], **headers: str) -> httpx.Response:
    return await client.put(path, json={"rules": list(rules)}, headers=headers)


def fields(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 422, answer.text
    return [e["field"] for e in answer.json()["errors"]]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(("kind", "rule"), SETS)
async def test_publish_read_roll_back(client: httpx.AsyncClient, kind: str, rule: dict[str, Any], place: str) -> None:
    path = f"{place}/{kind}-rules"
    empty = await client.get(path)
    assert (empty.json()["version"], empty.headers["etag"]) == (0, '"0"')
    assert (await put(client, path, rule, **{"If-Match": '"0"'})).json()["rules"] == [rule]
    assert (await put(client, path, **{"If-Match": '"1"'})).headers["etag"] == '"2"'
    outdated = await put(client, path, rule, **{"If-Match": '"1"'})
    assert (outdated.status_code, outdated.json()["current_version"]) == (412, 2)
    listed = (await client.get(f"{path}/versions")).json()["items"]
    assert [(v["version"], v["rules"]) for v in listed] == [(2, 0), (1, 1)]
    assert (await client.get(f"{path}/versions/1")).json()["rules"] == [rule]
    assert (await client.get(f"{path}/versions/9")).status_code == 404
    back = (await client.post(f"{path}/versions/1/rollback")).json()
    assert (back["version"], back["rules"], back["published_by"]) == (3, [rule], "api_key:cara-key")
    assert (await client.get(path)).json() == back


async def test_scopes_and_kinds_do_not_touch_each_other(client: httpx.AsyncClient, engine: AsyncEngine) -> None:
    await put(client, "/priority-rules", PRIORITY)
    await put(client, "/services/checkout/priority-rules", PRIORITY, PRIORITY | {"key": "other"})
    found = {place: (await client.get(f"{place}/priority-rules")).json() for place in PLACES}
    assert [len(f["rules"]) for f in found.values()] == [1, 2]
    assert {f["version"] for f in found.values()} == {1}
    assert (await client.get("/routing-rules")).json()["version"] == 0
    async with engine.connect() as conn:
        assert await audited(conn) == [
            ("priority_rules.published", "priority"),
            ("priority_rules.published", "service:checkout"),
        ]


@pytest.mark.parametrize(
    ("path", "rule", "wrong", "field"),
    [
        ("/routing-rules", ROUTING, {"hold_minutes": 0}, "then.hold_minutes"),
        ("/routing-rules", ROUTING, {"suppress": False}, "then.suppress"),
        ("/routing-rules", ROUTING, {"service": "nowhere"}, "then.service"),
        ("/routing-rules", ROUTING, {"impact": 1}, "then.impact"),
        ("/routing-rules", ROUTING, {"runbook": "javascript:x"}, "then.runbook"),
        ("/routing-rules", ROUTING, {}, "then"),
        ("/services/checkout/routing-rules", ROUTING, {"service": "checkout"}, "then.service"),
        ("/correlation-rules", CORRELATION, {"window_minutes": 5}, "then.key"),
        ("/correlation-rules", CORRELATION, {"key": ["labels.a", "counts.alerts"]}, "then.key[1]"),
        ("/correlation-rules", CORRELATION, {"key": ["title"], "across_services": 1}, "then.across_services"),
        ("/routing-rules", ROUTING, {"suppress": 1}, "then.suppress"),
        ("/routing-rules", ROUTING, {"hold": 5}, "then.hold"),
        ("/priority-rules", PRIORITY, {"impact": True}, "then.impact"),
        ("/priority-rules", PRIORITY, {"impact": 1.0}, "then.impact"),
        (
            "/correlation-rules",
            CORRELATION,
            {"key": ["title"], "threshold": {"count": 2}},
            "then.threshold.within_minutes",
        ),
        ("/services/checkout/priority-rules", PRIORITY, {"urgency": 0}, "then.urgency"),
    ],
)
async def test_what_cannot_be_right_is_refused_with_its_place(
    client: httpx.AsyncClient, path: str, rule: dict[str, Any], wrong: dict[str, Any], field: str
) -> None:
    assert fields(await put(client, path, rule, rule | {"key": "second", "then": wrong})) == [f"rules[1].{field}"]


async def test_managers_edit_the_rules_of_the_services_of_their_team(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    as_person(client, "ben")
    assert (await put(client, "/services/checkout/routing-rules", ROUTING)).status_code == 200
    assert (await put(client, "/routing-rules", ROUTING)).status_code == 403
    async with engine.begin() as conn:
        await conn.execute(text("UPDATE services SET team_id = NULL"))
    for path in ("/services/checkout/routing-rules", "/services/checkout/correlation-rules"):
        assert (await put(client, path)).json()["code"] == "not_your_team"
    as_person(client, "ana")
    assert (await put(client, "/services/checkout/routing-rules")).status_code == 403
    assert (await client.get("/services/checkout/routing-rules")).json()["version"] == 1
    assert (await client.get("/services/nowhere/routing-rules")).status_code == 404


async def test_a_service_goes_with_its_rules_unless_routing_rules_send_alerts_to_it(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    await client.post("/services", json={"key": "shop", "name": "Shop"})
    await put(client, "/routing-rules", ROUTING | {"then": {"service": "shop"}})
    await put(client, "/services/shop/correlation-rules", CORRELATION)
    await client.post("/rule-drafts", json={"kind": "routing", "service": "shop", "name": "x"})
    refused = await client.delete("/services/shop")
    assert (refused.status_code, refused.json()["used_by"]) == (409, [{"type": "routing rule", "key": "blips"}])
    renamed = await client.put("/services/shop", json={"name": "The shop"})
    assert renamed.status_code == 200
    assert (await client.get("/services/shop/correlation-rules")).json()["version"] == 1
    await put(client, "/routing-rules")
    assert (await client.delete("/services/shop")).status_code == 204
    async with engine.connect() as conn:
        left = "SELECT scope FROM rule_set_versions WHERE scope <> '' UNION ALL SELECT scope FROM rule_drafts"
        assert (await conn.execute(text(left))).all() == []
        assert ("correlation_rules.removed", "service:shop") in await audited(conn)


async def test_rolling_back_to_a_service_that_is_gone_is_refused(client: httpx.AsyncClient) -> None:
    await client.post("/services", json={"key": "shop", "name": "Shop"})
    await put(client, "/routing-rules", ROUTING | {"then": {"service": "shop"}})
    await put(client, "/routing-rules")
    await client.delete("/services/shop")
    assert fields(await client.post("/routing-rules/versions/1/rollback")) == ["rules[0].then.service"]

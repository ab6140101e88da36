"""Drafts of rule sets through HTTP: written by turns, checked, published."""

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

from app.db import ids
from app.db.engine import dumps, transaction
from app.web.api import rule_drafts, rule_sets

DB = {"key": "db", "name": "Databases", "when": '{team="db"}', "then": {"impact": 1}, "enabled": True}
NIGHT = {"key": "night", "name": "Nights", "when": "time.hour < 6", "then": {"urgency": 3}, "enabled": True}


@pytest.fixture
async def client(engine: AsyncEngine, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with api(engine, tmp_path, rule_sets.router, rule_drafts.router) as client:
        yield client


async def begin(client: httpx.AsyncClient, **body: Any) -> dict[str, Any]:
    answer = await client.post("/rule-drafts", json={"kind": "priority", "name": "mine"} | body)
    assert answer.status_code == 201, answer.text
    assert answer.headers["location"].endswith(f"/rule-drafts/{answer.json()['id']}")
    return dict(answer.json())


async def published(client: httpx.AsyncClient, *rules: dict[str, Any], of: str = "") -> None:
    answer = await client.put(f"{of}/priority-rules", json={"rules": list(rules)})
    assert answer.status_code == 200, answer.text


async def check(client: httpx.AsyncClient, draft: dict[str, Any]) -> dict[str, Any]:
    answer = await client.get(f"/rule-drafts/{draft['id']}/check")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def test_a_draft_begins_as_what_is_in_force_and_is_published(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    await published(client, DB)
    draft = await begin(client)
    assert (draft["rules"], draft["base_version"], draft["version"], draft["service"]) == ([DB], 1, 1, None)
    path = f"/rule-drafts/{draft['id']}"
    edited = await client.put(path, json={"rules": [NIGHT, DB]}, headers={"If-Match": '"1"'})
    assert (edited.headers["etag"], edited.json()["edited_by"]) == ('"2"', "api_key:cara-key")
    assert (await client.get("/priority-rules")).json()["rules"] == [DB], "nothing is in force yet"
    assert (await client.post(f"{path}/publish", headers={"If-Match": '"2"'})).json()["version"] == 2
    assert (await client.get("/priority-rules")).json()["rules"] == [NIGHT, DB]
    assert (await client.get(path)).status_code == 404
    async with engine.connect() as conn:
        actions = [action for action, _ in await audited(conn)]
    assert actions == [
        "priority_rules.published",
        "rule_draft.begun",
        "rule_draft.edited",
        "priority_rules.published",
    ]


async def test_two_people_never_overwrite_each_other(client: httpx.AsyncClient) -> None:
    draft = await begin(client, rules=[DB], service="checkout")
    path = f"/rule-drafts/{draft['id']}"
    as_person(client, "ben")
    assert (await client.put(path, json={"rules": [NIGHT]}, headers={"If-Match": '"1"'})).status_code == 200
    as_person(client, "cara")
    refused = await client.put(path, json={"rules": []}, headers={"If-Match": '"1"'})
    told = refused.json()
    assert (refused.status_code, told["code"]) == (412, "outdated")
    assert (told["your_version"], told["current_version"], told["edited_by"]) == (1, 2, "api_key:ben-key")
    assert told["edited_at"]
    unseen = await client.put(path, json={"rules": []})
    assert (unseen.status_code, unseen.json()["edited_by"]) == (412, "api_key:ben-key")
    assert "If-Match" in unseen.json()["detail"]
    assert (await client.get(path)).json()["rules"] == [NIGHT]
    assert (await client.delete(path, headers={"If-Match": '"1"'})).status_code == 412
    assert (await client.delete(path, headers={"If-Match": '"2"'})).status_code == 204


async def test_a_draft_whose_base_is_not_in_force_any_more_is_not_published(client: httpx.AsyncClient) -> None:
    await published(client, DB)
    draft = await begin(client, rules=[DB, NIGHT])
    path = f"/rule-drafts/{draft['id']}"
    await published(client, DB | {"then": {"impact": 2}}, DB | {"key": "new"})
    assert (await check(client, draft))["outdated"] is True
    refused = await client.post(f"{path}/publish")
    told = refused.json()
    assert (refused.status_code, told["code"]) == (409, "base_outdated")
    assert (told["base_version"], told["current_version"], told["published_by"]) == (1, 2, "api_key:cara-key")
    assert told["differences"] == {"added": ["new"], "removed": [], "changed": ["db"], "reordered": False}
    unknown = await client.put(path, json={"rules": [NIGHT], "base_version": 9})
    assert unknown.status_code == 422
    assert unknown.json()["errors"][0]["field"] == "base_version"
    await client.put(path, json={"rules": [NIGHT], "base_version": 2})
    assert (await client.post(f"{path}/publish")).json()["version"] == 3


async def test_an_unfinished_draft_is_kept_and_told_what_is_wrong(client: httpx.AsyncClient) -> None:
    wrong = [
        {"key": "a", "name": "A", "when": "time.hours <", "then": {"impact": 1}},
        {"key": "b", "name": "", "when": "true", "then": {"impact": 4}},
        {},
    ]
    draft = await begin(client, rules=wrong)
    told = await check(client, draft)
    found = {e["field"] for e in told["errors"]}
    assert {"rules[0].when", "rules[1].name", "rules[1].then.impact", "rules[2].key"} <= found
    assert "rules[1].then" not in found, "said once, at the exact place"
    refused = await client.post(f"/rule-drafts/{draft['id']}/publish")
    assert refused.status_code == 422
    assert refused.json()["errors"]
    routing = [{"key": "a", "name": "A", "when": "true", "then": {"service": "gone"}}]
    told = await check(client, await begin(client, kind="routing", rules=routing))
    assert [e["field"] for e in told["errors"]] == ["rules[0].then.service"]


async def carried(engine: AsyncEngine, labels: dict[str, str]) -> None:
    async with transaction(engine) as (conn, now):
        statement = text("""
            INSERT INTO events (id, alert_id, occurrence_id, at, kind, outcome, severity, starts_at, labels,
                                annotations, details)
            VALUES (:id, :id, :id, :now, 'firing', 'opened', 'critical', :now, CAST(:labels AS jsonb),
                    '{"summary": "x"}', '{}')""")
        await conn.execute(statement, {"id": ids.new(now), "now": now, "labels": dumps(labels)})


async def test_what_looks_like_a_mistake_is_a_warning(client: httpx.AsyncClient, engine: AsyncEngine) -> None:
    rules = [
        DB | {"when": 'labels.taem == "db" && annotations.summary != ""'},
        NIGHT,
        NIGHT | {"key": "later", "when": 'time.hour < 6 && labels.team == "db"', "then": {"urgency": 1}},
        NIGHT | {"key": "wider", "then": {"urgency": 1, "impact": 1}},
        NIGHT | {"key": "off", "enabled": False},
    ]
    draft = await begin(client, rules=rules)
    told = await check(client, draft)
    assert (told["errors"], told["events"]) == ([], 0)
    codes = [(w["rule"], w["code"]) for w in told["warnings"]]
    assert codes == [("later", "never_applies"), ("off", "disabled")], "without events nothing is said about labels"
    await carried(engine, {"team": "web"})
    told = await check(client, draft)
    assert told["events"] == 1
    [unseen] = [w for w in told["warnings"] if w["code"] == "unseen"]
    assert (unseen["rule"], "labels.taem" in unseen["message"]) == ("db", True)


async def test_labels_that_routing_rules_add_are_known(client: httpx.AsyncClient, engine: AsyncEngine) -> None:
    await carried(engine, {"team": "web"})
    draft = await begin(client, rules=[DB | {"when": '{area="web"}'}])
    assert [w["code"] for w in (await check(client, draft))["warnings"]] == ["unseen"]
    rule = {"key": "area", "name": "Areas", "when": "true", "then": {"labels": {"area": "web"}}}
    await client.put("/services/checkout/routing-rules", json={"rules": [rule]})
    assert (await check(client, draft))["warnings"] == []


async def test_a_later_key_may_be_meant_for_what_the_first_leaves_empty(client: httpx.AsyncClient) -> None:
    def rule(key: str, *parts: str) -> dict[str, Any]:
        return {"key": key, "name": key, "when": "true", "then": {"key": list(parts)}}

    rules = [rule("cluster", "labels.cluster", "title"), rule("zone", "labels.zone"), rule("same", "title")]
    told = await check(client, await begin(client, kind="correlation", rules=rules))
    assert [(w["rule"], w["code"]) for w in told["warnings"]] == [("same", "never_applies")]


async def test_who_may_write_what(client: httpx.AsyncClient, engine: AsyncEngine) -> None:
    as_person(client, "ana")
    assert (await client.post("/rule-drafts", json={"kind": "routing", "name": "x"})).status_code == 403
    assert (await client.get("/rule-drafts")).status_code == 200
    as_person(client, "ben")
    proposal = await begin(client, rules=[DB])
    assert (await client.post(f"/rule-drafts/{proposal['id']}/publish")).status_code == 403, "admins publish"
    own = await begin(client, rules=[DB], service="checkout")
    assert (await client.post(f"/rule-drafts/{own['id']}/publish")).status_code == 200
    async with engine.begin() as conn:
        await conn.execute(text("UPDATE services SET team_id = NULL"))
    refused = await client.post("/rule-drafts", json={"kind": "routing", "name": "x", "service": "checkout"})
    assert refused.json()["code"] == "not_your_team"


async def test_drafts_are_listed_by_kind_and_service_and_named_once(client: httpx.AsyncClient) -> None:
    await begin(client)
    await begin(client, service="checkout")
    await begin(client, kind="routing")
    again = await client.post("/rule-drafts", json={"kind": "routing", "name": "mine"})
    assert (again.status_code, again.json()["code"]) == (409, "key_taken")
    listed = (await client.get("/rule-drafts", params={"limit": 2})).json()
    assert [(d["kind"], d["service"]) for d in listed["items"]] == [("priority", None), ("priority", "checkout")]
    rest = (await client.get("/rule-drafts", params={"cursor": listed["next"]})).json()
    assert [d["kind"] for d in rest["items"]] == ["routing"]
    of = (await client.get("/rule-drafts", params={"service": "checkout"})).json()
    assert [d["service"] for d in of["items"]] == ["checkout"]
    assert (
        await client.post("/rule-drafts", json={"kind": "routing", "name": "y", "service": "no"})
    ).status_code == 404

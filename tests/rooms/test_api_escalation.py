"""Webhooks, support tiers, the escalation matrix, and what only policies in full can be refused for, through HTTP."""

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

from app.escalation import copy_store, tier_store
from app.web.api import escalation_lists, policies, webhooks

HOOK = {"key": "status", "name": "Status page", "address": "https://status.example.org/hook"}


def policy(key: str, **members: Any) -> dict[str, Any]:
    steps = [{"delay_s": 300, "targets": [{"type": "user", "key": "ana"}]}]
    return {"key": key, "name": key.capitalize(), "steps": steps} | members


@pytest.fixture
async def client(engine: AsyncEngine, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with api(engine, tmp_path, policies.router, webhooks.router, escalation_lists.router) as client:
        yield client


async def test_a_webhook_is_made_edited_renewed_and_removed(client: httpx.AsyncClient, engine: AsyncEngine) -> None:
    made = await client.post("/webhooks", json=HOOK)
    assert (made.status_code, made.headers["location"]) == (201, "/api/v1/webhooks/status")
    secret = made.json()["secret"]
    assert secret.startswith("whsec_")
    assert "secret" not in (await client.get("/webhooks/status")).json()
    assert made.json()["previous_secret_until"] is None
    answer = (await client.post("/webhooks/status/secret")).json()
    renewed = answer["secret"]
    assert renewed.startswith("whsec_")
    assert (await client.get("/webhooks/status")).json()["previous_secret_until"] == answer["previous_secret_until"]
    assert renewed != secret
    edit = {"name": "Page"}
    outdated = await client.put("/webhooks/status", json=edit, headers={"If-Match": '"1"'})
    assert outdated.status_code == 412
    edited = await client.put("/webhooks/status", json=edit, headers={"If-Match": '"3"'})
    assert (edited.json()["name"], edited.headers["etag"]) == ("Page", '"4"')
    moved = await client.put("/webhooks/status/address", json={"address": "https://two.example.org/T0/5e?k=1"})
    assert (moved.json()["address"], moved.headers["etag"]) == ("https://two.example.org/…", '"5"')
    step = {"delay_s": 300, "targets": [{"type": "webhook", "key": "status"}]}
    await client.post("/policies", json=policy("calls", steps=[step]))
    used = (await client.delete("/webhooks/status")).json()
    assert (used["code"], used["used_by"]) == ("in_use", [{"type": "policy", "key": "calls"}])
    await client.delete("/policies/calls")
    assert (await client.delete("/webhooks/status")).json() == {"calls_given_up": 0}
    assert (await client.get("/webhooks/status")).status_code == 404
    async with engine.connect() as conn:
        assert ("webhook.secret_renewed", "status") in await audited(conn)


async def test_the_answer_of_a_create_is_kept_without_its_secret(client: httpx.AsyncClient) -> None:
    first = await client.post("/webhooks", json=HOOK, headers={"Idempotency-Key": "one"})
    again = await client.post("/webhooks", json=HOOK, headers={"Idempotency-Key": "one"})
    assert first.json()["secret"]
    assert (again.status_code, again.json()["secret"]) == (201, None)


@pytest.mark.parametrize("url", ["ftp://example.org/", "status.example.org", "https://u:p@example.org/", "https:///x"])
async def test_what_no_webhook_can_be(client: httpx.AsyncClient, url: str) -> None:
    refused = await client.post("/webhooks", json=HOOK | {"address": url})
    assert [e["field"] for e in refused.json()["errors"]] == ["address"]


async def test_tiers_and_the_matrix_are_put_as_a_whole(client: httpx.AsyncClient) -> None:
    await client.post("/policies", json=policy("experts"))
    tiers = [{"team": "payments", "service": None, "tier": 2, "policy": "experts"}]
    put = await client.put("/support-tiers", json={"tiers": tiers}, headers={"If-Match": '"0"'})
    assert (put.status_code, put.json()) == (200, {"version": 1, "tiers": tiers})
    assert (await client.get("/support-tiers")).json() == put.json()
    stale = await client.put("/support-tiers", json={"tiers": []}, headers={"If-Match": '"0"'})
    assert (stale.status_code, stale.json()["code"]) == (412, "outdated")
    rows = [{"priority": 1, "policy": "experts", "loudness": "loud"}]
    matrix = await client.put("/escalation-matrix", json={"rows": rows})
    assert matrix.json()["rows"][0]["loudness"] == "loud"
    assert (await client.get("/escalation-matrix")).headers["etag"] == '"1"'
    used = (await client.delete("/policies/experts")).json()["used_by"]
    assert used == [{"type": "escalation_matrix", "key": "P1"}, {"type": "support_tiers", "key": "payments 2"}]


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("support-tiers", {"tiers": [{"team": "nobody", "tier": 2, "policy": "none"}]}, "tiers[0].team"),
        ("support-tiers", {"tiers": [{"team": "payments", "tier": 1, "policy": "none"}]}, "tiers[0].tier"),
        ("support-tiers", {"tiers": [{"tier": 2, "policy": "none"}]}, "tiers[0]"),
        ("support-tiers", {"tiers": [{"team": "payments", "tier": 2, "policy": "p"}] * 2}, "tiers"),
        ("escalation-matrix", {"rows": [{"priority": 1, "policy": "none"}]}, "rows[0].policy"),
        ("escalation-matrix", {"rows": [{"priority": 6}]}, "rows[0].priority"),
        ("escalation-matrix", {"rows": [{"priority": 1, "first_update_s": 5}]}, "rows[0].first_update_s"),
    ],
)
async def test_errors_name_their_fields(client: httpx.AsyncClient, path: str, body: Any, field: str) -> None:
    refused = await client.put(f"/{path}", json=body)
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["field"] == field


async def test_policies_do_not_hand_over_in_a_circle(client: httpx.AsyncClient) -> None:
    await client.post("/policies", json=policy("one"))
    await client.post("/policies", json=policy("two", hand_over_to="one"))
    edit = {k: v for k, v in policy("one", hand_over_to="two").items() if k != "key"}
    refused = await client.put("/policies/one", json=edit)
    assert refused.status_code == 422
    [error] = refused.json()["errors"]
    assert error == {"field": "hand_over_to", "message": "hands over in a circle: one to two to one"}
    used = (await client.delete("/policies/one")).json()["used_by"]
    assert used == [{"type": "policy", "key": "two"}]


@pytest.mark.parametrize(
    ("step", "field"),
    [
        ({"when": {"priority_at_least": 2, "priority_only": [1]}}, "steps[0].when"),
        ({"when": {"priority_only": []}}, "steps[0].when.priority_only"),
        ({"when": {"support_hours": "sometimes"}}, "steps[0].when.support_hours"),
        ({"whom": "nobody"}, "steps[0].whom"),
        ({"acknowledge": "most"}, "steps[0].acknowledge"),
        ({"targets": [{"type": "webhook", "key": "none"}]}, "steps[0].targets[0].key"),
        ({"targets": [{"type": "tier", "key": "1"}]}, "steps[0].targets[0].key"),
        ({"targets": [{"type": "tier", "key": 2}]}, "steps[0].targets[0].key"),
    ],
)
async def test_steps_that_cannot_be(client: httpx.AsyncClient, step: dict[str, Any], field: str) -> None:
    plain = {"delay_s": 300, "targets": [{"type": "user", "key": "ana"}]}
    refused = await client.post("/policies", json=policy("p", steps=[plain | step]))
    assert (refused.status_code, [e["field"] for e in refused.json()["errors"]]) == (422, [field])


async def test_the_last_resort_is_no_program(client: httpx.AsyncClient) -> None:
    await client.post("/webhooks", json=HOOK)
    refused = await client.put("/last-resort", json={"targets": [{"type": "webhook", "key": "status"}]})
    assert "a webhook reaches nobody" in refused.json()["errors"][0]["message"]
    refused = await client.put("/last-resort", json={"targets": [{"type": "tier", "key": "2"}]})
    assert "a service may be without a support tier" in refused.json()["errors"][0]["message"]


async def test_a_step_may_name_a_tier_that_no_service_has_yet(client: httpx.AsyncClient, engine: AsyncEngine) -> None:
    step = {"delay_s": 300, "targets": [{"type": "tier", "key": "2"}, {"type": "user", "key": "ana"}]}
    made = await client.post("/policies", json=policy("calls", steps=[step]))
    assert (made.status_code, made.json()["steps"][0]["targets"]) == (201, step["targets"])
    async with engine.connect() as conn:
        policy_id = (await conn.execute(text("SELECT id FROM escalation_policies WHERE key = 'calls'"))).scalar_one()
        copied = (await copy_store.copies(conn, [policy_id]))[policy_id]
        assert copied["steps"][0]["targets"][0] == {"type": "tier", "id": 2}
        await conn.execute(text("UPDATE services SET policy_id = :id WHERE key = 'checkout'"), {"id": policy_id})
        assert await tier_store.unmet(conn, 9) == [("checkout", 2)]
    tiers = [{"service": "checkout", "tier": 2, "policy": "calls"}]
    assert (await client.put("/support-tiers", json={"tiers": tiers})).is_success
    async with engine.connect() as conn:
        await conn.execute(text("UPDATE services SET policy_id = :id WHERE key = 'checkout'"), {"id": policy_id})
        assert await tier_store.unmet(conn, 9) == []


async def test_only_admins_say_who_is_informed_and_what_is_called(client: httpx.AsyncClient) -> None:
    as_person(client, "ben")
    assert (await client.post("/webhooks", json=HOOK)).status_code == 403
    assert (await client.put("/support-tiers", json={"tiers": []})).status_code == 403
    assert (await client.put("/escalation-matrix", json={"rows": []})).status_code == 403
    assert (await client.get("/escalation-matrix")).status_code == 200


async def test_a_ladder_copies_the_legs_that_follow(client: httpx.AsyncClient, engine: AsyncEngine) -> None:
    for key, following in (("third", None), ("second", "third"), ("first", "second")):
        await client.post("/policies", json=policy(key, hand_over_to=following))
    async with engine.connect() as conn:
        first = (await conn.execute(text("SELECT id FROM escalation_policies WHERE key = 'first'"))).scalar_one()
        copy = (await copy_store.copies(conn, [first]))[first]
    assert [leg["key"] for leg in copy["chain"]] == ["second", "third"]
    assert set(copy["steps"][0]) == {"delay_s", "targets"}, "what is usual is not copied"

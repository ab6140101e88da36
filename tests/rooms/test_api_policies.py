"""`/policies` and `/last-resort` through HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from api_client import api, as_person
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.web.api import policies

EDIT: dict[str, Any] = {
    "name": "Checkout",
    "team": "payments",
    "repeats": 1,
    "steps": [{"delay_s": 300, "targets": [{"type": "user", "key": "ana"}, {"type": "team", "key": "payments"}]}],
}
POLICY = {"key": "checkout"} | EDIT


@pytest.fixture
async def client(engine: AsyncEngine, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with api(engine, tmp_path, policies.router) as client:
        yield client


async def test_create_read_edit_delete(client: httpx.AsyncClient) -> None:
    created = await client.post("/policies", json=POLICY)
    assert (created.status_code, created.headers["location"]) == (201, "/api/v1/policies/checkout")
    usual = {"whom": "everyone", "acknowledge": "any", "when": None}
    steps = [step | usual for step in POLICY["steps"]]
    assert created.json() | POLICY | {"steps": steps} == created.json()
    assert (await client.get("/policies/checkout")).json() == created.json()
    assert [p["key"] for p in (await client.get("/policies")).json()["items"]] == ["checkout"]
    edited = await client.put("/policies/checkout", json=EDIT | {"repeats": 2}, headers={"If-Match": '"1"'})
    assert (edited.json()["repeats"], edited.headers["etag"]) == (2, '"2"')
    outdated = await client.put("/policies/checkout", json=EDIT, headers={"If-Match": '"1"'})
    assert (outdated.status_code, outdated.json()["code"]) == (412, "outdated")
    assert (await client.delete("/policies/checkout")).status_code == 204
    assert (await client.put("/policies/checkout", json=EDIT)).status_code == 404


async def test_a_policy_in_use_says_where(client: httpx.AsyncClient, engine: AsyncEngine) -> None:
    await client.post("/policies", json=POLICY)
    async with engine.begin() as conn:
        await conn.execute(text("UPDATE services SET policy_id = (SELECT id FROM escalation_policies)"))
    answer = (await client.delete("/policies/checkout")).json()
    assert (answer["code"], answer["used_by"]) == ("in_use", [{"type": "service", "key": "checkout"}])


@pytest.mark.parametrize(
    ("steps", "field"),
    [
        ([], "steps"),
        ([{"delay_s": 300, "targets": []}], "steps[0].targets"),
        ([{"delay_s": 29, "targets": [{"type": "user", "key": "ana"}]}], "steps[0].delay_s"),
        ([{"delay_s": 30, "targets": [{"type": "user", "key": "eve"}]}], "steps[0].targets[0].key"),
        ([{"delay_s": 30, "targets": [{"type": "pager", "key": "ana"}]}], "steps[0].targets[0].type"),
    ],
)
async def test_errors_name_their_fields(client: httpx.AsyncClient, steps: Any, field: str) -> None:
    answer = await client.post("/policies", json=POLICY | {"steps": steps})
    assert answer.status_code == 422
    assert [e["field"] for e in answer.json()["errors"]] == [field]


async def test_managers_edit_what_belongs_to_their_team(client: httpx.AsyncClient) -> None:
    as_person(client, "ben")
    assert (await client.post("/policies", json=POLICY)).status_code == 201
    assert (await client.put("/policies/checkout", json=EDIT | {"team": None})).status_code == 403
    assert (await client.post("/policies", json=POLICY | {"key": "other", "team": None})).status_code == 403
    assert (await client.put("/last-resort", json={"targets": [{"type": "user", "key": "ana"}]})).status_code == 403
    as_person(client, "ana")
    assert (await client.delete("/policies/checkout")).status_code == 403


async def test_the_last_resort_cannot_be_nobody(client: httpx.AsyncClient) -> None:
    assert (await client.get("/last-resort")).json() == {"targets": []}
    wanted = {"targets": [{"type": "user", "key": "cara"}, {"type": "team", "key": "payments"}]}
    assert (await client.put("/last-resort", json=wanted)).json() == wanted
    assert (await client.get("/last-resort")).json() == wanted
    assert (await client.put("/last-resort", json={"targets": []})).status_code == 422

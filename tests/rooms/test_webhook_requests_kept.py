"""Webhooks with requests of their own, over the API: checked, shown, kept without their secrets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from api_client import api
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.access.secrets import Secrets
from app.configuration import commands, document, yaml_text
from app.db.engine import transaction
from app.escalation import webhooks
from app.settings import Settings
from app.web.api import webhook_calls as calls
from app.web.api import webhooks as routes

JIRA: dict[str, Any] = {
    "key": "jira",
    "name": "Jira",
    "address": "https://example.atlassian.net/rest/api/2/issue",
    "request": {
        "headers": {"Authorization": "Basic {secret.token}"},
        "json": {"fields": {"summary": "{incident.title}", "number": "{incident.number}"}},
    },
    "when": {"happens": ["resolved", "triggered"], "priority_at_least": 2},
    "secrets": {"token": "hush-hush"},
}


async def test_what_is_kept_is_shown_without_its_secrets(engine: AsyncEngine, tmp_path: Path) -> None:
    async with api(engine, tmp_path, routes.router) as client:
        made = await client.post("/webhooks", json=JIRA)
        assert made.status_code == 201, made.text
        read = (await client.get("/webhooks/jira")).json()
        without = {k: v for k, v in read.items() if k in ("request", "when", "secrets", "missing_secrets")}
        assert without == {
            "request": {"method": "POST", "form": None, "text": None, **JIRA["request"]},
            "when": {"happens": ["triggered", "resolved"], "services": None, "teams": None, "priority_at_least": 2},
            "secrets": ["token"],
            "missing_secrets": [],
        }
        other = {"name": "Jira", "request": {"json": {"a": "{secret.token}{secret.other}"}}}
        edited = await client.put("/webhooks/jira", json=other)
        assert (edited.json()["missing_secrets"], edited.json()["when"]) == (["other"], None)
        given = await client.put("/webhooks/jira/secrets", json={"secrets": {"other": "more", "token": None}})
        assert (given.json()["secrets"], given.json()["missing_secrets"]) == (["other"], ["token"])
        listed = await client.get("/webhooks")
        assert "hush" not in made.text + listed.text
    async with transaction(engine) as (conn, _):
        audited = (await conn.execute(text("SELECT CAST(after AS text) FROM audit_records"))).scalars().all()
        assert not any("hush" in (said or "") for said in audited)
        [row] = (await conn.execute(text("SELECT id, sealed_secrets FROM webhooks"))).all()
    secrets = Secrets.load(Settings(data_dir=tmp_path))
    assert b"more" not in bytes(row.sealed_secrets)
    assert webhooks.opened(secrets, row.id, bytes(row.sealed_secrets)) == {"other": "more"}
    assert webhooks.opened(secrets, row.id + 1, bytes(row.sealed_secrets)) == {}, "it is sealed for this one"


async def test_what_cannot_be_right_is_refused_where_it_stands(engine: AsyncEngine, tmp_path: Path) -> None:
    async with api(engine, tmp_path, routes.router) as client:
        for wrong, field in (
            ({"request": {"json": {"a": [{"b": "{incident.titel}"}]}}}, "request.json.a[0].b"),
            ({"request": {"headers": {"Host": "x"}}}, "request.headers.Host"),
            ({"request": {"method": "GET"}}, "request.method"),
            ({"request": {"json": {}, "form": {}}}, "request.form"),
            ({"when": {"happens": ["exploded"]}}, "when.happens[0]"),
            ({"when": {"happens": []}}, "when.happens"),
            ({"when": {"happens": ["closed"], "services": ["nowhere"]}}, "when.services[0]"),
            ({"when": {"happens": ["closed"], "teams": ["nobody"]}}, "when.teams[0]"),
            ({"secrets": {"UP": "x"}}, "secrets.UP"),
            ({"secrets": {"up": "x\ny"}}, "secrets.up"),
        ):
            refused = await client.post("/webhooks", json=JIRA | wrong)
            assert refused.status_code == 422, wrong
            assert [e["field"] for e in refused.json()["errors"]] == [field], refused.text
        assert (await client.get("/webhooks")).json()["items"] == []


async def test_a_preview_sends_nothing_and_hides_secrets(engine: AsyncEngine, tmp_path: Path) -> None:
    async with api(engine, tmp_path, calls.router) as client:
        shown = await client.post("/webhooks/try", json={"request": JIRA["request"], "happening": "closed"})
        usual = await client.post("/webhooks/try", json={})
        wrong = await client.post("/webhooks/try", json={"request": {"json": {"a": "{x}"}}})
    assert shown.status_code == 200, shown.text
    told = shown.json()
    assert json.loads(told["body"]) == {"fields": {"summary": "HighErrorRate", "number": 42}}
    assert (told["headers"]["Authorization"], told["secrets"], told["incident"]) == ("Basic ***", ["token"], None)
    assert json.loads(usual.json()["body"])["type"] == "incident.triggered"
    assert [e["field"] for e in wrong.json()["errors"]] == ["request.json.a"]


async def test_export_and_apply_carry_all_but_secrets(engine: AsyncEngine, tmp_path: Path) -> None:
    async with api(engine, tmp_path, routes.router) as client:
        await client.post("/webhooks", json=JIRA)
    async with transaction(engine) as (conn, now):
        exported = document.plain(await commands.export(conn))
        written = yaml_text.write(exported)
        assert "hush" not in written
        assert exported["webhooks"] == [
            {
                "key": "jira",
                "name": "Jira",
                "request": JIRA["request"],
                "when": {"happens": ["triggered", "resolved"], "priority_at_least": 2},
            }
        ]
        assert "webhooks/jira/secrets" in exported["secrets"]
        again = document.parse(yaml_text.read(written))
        applied = await commands.apply(conn, now, again, prune=False, actor="user:cara", channels={}, sources=())
        assert applied.changes == []

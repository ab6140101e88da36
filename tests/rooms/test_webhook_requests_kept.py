"""Webhooks with requests of their own, over the API and on screens: checked, shown, kept without their secrets."""

from __future__ import annotations

import json
from html import unescape
from pathlib import Path
from typing import Any

from api_client import api
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from test_screens_escalation import furnish, get, send
from whole import Whole

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


async def test_the_screen_of_a_webhook(house: Whole) -> None:
    await furnish(house)
    path = "/escalation/webhooks"
    await send(house, path, "cara", {"name": "Jira", "address": "https://jira.example.org/x"})
    form = {
        "kind": "json", "method": "POST", "headers": "Authorization: Basic {secret.token}\n", "services": "",
        "body": '{"summary": "<b>{incident.title}</b>"}', "happens": ["triggered", "closed"], "priority": "2",
    }  # fmt: skip
    shown = await send(house, f"{path}/jira/request", "cara", form, version="2", press="preview")
    assert shown.status_code == 200
    assert '{"summary":"<b>HighErrorRate</b>"}' in unescape(shown.text)
    assert "<b>HighErrorRate</b>" not in shown.text
    assert "Basic ***" in shown.text
    assert "nothing is saved" in shown.text
    for wrong, field in (
        ({"body": "{"}, "body"), ({"body": '{"a": "{titel}"}'}, "body"), ({"headers": "none"}, "headers"),
        ({"services": "nowhere"}, "services"), ({"happens": []}, "happens"),
    ):  # fmt: skip
        answer = await send(house, f"{path}/jira/request", "cara", form | wrong, version="2")
        assert answer.status_code == 422, wrong
        assert f'id="wrong-{field}"' in answer.text, wrong
    assert (await send(house, f"{path}/jira/request", "cara", form, version="2")).status_code == 303
    assert (await send(house, f"{path}/jira/request", "cara", form, version="2")).status_code == 412
    seen = unescape(await get(house, f"{path}/jira"))
    assert "Nobody gave the value of token: it cannot be called." in seen
    given = await send(house, f"{path}/jira/secrets", "cara", {"secret": "token", "value": "hush-hush"})
    assert given.status_code == 303
    seen = unescape(await get(house, f"{path}/jira"))
    assert "It has values of token." in seen
    assert "hush" not in seen
    await send(house, f"{path}/jira", "cara", {"name": "Tickets"}, version="4")
    [row] = await house.rows("SELECT name, request, address_shown FROM webhooks")
    assert (row.name, row.request["json"]) == ("Tickets", {"summary": "<b>{incident.title}</b>"}), "another name only"
    for action in ("request", "secrets"):
        assert (await send(house, f"{path}/jira/{action}", "ben", form, version="5")).status_code == 403
    assert "read only" in await get(house, f"{path}/jira", "ana")

"""Addresses of webhooks: sealed, shown without their secrets, and what happens while one is missing or unreadable."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
from api_client import api
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from test_channels_webhook import message

from app.access.links import Links
from app.access.secrets import Secrets
from app.channels.channel import SendFailed
from app.channels.webhook import WebhookChannel
from app.configuration import commands, document, yaml_text
from app.db.engine import transaction
from app.escalation import reach, webhook_store, webhooks
from app.escalation.policy_copy import Target
from app.escalation.webhook_documents import WebhookDocument
from app.settings import Settings
from app.web.api import webhooks as routes

ACTOR = "user:cara"
ADDRESS = "https://chat.example.org:8443/hooks/T0/5f3a?token=hush"


def secrets_of(path: Path) -> Secrets:
    return Secrets.load(Settings(data_dir=path))


async def test_an_address_is_kept_sealed_and_shown_without_its_secret(conn: AsyncConnection, now: datetime,
                                                                      tmp_path: Path) -> None:  # fmt: skip
    secrets = secrets_of(tmp_path)
    await webhooks.create(conn, now, WebhookDocument(key="chat", name="Chat"), actor=ACTOR)
    await webhooks.set_address(conn, now, "chat", ADDRESS, secrets, actor=ACTOR)
    row = (await conn.execute(text("SELECT * FROM webhooks"))).one()
    assert (row.url, row.address_shown, row.version) == (None, "https://chat.example.org:8443/…", 2)
    assert b"hush" not in bytes(row.sealed_address)
    assert Links(secrets).unsealed(webhooks.label(row.id), bytes(row.sealed_address)) == ADDRESS
    audited = (await conn.execute(text("SELECT CAST(after AS text) AS after FROM audit_records"))).scalars().all()
    assert audited
    assert not any("hush" in (said or "") for said in audited)


async def test_a_start_seals_what_an_older_version_kept(conn: AsyncConnection, now: datetime, tmp_path: Path) -> None:
    secrets = secrets_of(tmp_path)
    await webhooks.create(conn, now, WebhookDocument(key="chat", name="Chat"), actor=ACTOR)
    await conn.execute(text("UPDATE webhooks SET url = :url"), {"url": ADDRESS})
    await webhooks.seal_plain(conn, now, secrets)
    row = (await conn.execute(text("SELECT * FROM webhooks"))).one()
    assert row.url is None
    assert Links(secrets).unsealed(webhooks.label(row.id), bytes(row.sealed_address)) == ADDRESS
    await webhooks.seal_plain(conn, now, secrets)
    assert (await conn.execute(text("SELECT version FROM webhooks"))).scalar_one() == row.version, "once"


async def test_one_without_an_address_is_not_called_and_that_is_said(conn: AsyncConnection, now: datetime) -> None:
    stored = await webhooks.create(conn, now, WebhookDocument(key="chat", name="Chat"), actor=ACTOR)
    target = Target("webhook", stored.id)
    found = (await reach.town(conn, [target], [], now)).find([target])
    assert (found.webhooks, found.because) == ((), "the webhook Chat has no address")
    assert await webhook_store.shown(conn, now, ["chat"]) == {"chat": ("", None)}


async def test_one_that_was_sealed_under_another_key_fails_for_good(tmp_path: Path) -> None:
    channel = WebhookChannel(Settings(data_dir=tmp_path))
    try:
        with pytest.raises(SendFailed, match="sealed under another secret key: give it again") as failed:
            await channel.send(replace(message(1), to=""))
        assert failed.value.permanent
    finally:
        await channel.close()


async def test_a_test_of_one_without_an_address_is_refused(engine: AsyncEngine, tmp_path: Path) -> None:
    async with api(engine, tmp_path, routes.router) as client:
        made = await client.post("/webhooks", json={"key": "chat", "name": "Chat"})
        refused = await client.post("/webhooks/chat/test")
    assert (made.status_code, made.json()["address"]) == (201, "")
    assert (refused.status_code, refused.json()["code"]) == (409, "no_address")


async def test_an_export_names_the_address_and_does_not_hold_it(engine: AsyncEngine, tmp_path: Path) -> None:
    secrets = secrets_of(tmp_path)
    async with transaction(engine) as (conn, now):
        await webhooks.create(conn, now, WebhookDocument(key="chat", name="Chat"), actor=ACTOR)
        await webhooks.set_address(conn, now, "chat", ADDRESS, secrets, actor=ACTOR)
        exported = document.plain(await commands.export(conn))
    assert exported["webhooks"] == [{"key": "chat", "name": "Chat"}]
    assert "webhooks/chat/address" in exported["secrets"]
    assert "hush" not in yaml_text.write(exported)

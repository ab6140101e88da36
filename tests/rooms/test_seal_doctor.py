"""What `tocsin doctor` says after the secret key was changed."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
from rows import cast
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.access import signing
from app.access.sealing import AddressSealing
from app.access.secrets import Secrets
from app.channels.secret_addresses import Keeper
from app.cli import seal_checks
from app.directory import contact_store
from app.settings import Settings

OURS, OTHERS = Secrets(b"k" * 40), Secrets(b"x" * 40)
INTEGRATION = text("""
    INSERT INTO integrations (key, name, source, service_id, created_at, updated_at)
    VALUES (:key, :key, 'grafana', :service, :now, :now)
""")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path, secret_key="k" * 40)


async def told(conn: AsyncConnection, now: datetime, settings: Settings) -> dict[str, str]:
    found = [f async for f in seal_checks.of_content(settings, conn, now)]
    assert {f.state for f in found} <= {"problem"}
    return {f.check: f.detail for f in found}


async def test_who_refuses_all_it_is_sent_is_named(conn: AsyncConnection, now: datetime, settings: Settings) -> None:
    shop = (await cast(conn, now))["checkout"]
    for key, sealed_under in (("plain", ()), ("right", (OTHERS, OURS)), ("lost", (OTHERS,))):
        await conn.execute(INTEGRATION, {"key": key, "service": shop, "now": now})
        for secrets in sealed_under:
            await signing.put(conn, now, secrets, key, "s3cr3t of Grafana", actor="cli")
    assert await told(conn, now, settings) == {
        "signing secrets": "refuse all they are sent, their signing secret was sealed under another secret key: lost"
    }
    assert await told(conn, now, replace(settings, secret_key="")) == {}, "what is sealed cannot be judged without"
    await conn.execute(text("UPDATE integrations SET enabled = false WHERE key = 'lost'"))
    assert await told(conn, now, settings) == {}


async def test_whose_address_cannot_be_read_is_named(conn: AsyncConnection, now: datetime, settings: Settings) -> None:
    ana = (await cast(conn, now))["ana"]
    for topic, secrets in (("one", OURS), ("two", OTHERS)):
        name = f"ntfy.example.org #{topic * 2:0<8}"
        sealed = Keeper("ntfy", AddressSealing(secrets)).seal(name, f"https://ntfy.example.org/{topic}")
        assert await contact_store.insert_method(
            conn, now, ana, channel="ntfy", address=name, label="", verified_at=now, sealed_address=sealed
        )
    found = await told(conn, now, settings)
    assert list(found) == ["contact methods"]
    assert found["contact methods"].endswith("another secret key: ana (ntfy ntfy.example.org #twotwo00)")

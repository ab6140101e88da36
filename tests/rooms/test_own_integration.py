"""The integration that Tocsin makes by itself: in no export, not removed by an apply, not edited away by mistake."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from api_client import api
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.configuration import commands, document
from app.db.engine import transaction
from app.directory import integrations
from app.directory.documents import IntegrationDocument
from app.errors import Invalid
from app.heartbeats import own
from app.heartbeats.commands import resolve
from app.heartbeats.documents import HeartbeatDocument
from app.heartbeats.own import INTEGRATION, Sign
from app.ingest.adapters import ADAPTERS
from app.web.api import integrations as integrations_api

TOWN = {
    "organisation": {"name": "Example Inc", "time_zone": "UTC"},
    "services": [{"key": "pager", "name": "Pager"}, {"key": "shop", "name": "Shop"}],
    "integrations": [{"key": "prom", "name": "Prometheus", "source": "alertmanager", "service": "shop"}],
}
SIGN = Sign("peer", "silent", "PeerUnwell", "The peer is silent", "It does not answer.", "critical", {"peer": "b"})
HOW: dict[str, Any] = {"actor": "user:cara", "channels": {}, "sources": ADAPTERS}


async def noticed(conn: AsyncConnection, now: datetime) -> None:
    await commands.apply(conn, now, document.parse(TOWN), prune=False, **HOW)
    assert await own.notice(conn, now, SIGN, "pager")


async def test_it_is_not_exported_and_a_round_trip_with_prune_leaves_it(conn: AsyncConnection, now: datetime) -> None:
    await noticed(conn, now)
    exported = await commands.export(conn)
    assert [i.key for i in exported.integrations or []] == ["prom"]
    again = await commands.apply(conn, now, exported, prune=True, **HOW)
    assert (again.changes, again.kept) == ([], [])
    none = document.parse({"integrations": []})
    pruned = await commands.apply(conn, now, none, prune=True, **HOW)
    assert [(c.action, c.key) for c in pruned.changes] == [("delete", "prom")]
    stored = await integrations.read(conn, INTEGRATION)
    assert (stored.document.service, stored.document.enabled) == ("pager", True)
    assert await own.settle(conn, now, "peer"), "and it still says so"


async def test_no_document_can_name_it_nor_a_heartbeat_use_it(conn: AsyncConnection, now: datetime) -> None:
    await noticed(conn, now)
    mine = IntegrationDocument(key=INTEGRATION, name="Mine", source="generic", service="shop")
    with pytest.raises(Invalid) as refused:
        await integrations.create(conn, now, mine, ADAPTERS, actor="user:cara")
    assert refused.value.errors[0]["field"] == "key"
    wanted = document.parse({"integrations": [mine.model_dump(mode="json")]})
    with pytest.raises(Invalid, match="Tocsin's own"):
        await commands.apply(conn, now, wanted, prune=False, **HOW)
    beat = HeartbeatDocument(key="b", name="B", integration=INTEGRATION, interval_s=60)
    with pytest.raises(Invalid, match="Tocsin's own"):
        await resolve(conn, beat, INTEGRATION)


@pytest.fixture
async def client(engine: AsyncEngine, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with api(engine, tmp_path, integrations_api.router) as client:
        async with transaction(engine) as (conn, now):
            await noticed(conn, now)
        yield client


async def test_it_can_be_disabled_and_nothing_else(client: httpx.AsyncClient) -> None:
    path = f"/integrations/{INTEGRATION}"
    read = (await client.get(path)).json()
    edit = {name: read[name] for name in ("name", "service", "ignored_labels", "enabled")}
    disabled = await client.put(path, json=edit | {"enabled": False})
    assert (disabled.status_code, disabled.json()["enabled"]) == (200, False)
    for wrong in (
        await client.put(path, json=edit | {"service": "shop"}),
        await client.put(path, json=edit | {"name": "Another"}),
        await client.delete(path),
        await client.post(f"{path}/rotate", json={}),
    ):
        assert (wrong.status_code, wrong.json()["code"]) == (409, "own"), wrong.text
    assert (await client.put(path, json=edit)).json()["enabled"] is True

"""The whole service on a real socket: a database of its own, one integration of every source, keys for everybody.

To start it takes longer than most questions to it, so a file of tests shares one: `shared` and, between tests, `clear`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
from api_client import KEYS, MANAGER, PEOPLE
from databases import TestServer
from rows import cast
from served import bound, served
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.access import identify
from app.db import engine as db
from app.db.engine import transaction
from app.ingest.adapters import ADAPTERS
from app.main import Tocsin
from app.settings import Settings

INTEGRATIONS = text("""
    INSERT INTO integrations (key, name, source, service_id, created_at, updated_at)
    SELECT 'checkout-' || source, initcap(source), source, s.id, :now, :now
    FROM unnest(CAST(:sources AS text[])) AS source, services s WHERE s.key = 'checkout'
""")
ROUTING_KEYS = text("""
    INSERT INTO routing_keys (integration_id, key_hash, hint, created_at)
    SELECT i.id, t.hash, 'xxxx', :now
    FROM unnest(CAST(:sources AS text[]), CAST(:hashes AS bytea[])) AS t (source, hash)
    JOIN integrations i ON i.source = t.source
""")
MACHINE = text("""
    INSERT INTO api_keys (key, name, secret_hash, hint, scopes, created_at)
    VALUES ('machine', 'A machine', :hash, 'xxxx', '{read,respond,configure,admin}', :now)
""")
ORGANISATION = text("""
    INSERT INTO organisation (id, name, time_zone, created_at, updated_at) VALUES (1, 'Example', 'UTC', :now, :now)
""")
CLEAR = (
    "TRUNCATE silences, suppression_rules, inhibition_sources, suppression_counts",
    "UPDATE configuration_version SET version = version + 1",
    """TRUNCATE receipts, events, changes, quarantine, alerts, occurrences, incidents, timeline_entries, storms, pacing,
       acknowledgements, ladders, notifications, attempts, link_tokens, idempotency_keys, escalation_targets,
       escalation_steps
       RESTART IDENTITY CASCADE""",
    "UPDATE integrations SET enabled = true, resolve_timeout_s = 300, ignored_labels = '{}'",
    """UPDATE services SET policy_id = NULL, support_hours = NULL,
       team_id = (SELECT id FROM teams WHERE key = 'payments')""",
)


def routing_key(source: str) -> str:
    return f"rk7{source}Zq3"


@dataclass
class Whole:
    """`http` has no credential of its own; `as_person` and `routing_key` make some."""

    tocsin: Tocsin
    url: str
    http: httpx.AsyncClient
    engine: AsyncEngine

    def as_person(self, key: str) -> dict[str, str]:
        return {"Authorization": f"Bearer tocsin_{key}"}

    async def post(
        self, source: str, body: Any, headers: dict[str, str] | None = None, key: str | None = None
    ) -> httpx.Response:
        """To `/v1/intake/{key}/{source}`: bytes as they are, anything else as JSON."""
        path = f"/v1/intake/{key or routing_key(source)}/{source}"
        content = {"content": body} if isinstance(body, bytes) else {"json": body}
        return await self.http.post(path, headers={"Content-Type": "application/json"} | (headers or {}), **content)

    async def receipt(self, receipt_id: str, key: str) -> dict[str, Any]:
        """As the sender itself reads it."""
        answer = await self.http.get(f"/api/v1/receipts/{receipt_id}", headers={"Authorization": f"Bearer {key}"})
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def clear(self) -> None:
        """Nothing has happened yet, and nobody has changed what `furnish` made."""
        async with self.engine.begin() as conn:
            for statement in CLEAR:
                await conn.execute(text(statement))

    async def rows(self, statement: str, **named: Any) -> list[Any]:
        async with self.engine.connect() as conn:
            return list((await conn.execute(text(statement), named)).all())

    async def one(self, statement: str, **named: Any) -> Any:
        """The only value of the only row."""
        [[value]] = await self.rows(statement, **named)
        return value

    async def execute(self, statement: str, **named: Any) -> None:
        async with self.engine.begin() as conn:
            await conn.execute(text(statement), named)


async def furnish(conn: AsyncConnection, now: Any) -> None:
    """The organisation, the cast with an API key each, a machine's, and an integration of every source."""
    await conn.execute(ORGANISATION, {"now": now})
    await cast(conn, now)
    await conn.execute(MANAGER)
    hashes = [identify.hashed(f"tocsin_{person}") for person in PEOPLE]
    await conn.execute(KEYS, {"now": now, "users": list(PEOPLE), "hashes": hashes})
    await conn.execute(MACHINE, {"now": now, "hash": identify.hashed("tocsin_machine")})
    sources = sorted(ADAPTERS)
    await conn.execute(INTEGRATIONS, {"now": now, "sources": sources})
    keys = [identify.hashed(routing_key(source)) for source in sources]
    await conn.execute(ROUTING_KEYS, {"now": now, "sources": sources, "hashes": keys})


@asynccontextmanager
async def whole(database_url: str, directory: Path, **settings: Any) -> AsyncIterator[Whole]:
    """Only the role `web` unless told otherwise: nothing climbs and nobody is told."""
    given = replace(Settings(data_dir=directory, roles=("web",), secret_key="k" * 40), **settings)
    engine = db.create(database_url, size=2)
    tocsin = Tocsin(given, database_url)
    async with tocsin.running():
        async with transaction(engine) as (conn, now):
            await furnish(conn, now)
        with bound() as (listening, url):
            async with served(tocsin.asgi, listening), httpx.AsyncClient(base_url=url, timeout=30) as http:
                yield Whole(tocsin, url, http, engine)
    await engine.dispose()


@asynccontextmanager
async def shared(server: TestServer, directory: Path, **settings: Any) -> AsyncIterator[Whole]:
    """`whole` on a database of its own, for the tests of a file."""
    url = await server.clone()
    async with whole(url, directory, **settings) as running:
        yield running
    await server.drop(url)

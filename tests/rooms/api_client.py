"""The JSON API on a database of the test's own, with the cast and one API key for each of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import httpx
from fastapi import APIRouter, FastAPI
from rows import cast
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.access import identify
from app.access.secrets import Secrets
from app.channels.channel import Channel
from app.db.engine import transaction
from app.settings import Settings
from app.web import dependencies, problems

KEYS = text("""
    INSERT INTO api_keys (key, name, secret_hash, hint, scopes, user_id, created_at)
    SELECT u.key || '-key', u.name, k.hash, 'xxxx', '{read,respond,configure,admin}', u.id, :now
    FROM unnest(CAST(:users AS text[]), CAST(:hashes AS bytea[])) AS k (key, hash) JOIN users u ON u.key = k.key
""")
MANAGER = text("""
    WITH r AS (UPDATE users SET role = 'manager' WHERE key = 'ben' RETURNING id)
    INSERT INTO team_members (team_id, user_id, role) SELECT t.id, r.id, 'manager' FROM teams t, r
""")
PEOPLE = ("ana", "ben", "cara", "dan")


@asynccontextmanager
async def api(
    engine: AsyncEngine,
    directory: Path,
    *routers: APIRouter,
    settings: Settings | None = None,
    channels: Mapping[str, Channel] | None = None,
) -> AsyncIterator[httpx.AsyncClient]:
    """A client that is Cara, the admin; `as_person` makes it somebody else. Ben manages the team payments."""
    async with transaction(engine) as (conn, now):
        await cast(conn, now)
        await conn.execute(MANAGER)
        hashes = [identify.hashed(f"tocsin_{person}") for person in PEOPLE]
        await conn.execute(KEYS, {"now": now, "users": list(PEOPLE), "hashes": hashes})
    app = FastAPI()
    settings = replace(settings or Settings(data_dir=directory), data_dir=directory)
    secrets = Secrets.load(settings)
    dependencies.install(app, engine=engine, settings=settings, secrets=secrets, channels=channels or {})
    problems.install(app)
    for router in routers:
        app.include_router(router, prefix="/api/v1")
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://tocsin.test/api/v1") as client:
        yield as_person(client, "cara")


def as_person(client: httpx.AsyncClient, person: str) -> httpx.AsyncClient:
    client.headers["Authorization"] = f"Bearer tocsin_{person}"
    return client

"""Databases for tests: real PostgreSQL, cloned from a migrated template.

TOCSIN_TEST_DATABASE_URL names a server to use (any database on it that one may connect to, by a role that may create
databases); without it every pytest process starts an embedded one that forgets. TOCSIN_TEST_POSTGRES_BINDIR makes that
one another version: `TOCSIN_TEST_POSTGRES_BINDIR=/usr/lib/postgresql/15/bin pytest tests/rooms tests/migrations`.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from datetime import datetime

import pytest
from databases import TestServer, forgetful
from hypothesis import HealthCheck, settings
from kept_logs import logs_as_they_were
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app import clock
from app.db import engine as db_engine

settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")  # no test is about time: the machine may be doing anything else


@pytest.fixture(autouse=True)
def _logs() -> Iterator[None]:
    with logs_as_they_were():
        yield


@pytest.fixture(scope="session")
def server() -> Iterator[TestServer]:
    if given := os.environ.get("TOCSIN_TEST_DATABASE_URL"):
        server = TestServer(given)
        yield server
        asyncio.run(server.drop_template())
        return
    with forgetful(os.environ.get("TOCSIN_TEST_POSTGRES_BINDIR", "")) as server:
        yield server


@pytest.fixture
async def database_url(server: TestServer) -> AsyncIterator[str]:
    """A migrated database of the test's own."""
    url = await server.clone()
    yield url
    await server.drop(url)


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    engine = db_engine.create(database_url, size=5)
    yield engine
    await engine.dispose()


@pytest.fixture
async def shared_engine(server: TestServer) -> AsyncIterator[AsyncEngine]:
    """One database for all tests that roll back. Nothing may be committed through it."""
    engine = db_engine.create(await server.common(), size=1)
    yield engine
    await engine.dispose()


@pytest.fixture
async def conn(shared_engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """A transaction that is rolled back when the test ends."""
    async with shared_engine.connect() as conn:
        transaction = await conn.begin()
        yield conn
        await transaction.rollback()


@pytest.fixture
async def now(conn: AsyncConnection) -> datetime:
    return await clock.read(conn)

"""Databases for tests: real PostgreSQL, cloned from a migrated template.

TOCSIN_TEST_DATABASE_URL names a server to use (any database on it that one may connect to, by a role that may create
databases); without it every pytest process starts an embedded one that forgets.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from datetime import datetime
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app import clock
from app.db import engine as db_engine
from app.db import migrate
from app.db.embedded import EmbeddedServer


class TestServer:
    """One PostgreSQL for a pytest process, and the migrated template in it."""

    __test__ = False

    def __init__(self, url: str) -> None:
        self.url = make_url(url)
        self.template = f"tocsin_template_{uuid4().hex[:12]}"
        asyncio.run(self._make_template())

    def address(self, database: str) -> str:
        return self.url.set(database=database).render_as_string(hide_password=False)

    async def _execute(self, statement: str) -> None:
        engine = db_engine.create(self.address(self.url.database or "postgres"), size=1)
        async with engine.connect() as conn:
            await conn.execution_options(isolation_level="AUTOCOMMIT")
            await conn.execute(text(statement))
        await engine.dispose()

    async def _make_template(self) -> None:
        await self._execute(f"CREATE DATABASE {self.template}")
        engine = db_engine.create(self.address(self.template), size=1)
        await migrate.upgrade(engine)
        await engine.dispose()

    async def clone(self) -> str:
        name = f"tocsin_test_{uuid4().hex[:12]}"
        await self._execute(f"CREATE DATABASE {name} TEMPLATE {self.template}")
        return self.address(name)

    async def empty(self) -> str:
        name = f"tocsin_test_{uuid4().hex[:12]}"
        await self._execute(f"CREATE DATABASE {name}")
        return self.address(name)

    async def drop(self, url: str) -> None:
        await self._execute(f"DROP DATABASE IF EXISTS {make_url(url).database} WITH (FORCE)")

    async def drop_template(self) -> None:
        await self._execute(f"DROP DATABASE IF EXISTS {self.template} WITH (FORCE)")


@pytest.fixture(scope="session")
def server() -> Iterator[TestServer]:
    if given := os.environ.get("TOCSIN_TEST_DATABASE_URL"):
        server = TestServer(given)
        yield server
        asyncio.run(server.drop_template())
        return
    with tempfile.TemporaryDirectory(prefix="tocsin-test-", ignore_cleanup_errors=True) as directory:
        Path(directory).chmod(0o755)
        embedded = EmbeddedServer(Path(directory) / "data", durable=False)
        url = asyncio.run(embedded.start())
        yield TestServer(url)
        asyncio.run(embedded.stop())


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
    """The template itself, for tests that roll back. Nothing may be committed through it."""
    engine = db_engine.create(server.address(server.template), size=1)
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

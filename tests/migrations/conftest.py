"""Migrations are tried on the server of the suite and, where it is installed, on the oldest version we support."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from databases import TestServer, forgetful
from sqlalchemy.ext.asyncio import AsyncEngine

from app.db import engine as db_engine

OLDEST = Path("/usr/lib/postgresql/15/bin")


@pytest.fixture(scope="session")
def oldest_server() -> Iterator[TestServer]:
    if not (OLDEST / "postgres").exists():
        pytest.skip(f"PostgreSQL 15, the oldest version we support, is not installed: there is no {OLDEST}/postgres")
    with forgetful(str(OLDEST)) as server:
        yield server


@pytest.fixture(params=["server", "oldest_server"])
def any_server(request: pytest.FixtureRequest) -> TestServer:
    server: TestServer = request.getfixturevalue(request.param)
    return server


NewDatabase = Callable[[], Awaitable[AsyncEngine]]


@pytest.fixture
async def new_database(any_server: TestServer) -> AsyncIterator[NewDatabase]:
    """Engines of empty databases, dropped afterwards."""
    made: list[tuple[str, AsyncEngine]] = []

    async def make() -> AsyncEngine:
        url = await any_server.empty()
        made.append((url, db_engine.create(url, size=3)))
        return made[-1][1]

    yield make
    for url, engine in made:
        await engine.dispose()
        await any_server.drop(url)

"""A house for the nights of a test: one database, emptied between them."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from databases import TestServer
from nights.house import House


@pytest.fixture
async def house(server: TestServer, database_url: str) -> AsyncIterator[House]:
    house = House(database_url, server.address(server.url.database or "postgres"))
    yield house
    await house.close()

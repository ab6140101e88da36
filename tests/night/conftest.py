"""A house for the nights of a file: one database, emptied between them."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio
from databases import TestServer
from nights.house import House


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(server: TestServer) -> AsyncIterator[House]:
    url = await server.clone()
    house = House(url, server.address(server.url.database or "postgres"))
    yield house
    await house.close()
    await server.drop(url)

"""The whole service, shared by the tests of a file that say `pytestmark = pytest.mark.asyncio(loop_scope="module")`."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from databases import TestServer
from whole import Whole, shared


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def lasting(server: TestServer, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Whole]:
    async with shared(server, tmp_path_factory.mktemp("tocsin")) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def house(lasting: Whole) -> Whole:
    await lasting.clear()
    return lasting

"""PostgreSQL servers for tests, and the migrated template that every test's database is cloned from."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

from sqlalchemy import make_url, text

from app.db import engine as db_engine
from app.db import migrate
from app.db.embedded import EmbeddedServer
from app.db.partitions import keep_house, partitioned


class TestServer:
    """One PostgreSQL for a pytest process, and the migrated template in it."""

    __test__ = False

    def __init__(self, url: str) -> None:
        self.url = make_url(url)
        self.template = f"tocsin_template_{uuid4().hex[:12]}"
        self._common = ""
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
        await keep_house(engine, partitioned(receipts=timedelta(days=14), history=timedelta(days=400)))
        await engine.dispose()

    async def clone(self) -> str:
        name = f"tocsin_test_{uuid4().hex[:12]}"
        await self._execute(f"CREATE DATABASE {name} TEMPLATE {self.template}")
        return self.address(name)

    async def common(self) -> str:
        """A database for tests that roll back. Not the template itself: sequences do not roll back, and a test would
        find other numbers depending on what ran before it."""
        self._common = self._common or await self.clone()
        return self._common

    async def empty(self) -> str:
        name = f"tocsin_test_{uuid4().hex[:12]}"
        await self._execute(f"CREATE DATABASE {name}")
        return self.address(name)

    async def drop(self, url: str) -> None:
        await self._execute(f"DROP DATABASE IF EXISTS {make_url(url).database} WITH (FORCE)")

    async def drop_template(self) -> None:
        if self._common:
            await self.drop(self._common)
        await self._execute(f"DROP DATABASE IF EXISTS {self.template} WITH (FORCE)")


@contextmanager
def forgetful(bindir: str = "") -> Iterator[TestServer]:
    """An embedded server that keeps nothing. `bindir`: PostgreSQL's programs, where not those that come with Tocsin."""
    with tempfile.TemporaryDirectory(prefix="tocsin-test-", ignore_cleanup_errors=True) as directory:
        Path(directory).chmod(0o755)
        embedded = EmbeddedServer(Path(directory) / "data", bindir=bindir, durable=False)
        url = asyncio.run(embedded.start())
        yield TestServer(url)
        asyncio.run(embedded.stop())

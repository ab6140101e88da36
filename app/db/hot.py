"""Statements of hot paths, handed to asyncpg itself: the same connection and transaction, without what SQLAlchemy does
around every execution. That is 150 us, and a batch of intake has a dozen of them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import asyncpg
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

_PARAMETER: Final = re.compile(r"(?<![:\w]):([a-z_]+)")

BATCHES: Final = text("""
    SELECT set_config('plan_cache_mode', 'force_generic_plan', false), set_config('enable_seqscan', 'off', false),
           set_config('enable_hashjoin', 'off', false), set_config('enable_mergejoin', 'off', false),
           set_config('jit', 'off', false)
""")
"""For a connection that only ever runs batches by their keys. Planning costs as much as running them, so it is done
once; and a plan made while the tables were still empty must be one that is right when they are not: by index."""


class Hot:
    """A literal statement with `:name` parameters. PostgreSQL has to see the type of each: write `CAST(:now AS ...)`.

    Run inside a transaction that is under way: reading `now` has begun it. Raises SQLAlchemy's DBAPIError.
    """

    def __init__(self, sql: str) -> None:
        self.names: Final = tuple(dict.fromkeys(_PARAMETER.findall(sql)))
        numbers = {name: n for n, name in enumerate(self.names, 1)}
        self.sql: Final = _PARAMETER.sub(lambda found: f"${numbers[found[1]]}", sql)

    async def rows(self, conn: AsyncConnection, values: Mapping[str, Any]) -> Sequence[Any]:
        """What the statement returns: tuples that also know their columns' names."""
        driver = _driver(conn)
        try:
            return await driver.fetch(self.sql, *[values[name] for name in self.names])  # type: ignore[no-any-return]
        except (asyncpg.PostgresError, asyncpg.InterfaceError) as e:
            raise self._told(driver, e) from e

    async def count(self, conn: AsyncConnection, values: Mapping[str, Any]) -> int:
        """How many rows the statement wrote."""
        driver = _driver(conn)
        try:
            tag: str = await driver.execute(self.sql, *[values[name] for name in self.names])
        except (asyncpg.PostgresError, asyncpg.InterfaceError) as e:
            raise self._told(driver, e) from e
        return int(tag.rpartition(" ")[2])

    def _told(self, driver: asyncpg.Connection, error: Exception) -> DBAPIError:
        return DBAPIError(self.sql, None, error, connection_invalidated=driver.is_closed())


def _driver(conn: AsyncConnection) -> asyncpg.Connection:
    sync = conn.sync_connection
    driver = None if sync is None else sync.connection.driver_connection
    if driver is None or not (driver.is_closed() or driver.is_in_transaction()):
        raise RuntimeError("a hot statement runs inside a transaction; read `now` first")
    return driver

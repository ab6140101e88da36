"""Connections that only ever run batches: set up for them, and with transactions that asyncpg begins and ends itself.

To begin, read `now` and commit takes SQLAlchemy 500 us of a batch, asyncpg 150. So SQLAlchemy holds such a connection
to be in autocommit: what it is asked to execute joins the transaction that was begun here.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

import asyncpg
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.db import hot
from app.db.engine import ended

_EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)
"""From when PostgreSQL counts microseconds (its src/include/datatype/timestamp.h)."""
_MICROSECOND: Final = timedelta(microseconds=1)
SETTINGS: Final = text("""
    SELECT set_config('plan_cache_mode', 'force_generic_plan', false), set_config('enable_seqscan', 'off', false),
           set_config('enable_hashjoin', 'off', false), set_config('enable_mergejoin', 'off', false),
           set_config('jit', 'off', false)
""")
"""Planning costs as much as running a batch by its keys, so it is done once; and a plan made while the tables were
still empty must be one that is right when they are not: by index."""


async def connect(engine: AsyncEngine) -> AsyncConnection:
    """A connection for `transaction`. Whoever has it invalidates it at the end: others want other settings."""
    conn = await engine.connect()
    await conn.execution_options(isolation_level="AUTOCOMMIT")
    await conn.execute(SETTINGS)
    await conn.commit()
    await hot.driver(conn).set_type_codec(
        "timestamptz", schema="pg_catalog", format="tuple", encoder=_microseconds, decoder=_instant
    )
    return conn


@asynccontextmanager
async def transaction(conn: AsyncConnection) -> AsyncIterator[None]:
    """Commits at the end, rolls back when the block raises. Raises SQLAlchemy's DBAPIError."""
    driver = hot.driver(conn)
    try:
        await hot.tell(driver, "BEGIN")
        yield
        await hot.tell(driver, "COMMIT")
    except BaseException:
        await _roll_back(driver)
        if conn.in_transaction():
            await conn.rollback()
        ended(conn, committed=False)
        raise
    if conn.in_transaction():  # SQLAlchemy was asked for something as well, and keeps account of it
        await conn.commit()
    ended(conn, committed=True)


def _microseconds(at: datetime) -> tuple[int]:
    return ((at - _EPOCH) // _MICROSECOND,)


@lru_cache(16_384)
def _instant(microseconds: tuple[int]) -> datetime:
    """asyncpg makes each anew, which takes 1.6 us; a repeat brings the start of its alert once more."""
    return _EPOCH + timedelta(microseconds=microseconds[0])


async def _roll_back(driver: asyncpg.Connection) -> None:
    """A connection that cannot even do that is closed: the next batch must not find half a transaction in it."""
    if driver.is_closed() or not driver.is_in_transaction():
        return
    try:
        await driver.execute("ROLLBACK")
    except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError):
        driver.terminate()

"""Transactions of batches: begun and ended without SQLAlchemy, joined by what SQLAlchemy is asked to execute."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.db import batches
from app.db.engine import on_commit
from app.db.hot import Hot

WRITE = text("INSERT INTO kept (body) VALUES (:body)")
WRITE_HOT = Hot("INSERT INTO kept (body) VALUES (CAST(:body AS text))")
KEPT = text("SELECT body FROM kept ORDER BY body")
SAME = Hot("SELECT CAST(:at AS timestamptz)")


@pytest.fixture
async def conn(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    async with engine.begin() as making:
        await making.execute(text("CREATE TABLE kept (body text UNIQUE DEFERRABLE INITIALLY DEFERRED)"))
    conn = await batches.connect(engine)
    yield conn
    await conn.invalidate()
    await conn.close()


async def kept(engine: AsyncEngine) -> list[str]:
    async with engine.connect() as other:
        return list((await other.execute(KEPT)).scalars())


async def test_hot_statements_and_sqlalchemys_are_one_transaction(conn: AsyncConnection, engine: AsyncEngine) -> None:
    async with batches.transaction(conn):
        await WRITE_HOT.write(conn, {"body": "hot"})
        await conn.execute(WRITE, {"body": "sqlalchemy"})
        assert await kept(engine) == []
    assert await kept(engine) == ["hot", "sqlalchemy"]


async def test_what_raises_leaves_nothing_and_the_next_one_begins_anew(
    conn: AsyncConnection, engine: AsyncEngine
) -> None:
    async def fail(*, with_sqlalchemy: bool) -> None:
        async with batches.transaction(conn):
            await WRITE_HOT.write(conn, {"body": "hot"})
            if with_sqlalchemy:
                await conn.execute(WRITE, {"body": "sqlalchemy"})
            raise ValueError("on purpose")

    for with_sqlalchemy in (True, False):
        with pytest.raises(ValueError, match="on purpose"):
            await fail(with_sqlalchemy=with_sqlalchemy)
    async with batches.transaction(conn):
        await WRITE_HOT.write(conn, {"body": "after"})
    assert await kept(engine) == ["after"]


async def test_metrics_count_what_was_committed_and_nothing_else(conn: AsyncConnection) -> None:
    counted: list[str] = []

    async def fail() -> None:
        async with batches.transaction(conn):
            on_commit(conn, lambda: counted.append("rolled back"))
            raise ValueError("on purpose")

    async with batches.transaction(conn):
        on_commit(conn, lambda: counted.append("hot alone"))
        assert counted == []
    async with batches.transaction(conn):
        await conn.execute(WRITE, {"body": "a"})
        on_commit(conn, lambda: counted.append("with sqlalchemy"))
    with pytest.raises(ValueError, match="on purpose"):
        await fail()
    async with batches.transaction(conn):
        pass
    assert counted == ["hot alone", "with sqlalchemy"]


async def test_a_commit_that_is_refused_is_told_and_counts_nothing(conn: AsyncConnection, engine: AsyncEngine) -> None:
    counted: list[str] = []

    async def write_twice() -> None:
        async with batches.transaction(conn):
            for _ in range(2):
                await WRITE_HOT.write(conn, {"body": "twice"})
            on_commit(conn, lambda: counted.append("refused"))

    with pytest.raises(DBAPIError) as refused:
        await write_twice()
    assert getattr(refused.value.orig, "sqlstate", None) == "23505"
    assert (counted, await kept(engine)) == ([], [])


async def test_a_connection_that_is_lost_is_told_as_lost(conn: AsyncConnection, engine: AsyncEngine) -> None:
    async with batches.transaction(conn):
        pid = (await conn.execute(text("SELECT pg_backend_pid()"))).scalar_one()
    async with engine.begin() as other:
        await other.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid})

    async def write() -> None:
        async with batches.transaction(conn):
            await WRITE_HOT.write(conn, {"body": "lost"})

    with pytest.raises((DBAPIError, OSError)) as lost:
        await write()
    assert not isinstance(lost.value, DBAPIError) or lost.value.connection_invalidated
    assert await kept(engine) == []


@pytest.mark.parametrize(
    "at",
    [
        datetime(2026, 11, 22, 10, 0, 0, 123_456, tzinfo=UTC),
        datetime(1971, 1, 1, tzinfo=UTC),
        datetime(2200, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
        datetime(2026, 3, 29, 2, 30, tzinfo=timezone(timedelta(hours=5, minutes=45))),
    ],
)
async def test_instants_come_back_as_they_went(conn: AsyncConnection, at: datetime) -> None:
    async with batches.transaction(conn):
        [(hot,)] = await SAME.rows(conn, {"at": at})
        cold = (await conn.execute(text("SELECT CAST(:at AS timestamptz)"), {"at": at})).scalar_one()
        [(none,)] = await SAME.rows(conn, {"at": None})
    assert (hot, cold, none) == (at, at, None)
    assert hot.tzinfo is UTC

"""Hot statements: the same transaction as everything else, and SQLAlchemy's errors."""

from __future__ import annotations

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app import clock
from app.db.hot import Hot

TWICE = Hot(
    "SELECT CAST(:given AS text) AS given, CAST(:given AS text) || CAST(:more AS text) AS joined, '1'::text AS one"
)


def test_parameters_become_numbers_and_casts_stay():
    assert TWICE.names == ("given", "more")
    assert TWICE.sql.startswith("SELECT CAST($1 AS text) AS given, CAST($1 AS text) || CAST($2 AS text)")
    assert "'1'::text" in TWICE.sql


async def test_they_see_what_the_transaction_wrote_and_go_with_it(engine):
    async with engine.connect() as conn:
        await clock.read(conn)
        await conn.execute(text("CREATE TABLE kept (n integer)"))
        assert await Hot("INSERT INTO kept SELECT unnest(CAST(:n AS integer[]))").count(conn, {"n": [1, 2]}) == 2
        assert [tuple(r) for r in await Hot("SELECT n FROM kept ORDER BY n").rows(conn, {})] == [(1,), (2,)]
        await conn.rollback()
        assert (await conn.execute(text("SELECT to_regclass('kept')"))).scalar_one() is None


async def test_outside_a_transaction_they_are_refused(engine):
    async with engine.connect() as conn:
        with pytest.raises(RuntimeError, match="inside a transaction"):
            await TWICE.rows(conn, {"given": "a", "more": "b"})


async def test_what_goes_wrong_is_told_as_everywhere_else(engine):
    async with engine.connect() as conn:
        await clock.read(conn)
        with pytest.raises(DBAPIError) as failed:
            await Hot("SELECT 1 / CAST(:n AS integer)").rows(conn, {"n": 0})
        assert failed.value.orig.sqlstate == "22012"
        assert not failed.value.connection_invalidated

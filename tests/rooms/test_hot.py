"""Hot statements: the same transaction as everything else, and SQLAlchemy's errors."""

from __future__ import annotations

import json
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from app import clock
from app.db import ids
from app.db.engine import Raced
from app.db.hot import Hot, send, together

TWICE = Hot(
    "SELECT CAST(:given AS text) AS given, CAST(:given AS text) || CAST(:more AS text) AS joined, '1'::text AS one"
)


def test_parameters_become_numbers_and_casts_stay():
    assert TWICE.names == ("given", "more")
    assert TWICE.sql.startswith("SELECT CAST($1 AS text) AS given, CAST($1 AS text) || CAST($2 AS text)")
    assert "'1'::text" in TWICE.sql


INSERT = Hot("INSERT INTO kept SELECT unnest(CAST(:n AS integer[]))")
NUMBERS = Hot("SELECT n FROM kept ORDER BY n")


@asynccontextmanager
async def kept(engine) -> AsyncIterator[AsyncConnection]:
    """A connection in a transaction with a table of its own, which goes away again."""
    async with engine.connect() as conn:
        await clock.read(conn)
        await conn.execute(text("CREATE TABLE kept (n integer)"))
        yield conn
        await conn.rollback()
        assert (await conn.execute(text("SELECT to_regclass('kept')"))).scalar_one() is None


async def numbers(conn: AsyncConnection) -> list[int]:
    return [n for (n,) in await NUMBERS.rows(conn, {})]


async def test_they_see_what_the_transaction_wrote_and_go_with_it(engine):
    async with kept(engine) as conn:
        await INSERT.write(conn, {"n": [1, 2]}, rows=2)
        assert await numbers(conn) == [1, 2]


async def test_writes_wait_for_each_other_and_are_sent_as_one(engine):
    async with kept(engine) as conn:
        async with together(conn):
            await INSERT.write(conn, {"n": [1]})
            await INSERT.write(conn, {"n": [2, 3]}, rows=2)
            assert await numbers(conn) == []
            await send(conn)
            assert await numbers(conn) == [1, 2, 3]
            await INSERT.write(conn, {"n": [4]})
        assert await numbers(conn) == [1, 2, 3, 4]


async def write_and_fail(conn: AsyncConnection) -> None:
    async with together(conn):
        await INSERT.write(conn, {"n": [1]})
        raise ZeroDivisionError


async def test_nothing_that_waited_is_left_for_the_next_transaction(engine):
    async with kept(engine) as conn:
        with pytest.raises(ZeroDivisionError):
            await write_and_fail(conn)
        await INSERT.write(conn, {"n": [2]})
        async with together(conn):
            pass
        assert await numbers(conn) == [2]


async def write_too_little(conn: AsyncConnection, *, collected: bool) -> None:
    async with together(conn) if collected else nullcontext():
        await INSERT.write(conn, {"n": []}, rows=0)
        await INSERT.write(conn, {"n": [1]}, rows=2)


@pytest.mark.parametrize("collected", [False, True])
async def test_who_writes_fewer_rows_than_it_must_has_raced(engine, collected):
    async with kept(engine) as conn:
        with pytest.raises(Raced):
            await write_too_little(conn, collected=collected)


TEXTS = Hot("SELECT CAST(:texts AS text[])")
ODD = [
    "",
    "null",
    "NULL",
    '"',
    "\\",
    "\\n",
    "\n",
    "\t\r\b\f",
    "\x01\x1f\x7f",
    "{}",
    "a,b",
    " ",
    "'",
    "\\u0041",
    "☂\u2028😀",
]


async def test_any_text_travels_in_an_array(engine):
    chance = random.Random(20261122)
    letters = [*ODD, "b", "u", "0", "/"]
    made = ["".join(chance.choices(letters, k=chance.randrange(8))) for _ in range(2_000)]
    async with engine.connect() as conn:
        await clock.read(conn)
        for texts in ([], [*ODD, None], made):
            ((read,),) = await TEXTS.rows(conn, {"texts": texts})
            assert read == texts


ALL = Hot("""
    SELECT CAST(:numbers AS bigint[]), CAST(:answers AS boolean[]), CAST(:ids AS uuid[]), CAST(:at AS timestamptz[]),
           CAST(:data AS jsonb[])
""")


async def test_every_type_travels_in_an_array_and_null_is_null(engine):
    given = {
        "numbers": [-(2**63), 2**63 - 1, None],
        "answers": [True, False, None],
        "ids": [uuid4(), ids.new(datetime.now(UTC)), None],
        "at": [datetime(2026, 11, 22, 1, 2, 3, 456789, UTC), datetime(1971, 1, 1, tzinfo=UTC), None],
        "data": [{"a\n": ['"\\', None, 1.5]}, [], None],
    }
    async with engine.connect() as conn:
        await clock.read(conn)
        ((numbers, answers, uuids, at, data),) = await ALL.rows(conn, given)
    assert (numbers, answers, uuids, at) == (given["numbers"], given["answers"], given["ids"], given["at"])
    assert [None if d is None else json.loads(d) if isinstance(d, str) else d for d in data] == given["data"]


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

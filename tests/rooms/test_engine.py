"""Connections: what runs with a commit, and what is told when the server goes away in the middle."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from sqlalchemy import make_url, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from app.db.engine import create, on_commit
from app.db.waiting import patiently

READY = b"Z\0\0\0\5"

KILL = text("""
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
""")


async def kill_others(engine: AsyncEngine) -> None:
    async with engine.connect() as conn:
        await conn.execute(KILL)


async def test_what_waits_for_a_commit_runs_with_it_and_is_forgotten_with_a_rollback(engine):
    done: list[str] = []
    async with engine.begin() as conn:
        await conn.execute(text("SELECT 1"))
        on_commit(conn, lambda: done.append("committed"))
    async with engine.connect() as conn:
        on_commit(conn, lambda: done.append("rolled back"))
        await conn.execute(text("SELECT 1"))
        await conn.rollback()
    async with engine.begin() as conn:
        await conn.execute(text("SELECT 1"))
    assert done == ["committed"]


@pytest.mark.parametrize("waits", [True, False])
async def test_a_connection_that_is_cut_tells_so_and_the_next_one_works(engine, waits):
    done: list[str] = []
    async with engine.connect() as conn:
        await conn.execute(text("SELECT 1"))
        if waits:
            on_commit(conn, lambda: done.append("committed"))
        await kill_others(engine)
        with pytest.raises(DBAPIError) as cut:
            await conn.execute(text("SELECT 1"))
        assert cut.value.connection_invalidated
        await conn.rollback()
    async with engine.begin() as conn:
        await conn.execute(text("SELECT 1"))
    assert done == []


async def test_the_reason_survives_the_end_of_the_block(engine):
    async def meanwhile() -> None:
        async with engine.begin() as conn:
            await conn.execute(text("SELECT 1"))
            await kill_others(engine)
            await conn.execute(text("SELECT 1"))

    with pytest.raises(DBAPIError):
        await meanwhile()


@asynccontextmanager
async def cut_after(url: str, engine: AsyncEngine, answers: int) -> AsyncIterator[str]:
    """The address of a way to the database on which the first connection is terminated after so many answers; the
    server's last word arrives then, the end of the connection does not."""
    where, left = make_url(url), answers

    async def passes(ours: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        nonlocal left
        theirs, there = await asyncio.open_unix_connection("{host}/.s.PGSQL.{port}".format(**where.query))

        async def asks() -> None:
            while some := await ours.read(65536):
                there.write(some)
            there.close()

        asking, withheld = asyncio.create_task(asks()), False
        while some := await theirs.read(65536):
            left -= some[-6:-1] == READY
            if left == 0:
                left, withheld = -1, True
                await kill_others(engine)
                some += await theirs.read()
            back.write(some)
        if withheld:
            await asking
        back.close()

    server = await asyncio.start_server(passes, "127.0.0.1", 0)
    async with server:
        here = where.set(host="127.0.0.1", port=server.sockets[0].getsockname()[1], query={})
        yield here.render_as_string(hide_password=False)


@pytest.mark.parametrize("answers", range(1, 9))
async def test_a_start_waits_for_a_server_that_takes_its_leave_at_whatever_moment(engine, database_url, answers):
    async def begins() -> int:
        async with far.begin() as conn:
            return int((await conn.execute(text("SELECT 42"))).scalar_one())

    told: list[str] = []
    async with cut_after(database_url, engine, answers) as url:
        far = create(url, size=1)
        assert await patiently(begins, timedelta(seconds=10), told.append) == 42
        await far.dispose()
    assert len(told) == 1

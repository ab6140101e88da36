"""Connections: what runs with a commit, and what is told when the server goes away in the middle."""

from __future__ import annotations

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from app.db.engine import on_commit

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

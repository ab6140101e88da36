"""Group commit on a real database: who shares a transaction, who is tried alone, what a stop leaves behind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.db import ids
from app.db.engine import Raced
from app.ingest.event import Entrance
from app.ingest.group_commit import GroupCommit
from app.ingest.requests import Answer, Door, Received, Request, Unavailable

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
WRITE = text("INSERT INTO kept (body, batch) VALUES (:body, :batch)")

WAITING = text("""
    SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database
    WHERE NOT l.granted AND d.datname = current_database()
""")


class Road:
    """A road of one table: keeps every body with the number of its transaction; what begins with `poison` it cannot."""

    def __init__(self) -> None:
        self.batches: list[list[bytes]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.reached = asyncio.Event()
        self.races = 0

    async def receive(self, conn: AsyncConnection, requests: Sequence[Request]) -> Received:
        self.batches.append([r.body for r in requests])
        for request in requests:
            await conn.execute(WRITE, {"body": request.body.decode(), "batch": len(self.batches)})
            if request.body.startswith(b"poison"):
                raise ValueError("cannot digest this")
        if self.races:
            self.races -= 1
            raise Raced("kept")
        self.reached.set()
        await self.gate.wait()
        return Received([Answer(ids.new(NOW), 202) for _ in requests])

    async def refuse(self, conn: AsyncConnection, request: Request, error: str) -> Answer:
        await conn.execute(WRITE, {"body": error, "batch": 0})
        return Answer(ids.new(NOW), 202, error=error)


@asynccontextmanager
async def committing(engine: AsyncEngine, road: Road) -> AsyncIterator[GroupCommit]:
    async with engine.begin() as conn:
        await conn.execute(text("CREATE TABLE kept (body text, batch integer)"))
    commits = GroupCommit(engine, road.receive, road.refuse, lambda: None)
    commits.start()
    yield commits
    await commits.stop()


async def kept(engine: AsyncEngine) -> list[str]:
    async with engine.connect() as conn:
        return list((await conn.execute(text("SELECT body FROM kept ORDER BY body"))).scalars())


def request(body: bytes) -> Request:
    return Request(Door(Entrance(1, "generic", 1), "generic", 300, True), body, {})


async def test_requests_that_come_while_a_commit_is_in_flight_share_the_next(engine: AsyncEngine) -> None:
    road = Road()
    road.gate.clear()
    async with committing(engine, road) as commits:
        first = asyncio.create_task(commits.put(request(b"0")))
        await road.reached.wait()
        others = [asyncio.create_task(commits.put(request(b"%d" % n))) for n in range(1, 6)]
        await asyncio.sleep(0)
        road.gate.set()
        await asyncio.gather(first, *others)
    assert road.batches == [[b"0"], [b"1", b"2", b"3", b"4", b"5"]]
    assert await kept(engine) == ["0", "1", "2", "3", "4", "5"]


async def test_the_one_at_fault_is_quarantined_and_its_batch_is_not(engine: AsyncEngine) -> None:
    road = Road()
    async with committing(engine, road) as commits:
        answers = await asyncio.gather(*(commits.put(request(b)) for b in (b"a", b"poison", b"b")))
    assert [a.error for a in answers] == [None, "ValueError: cannot digest this", None]
    assert await kept(engine) == ["ValueError: cannot digest this", "a", "b"]


async def test_a_race_is_run_again_and_leaves_nothing_twice(engine: AsyncEngine) -> None:
    road = Road()
    road.races = 2
    async with committing(engine, road) as commits:
        await commits.put(request(b"a"))
    assert len(road.batches) == 3
    assert await kept(engine) == ["a"]


async def test_a_race_without_end_is_unavailable(engine: AsyncEngine) -> None:
    road = Road()
    road.races = 100
    async with committing(engine, road) as commits:
        with pytest.raises(Unavailable):
            await commits.put(request(b"a"))
    assert await kept(engine) == []


async def test_a_stop_commits_what_is_in_flight_and_what_waits(engine: AsyncEngine) -> None:
    road = Road()
    road.gate.clear()
    async with committing(engine, road) as commits:
        first = asyncio.create_task(commits.put(request(b"in flight")))
        await road.reached.wait()
        second = asyncio.create_task(commits.put(request(b"waits")))
        await asyncio.sleep(0)
        stopping = asyncio.create_task(commits.stop())
        await asyncio.sleep(0)
        with pytest.raises(Unavailable):
            await commits.put(request(b"too late"))
        road.gate.set()
        await stopping
        assert {(await first).status, (await second).status} == {202}
    assert await kept(engine) == ["in flight", "waits"]


async def test_a_row_whose_partition_is_made_while_it_waits_finds_its_place(engine: AsyncEngine) -> None:
    class Partitioned(Road):
        async def receive(self, conn: AsyncConnection, requests: Sequence[Request]) -> Received:
            for request in requests:
                await conn.execute(WRITE, {"body": request.body.decode(), "batch": 5})
            return Received([Answer(ids.new(NOW), 202) for _ in requests])

    async with committing(engine, Partitioned()) as commits, engine.connect() as house:
        await house.execute(text("DROP TABLE kept"))
        await house.execute(text("CREATE TABLE kept (body text, batch integer) PARTITION BY RANGE (batch)"))
        await house.execute(text("CREATE TABLE kept_default PARTITION OF kept DEFAULT"))
        await house.execute(text("CREATE TABLE kept_few (body text, batch integer)"))
        await house.commit()
        await house.execute(text("ALTER TABLE kept ATTACH PARTITION kept_few FOR VALUES FROM (1) TO (10)"))
        answer = asyncio.create_task(commits.put(request(b"a")))
        while not (await house.execute(WAITING)).scalar_one():  # noqa: ASYNC110  # PostgreSQL sets no event
            await asyncio.sleep(0.005)
        await house.commit()
        assert (await answer).error is None
        assert (await house.execute(text("SELECT body FROM kept_few"))).scalars().all() == ["a"]

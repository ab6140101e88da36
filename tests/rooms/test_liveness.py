"""Connections whose other end is gone without a word: both ends look, and neither waits for long."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
from sqlalchemy import make_url, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from app import clock
from app.db import liveness
from app.db.engine import create, transaction

ASKS = """
import asyncio, sys
from sqlalchemy import text
from app.db.engine import create

async def asks():
    engine = create(sys.argv[1], size=1)
    async with engine.begin() as conn:
        await conn.execute(text("SELECT 1"))
        print("begun", flush=True)
        if sys.argv[2] == "waits":
            await conn.execute(text("SELECT pg_sleep(300)"))
        await asyncio.sleep(2)
        await conn.execute(text("SELECT 2"))

asyncio.run(asks())
"""


@asynccontextmanager
async def reachable(url: str, host: str) -> AsyncIterator[str]:
    """The address of a way to the database by TCP."""
    where = make_url(url)

    async def passes(ours: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        theirs, there = await asyncio.open_unix_connection("{host}/.s.PGSQL.{port}".format(**where.query))

        async def copies(here: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
            while some := await here.read(65536):
                to.write(some)
            to.close()

        await asyncio.gather(copies(ours, there), copies(theirs, back), return_exceptions=True)

    server = await asyncio.start_server(passes, host, 0)
    try:
        here = where.set(host=host, port=server.sockets[0].getsockname()[1], query={})
        yield here.render_as_string(hide_password=False)
    finally:
        server.close()


async def test_our_end_looks(database_url: str) -> None:
    async with reachable(database_url, "127.0.0.1") as url:
        engine = create(url, size=1)
        async with engine.connect() as conn:
            line = (await conn.get_raw_connection()).driver_connection._transport.get_extra_info("socket")
            tcp = {name: line.getsockopt(socket.IPPROTO_TCP, getattr(socket, name)) for name in liveness.OPTIONS}
            assert (line.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE), tcp) == (1, liveness.OPTIONS)
        await engine.dispose()


async def test_their_end_looks(engine: AsyncEngine) -> None:
    """PostgreSQL says 0 of what is about TCP where a session has none."""
    async with engine.connect() as conn:
        by_tcp = (await conn.execute(text("SELECT inet_client_addr()"))).scalar_one() is not None
        for name, value in liveness.SETTINGS.items():
            named = {"name": name}
            shown = (await conn.execute(text("SELECT setting FROM pg_settings WHERE name = :name"), named)).scalar_one()
            assert (name, int(shown)) == (name, value if by_tcp or not name.startswith("tcp") else 0)


async def test_what_a_frozen_process_has_locked_is_free_again_and_it_goes_on(engine: AsyncEngine) -> None:
    async with engine.begin() as conn:
        await conn.execute(text("CREATE TABLE wanted (id int)"))
        await conn.execute(text("INSERT INTO wanted VALUES (1)"))

    async def frozen() -> None:
        async with transaction(engine) as (conn, _):
            await conn.execute(text("SET idle_in_transaction_session_timeout = 300"))
            await conn.execute(text("SELECT * FROM wanted FOR UPDATE"))
            async with engine.begin() as another:
                await another.execute(text("SELECT * FROM wanted FOR UPDATE"))
            await clock.pause(0.1)
            await conn.execute(text("SELECT 1"))

    with pytest.raises(DBAPIError) as cut:
        await frozen()
    assert cut.value.connection_invalidated
    async with transaction(engine) as (conn, _):
        assert (await conn.execute(text("SELECT count(*) FROM wanted"))).scalar_one() == 1


@dataclass(frozen=True, slots=True)
class Cable:
    """Between here and a network namespace."""

    name: str
    here: str

    def cut(self) -> None:
        ip("link", "set", f"{self.name}0", "down")


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


@pytest.fixture
def cable() -> Iterator[Cable]:
    name, net = f"toc{os.getpid()}", f"10.{200 + os.getpid() % 50}.{os.getpid() // 50 % 250}"
    if shutil.which("ip") is None:
        pytest.skip("needs the command ip (Debian package iproute2)")
    try:
        ip("netns", "add", name)
    except subprocess.CalledProcessError as e:
        pytest.skip(f"may not make a network namespace here: {e.stderr.strip()}")
    try:
        ip("link", "add", f"{name}0", "type", "veth", "peer", "name", f"{name}1")
        ip("link", "set", f"{name}1", "netns", name)
        ip("addr", "add", f"{net}.1/24", "dev", f"{name}0")
        ip("link", "set", f"{name}0", "up")
        ip("netns", "exec", name, "ip", "addr", "add", f"{net}.2/24", "dev", f"{name}1")
        ip("netns", "exec", name, "ip", "link", "set", f"{name}1", "up")
        yield Cable(name, f"{net}.1")
    finally:
        ip("netns", "del", name)


@pytest.mark.parametrize("what", ["waits", "asks"])
async def test_whoever_waits_for_an_answer_over_a_cable_that_was_cut_is_told(
    database_url: str, cable: Cable, what: str
) -> None:
    """A network that is cut says nothing. What was sent in vain takes TCP a quarter of an hour to notice, and who only
    waits would wait for ever."""
    async with reachable(database_url, cable.here) as url:
        asking = await asyncio.create_subprocess_exec(
            "ip", "netns", "exec", cable.name, sys.executable, "-c", ASKS, url, what,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        assert asking.stdout is not None
        try:
            assert await asking.stdout.readline() == b"begun\n"
            cable.cut()
            async with asyncio.timeout(90):
                _, said = await asking.communicate()
        finally:
            if asking.returncode is None:
                asking.kill()
    assert b"connection was closed in the middle of operation" in said

"""`tocsin serve`: one process, from its settings to its last answer."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from app import logs, settings
from app.cli import running, telling
from app.cli.front import ProbesOnly, Server, Signals, address, bind, claim
from app.cli.release import VERSION
from app.db import clock_control, migrate
from app.db import engine as db
from app.directory import store as directory
from app.errors import Conflict, Invalid
from app.settings import Settings

if TYPE_CHECKING:
    from app.main import Tocsin

app = typer.Typer(add_completion=False)

GC_THRESHOLDS: Final = (400_000, 20, 1000)
"""With the frozen start this took p99 of intake from 28-47 ms to 9-10 ms: a full collection no longer walks over
everything that was imported. Little of what a batch makes can hold a cycle, so the young generation may be large:
400,000 instead of 50,000 took a third off the p99 of an open loop."""
CHATTY: Final = ("alembic", "uvicorn.error")
"""What they say of every start, the line that tells we are ready says better."""


@app.command()
def serve(
    listen: Annotated[str | None, typer.Option(help="host:port, in place of TOCSIN_LISTEN (127.0.0.1:8080).")] = None,
    roles: Annotated[str | None, typer.Option(help="web, worker or both, in place of TOCSIN_ROLES.")] = None,
    data_dir: Annotated[Path | None, typer.Option(help="In place of TOCSIN_DATA_DIR: database, secret key.")] = None,
    speed: Annotated[float | None, typer.Option(hidden=True, min=0.0)] = None,
) -> None:
    """Run Tocsin: take alerts in, page people, answer browsers and programs.

    Without TOCSIN_DATABASE_URL it brings its own PostgreSQL, in the data directory. Any number of processes may
    share a database; the role `web` answers HTTP, the role `worker` escalates and sends. Migrations run first. An
    external database that is away is waited for, for a minute.

    SIGTERM or Ctrl-C ends it gracefully: no new requests, what was accepted is committed, what is being sent is
    recorded. A second one ends it at once; nothing that was answered is lost even then.
    """
    given = {"TOCSIN_LISTEN": listen, "TOCSIN_ROLES": roles, "TOCSIN_DATA_DIR": data_dir and str(data_dir)}
    with telling.explained():
        read = settings.read({**os.environ, **{name: value for name, value in given.items() if value}})
        logs.configure(read.log_level)
        for name in CHATTY:
            logging.getLogger(name).setLevel(logging.WARNING)
    running.run(_serve(read, speed))


async def _serve(s: Settings, speed: float | None) -> None:
    gc.disable()  # until all is built: nothing that a start makes is garbage, and looking costs a sixth of its CPU
    signals = Signals()
    with signals.heard(), bind(*s.host_and_port) as socket:
        try:
            program = asyncio.create_task(asyncio.to_thread(_program))
            async with running.database(s, patience=running.AWAITED) as url:
                await _check_clock(s, url, speed)
                tocsin = (await program)(s, url)
                front = tocsin.asgi if "web" in s.roles else ProbesOnly(tocsin.api)
                claim(socket)
                async with tocsin.running():
                    greeting = await _greeting(tocsin, address(socket))
                    started = asyncio.Event()
                    server = Server(front, s.trusted_proxies, started.set, tocsin.api.state.live.close)
                    signals.server = server
                    async with asyncio.TaskGroup() as serving:
                        settling = serving.create_task(_settle(tocsin, started, greeting), name="settle")
                        await server.serve(sockets=[socket])
                        settling.cancel()
        except asyncio.CancelledError:
            if not signals.first:
                raise
            telling.say("tocsin: stopped before it was ready")


def _program() -> type[Tocsin]:
    """Imported while the database starts: each takes a second or two."""
    from app.main import Tocsin  # noqa: PLC0415  # see above

    return Tocsin


async def _settle(tocsin: Tocsin, started: asyncio.Event, greeting: str) -> None:
    """Says that it serves, then does what the first alert need not wait for."""
    await started.wait()
    print(greeting, flush=True)
    if "web" in tocsin.settings.roles:
        await tocsin.people.furnished(warm=True)
    gc.freeze()  # unlooked at: the little garbage in it is not worth the 0.4 s that nothing else runs
    gc.set_threshold(*GC_THRESHOLDS)
    gc.enable()


async def _check_clock(s: Settings, url: str, speed: float | None) -> None:
    """A clock that is shifted or scaled is for tests and the demo; anywhere else it would page at the wrong time."""
    if speed is not None and not s.clock_control:
        raise Invalid("--speed is for demonstrations: it takes TOCSIN_CLOCK_CONTROL=true as well")
    engine = db.create(url, size=1)
    try:
        async with engine.begin() as conn:
            if await clock_control.speed(conn) is not None and not s.clock_control:
                raise Conflict(
                    "this database's clock is shifted or scaled: it belongs to a demo or a test. To keep the data and "
                    "let time go on as it does, delete the row in clock_control",
                    code="clock_control",
                )
        if speed is not None:
            await migrate.upgrade(engine)
            async with engine.begin() as conn:
                await clock_control.run_at(conn, speed)
    finally:
        await engine.dispose()


async def _greeting(tocsin: Tocsin, listening: str) -> str:
    s = tocsin.settings
    store = f"its own PostgreSQL in {s.data_dir}" if s.embedded else "an external PostgreSQL"
    async with tocsin.engine.connect() as conn:
        organisation = await directory.organisation(conn)
    hint = "" if organisation else "\nIt belongs to nobody yet: run `tocsin init` to make its organisation."
    return f"Tocsin {VERSION} is ready at {listening} ({' and '.join(s.roles)}, {store}).{hint}"

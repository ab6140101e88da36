"""What commands that need the database share: the loop, the connection, and how its failures are told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from functools import partial
from typing import Any, Final, TypeVar

import asyncpg
import uvloop
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from app.cli import telling
from app.db import engine as db
from app.db.embedded import DATABASE, EmbeddedServer, ServerFailed
from app.db.waiting import Away, patiently
from app.settings import Settings

T = TypeVar("T")

ACTOR: Final = "command_line"
"""Who did it, in audit records: somebody with a shell on the machine."""


@contextmanager
def _database_explained() -> Iterator[None]:
    try:
        yield
    except ServerFailed as e:
        telling.fail(str(e))
    except Away as e:
        telling.fail(f"the database of TOCSIN_DATABASE_URL cannot be reached: {e}")
    except DBAPIError as e:
        telling.fail(f"the database refused: {str(e.orig).splitlines()[0]}")
    except (asyncpg.PostgresError, asyncpg.InterfaceError) as e:
        telling.fail(f"the database refused the connection: {e}")


def run(work: Coroutine[Any, Any, T]) -> T:
    """Runs a command's coroutine on uvloop, explaining its failures."""
    with telling.explained(), _database_explained(), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


def waits(why: str) -> None:
    telling.say(f"tocsin: waiting for the database of TOCSIN_DATABASE_URL: {why}")


async def _connected(url: str) -> None:
    engine = db.create(url, size=1)
    try:
        async with engine.connect():
            pass
    finally:
        await engine.dispose()


@asynccontextmanager
async def database(settings: Settings, *, patience: timedelta = timedelta(0)) -> AsyncIterator[str]:
    """The address of the database: the one that is set, which is waited for, else our own, which is started or attached
    to. Raises `Away`, `ServerFailed`."""
    if not settings.embedded:
        await patiently(partial(_connected, settings.database_url), patience, waits)
        yield settings.database_url
        return
    async with EmbeddedServer(settings.data_dir, bindir=settings.postgres_bindir, log=telling.say) as server:
        yield server.url_for(DATABASE)


@asynccontextmanager
async def engine(settings: Settings) -> AsyncIterator[AsyncEngine]:
    """Connections to the database for a command that does not stay."""
    async with database(settings) as url:
        made = db.create(url, size=2)
        try:
            yield made
        finally:
            await made.dispose()

"""What commands that need the database share: the loop, the connection, and how its failures are told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from typing import Any, Final, TypeVar

import asyncpg
import uvloop
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from app import clock
from app.cli import telling
from app.db import engine as db
from app.db.embedded import DATABASE, EmbeddedServer, ServerFailed
from app.settings import Settings

T = TypeVar("T")

ACTOR: Final = "command_line"
"""Who did it, in audit records: somebody with a shell on the machine."""
AWAITED: Final = timedelta(seconds=60)
"""How long a start waits for an external database that is away: as long as one takes to restart. Whoever supervises
the process starts it again after that."""
_LOOKED_AT_AGAIN_S: Final = 0.5
_AWAY: Final = (OSError, asyncpg.CannotConnectNowError, asyncpg.ConnectionDoesNotExistError)
"""What connecting says of a server that is stopped, starting, stopping or behind a network that is cut. Another
answer (a wrong password, no such database) does not change by waiting."""


class DatabaseAway(ConnectionError):
    """What is set as TOCSIN_DATABASE_URL does not answer, and why."""


@contextmanager
def _database_explained() -> Iterator[None]:
    try:
        yield
    except ServerFailed as e:
        telling.fail(str(e))
    except DatabaseAway as e:
        telling.fail(f"the database of TOCSIN_DATABASE_URL cannot be reached: {e}")
    except DBAPIError as e:
        telling.fail(f"the database refused: {str(e.orig).splitlines()[0]}")
    except (asyncpg.PostgresError, asyncpg.InterfaceError) as e:
        telling.fail(f"the database refused the connection: {e}")


def run(work: Coroutine[Any, Any, T]) -> T:
    """Runs a command's coroutine on uvloop, explaining its failures."""
    with telling.explained(), _database_explained(), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


async def _connected(url: str, patience: timedelta) -> None:
    """Raises `DatabaseAway` when it still is after `patience`; what else connecting says, as it says it."""
    engine = db.create(url, size=1)
    began, said = clock.elapsed(), False
    try:
        while True:
            try:
                async with engine.connect():
                    return
            except _AWAY as e:
                why = getattr(e, "strerror", None) or str(e) or type(e).__name__
                if clock.elapsed() - began >= patience.total_seconds():
                    raise DatabaseAway(why) from e
            if not said:
                telling.say(f"tocsin: waiting for the database of TOCSIN_DATABASE_URL: {why}")
            said = True
            await clock.pause(_LOOKED_AT_AGAIN_S)
    finally:
        await engine.dispose()


@asynccontextmanager
async def database(settings: Settings, *, patience: timedelta = timedelta(0)) -> AsyncIterator[str]:
    """The address of the database: the one that is set, which is waited for, else our own, which is started or attached
    to. Raises `DatabaseAway`, `ServerFailed`."""
    if not settings.embedded:
        await _connected(settings.database_url, patience)
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

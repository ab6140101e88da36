"""What all commands share: the loop, the database, and how a failure is told to whoever typed the command."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final, NoReturn, TypeVar

import asyncpg
import typer
import uvloop
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from app.db import engine as db
from app.db.embedded import DATABASE, EmbeddedServer, ServerFailed
from app.errors import Refusal
from app.settings import Settings

T = TypeVar("T")

ACTOR: Final = "command_line"
"""Who did it, in audit records: somebody with a shell on the machine."""


def say(line: str) -> None:
    """A line for people, on stderr: stdout is for what a program may read."""
    print(line, file=sys.stderr, flush=True)


def fail(message: str, code: int = 1) -> NoReturn:
    say(f"tocsin: {message}")
    raise typer.Exit(code)


@contextmanager
def explained() -> Iterator[None]:
    """What people can do something about becomes one line and exit code 1; anything else is a bug with a traceback."""
    try:
        yield
    except Refusal as e:
        for error in getattr(e, "errors", [])[1:]:
            say(f"  {error['field']}: {error['message']}")
        fail(e.message)
    except ServerFailed as e:
        fail(str(e))
    except DBAPIError as e:
        fail(f"the database refused: {str(e.orig).splitlines()[0]}")
    except (asyncpg.PostgresError, asyncpg.InterfaceError) as e:
        fail(f"the database refused the connection: {e}")
    except OSError as e:  # TimeoutError is an OSError
        fail(f"{e.strerror or e or type(e).__name__}{f': {e.filename}' if e.filename else ''}")


def run(work: Coroutine[Any, Any, T]) -> T:
    """Runs a command's coroutine on uvloop, explaining its failures."""
    with explained(), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


@asynccontextmanager
async def database(settings: Settings) -> AsyncIterator[str]:
    """The address of the database: the one that is set, else our own, which is started or attached to."""
    if not settings.embedded:
        yield settings.database_url
        return
    async with EmbeddedServer(settings.data_dir, bindir=settings.postgres_bindir, log=say) as server:
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

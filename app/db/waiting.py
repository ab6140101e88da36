"""A database that is away for a while: stopped, starting, or behind a network that is cut."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Final, TypeVar

import asyncpg
from sqlalchemy.exc import DBAPIError

from app import clock

T = TypeVar("T")

AWAITED: Final = timedelta(seconds=60)
"""How long a start waits: as long as a database takes to restart. Whoever supervises it starts it again then."""
_LOOKED_AT_AGAIN_S: Final = 0.5
_STATES: Final = ("08", "57P")
"""SQLSTATE: connection exceptions, and a server that shuts down or starts up."""


class Away(ConnectionError):
    """The database does not answer, and why."""


async def patiently(
    work: Callable[[], Awaitable[T]], patience: timedelta, told: Callable[[str], None] = lambda why: None
) -> T:
    """What `work` returns, which is done again while the database is away. `told` why, once. Raises `Away` after
    `patience`, and whatever else `work` raises: a wrong password does not change by waiting."""
    began, said = clock.elapsed(), False
    while True:
        try:
            return await work()
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, DBAPIError) as e:
            if not _is_away(e):
                raise
            why = getattr(e, "strerror", None) or str(getattr(e, "orig", e)).partition("\n")[0] or type(e).__name__
            if clock.elapsed() - began >= patience.total_seconds():
                raise Away(why) from e
        if not said:
            told(why)
        said = True
        await clock.pause(_LOOKED_AT_AGAIN_S)


def _is_away(error: Exception) -> bool:
    if isinstance(error, DBAPIError):
        state = getattr(error.orig, "sqlstate", None) or ""
        return error.connection_invalidated or state.startswith(_STATES)
    if isinstance(error, asyncpg.PostgresError):
        return (error.sqlstate or "").startswith(_STATES)
    return isinstance(error, OSError)

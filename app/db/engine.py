"""Connections. `transaction()` is the only way to a connection that commits; commands never do."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from functools import partial
from typing import Any

import asyncpg
import msgspec
from sqlalchemy import URL, Connection, ExceptionContext, event, make_url
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from app import clock
from app.db import liveness


class Raced(Exception):
    """Two processes made the same row at once; the transaction that lost is to be run again from its start."""


_THEN = "tocsin_on_commit"
_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder()


def dumps(value: Any) -> str:
    return _encoder.encode(value).decode()


def loads(value: str | bytes) -> Any:
    return _decoder.decode(value)


def normalise(url: str) -> URL:
    """A DSN as people write it (`postgres://`, `postgresql://`, `postgresql+psycopg://`) for the asyncpg driver."""
    parsed = make_url(url.replace("postgres://", "postgresql://", 1))
    return parsed.set(drivername="postgresql+asyncpg")


def create(url: str, *, size: int = 10, behind_pooler: bool = False) -> AsyncEngine:
    """An engine whose connections speak UTC. They are pinged when they are taken from the pool, so that a database that
    was restarted is no error of the next request; group commit takes its connections once, and is not slowed. The one
    that was used last is used next: its plans are made, while one that waited its turn would make them again. Both ends
    notice when the other is gone (`liveness.py`).

    Behind a transaction pooler (pgbouncer) prepared statements cannot be kept: both caches are switched off.
    """
    connect: dict[str, Any] = {"server_settings": {"timezone": "UTC", "application_name": "tocsin"}, "timeout": 10}
    if behind_pooler:
        connect |= {"statement_cache_size": 0, "prepared_statement_cache_size": 0}
    else:
        connect |= {"prepared_statement_cache_size": 500, "statement_cache_size": 500}
        connect |= {"max_cacheable_statement_size": 0}  # no limit: the writes of a batch are sent as one
    engine = create_async_engine(
        normalise(url),
        pool_size=size,
        max_overflow=size,
        pool_timeout=10,
        pool_recycle=1800,
        pool_pre_ping=True,
        pool_use_lifo=True,
        hide_parameters=True,
        json_serializer=dumps,
        json_deserializer=loads,
        connect_args=connect,
    )
    event.listen(engine.sync_engine, "connect", _connected)
    event.listen(engine.sync_engine, "handle_error", _cut)
    event.listen(engine.sync_engine, "commit", partial(ended, committed=True))
    event.listen(engine.sync_engine, "rollback", partial(ended, committed=False))
    return engine


def _connected(connection: Any, _record: Any) -> None:
    """Raises ConnectionError for a connection that is cut in its first moment; nobody else would end ours."""
    try:
        connection.run_async(liveness.watch)
    except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError) as e:
        connection.driver_connection.terminate()
        raise ConnectionError(f"the database did not keep a new connection: {e}") from e


def _cut(context: ExceptionContext) -> None:
    """The server took its leave, and the end of the connection has not arrived: asyncpg takes no more statements, and
    where a connection was just being made SQLAlchemy does not see that as a connection lost."""
    if isinstance(getattr(context.original_exception, "driver_exception", None), asyncpg.InternalClientError):
        context.is_disconnect = True


def on_commit(conn: AsyncConnection, call: Callable[[], None]) -> None:
    """`call` runs when this transaction commits, never when it rolls back: for metrics, which must not count what did
    not happen."""
    conn.info.setdefault(_THEN, []).append(call)


def ended(conn: AsyncConnection | Connection, *, committed: bool) -> None:
    """A transaction has come to its end: SQLAlchemy tells of its own, whoever ends one without it calls this."""
    if conn.invalidated:  # a connection that is gone took its list with it; to ask would hide why it is gone
        return
    for call in conn.info.pop(_THEN, ()):
        if committed:
            call()


@asynccontextmanager
async def unless_raced(conn: AsyncConnection) -> AsyncIterator[None]:
    """A part of a transaction that is undone alone when it raced: what it was about is still due, and comes again."""
    with suppress(Raced):
        async with conn.begin_nested():
            yield


@asynccontextmanager
async def transaction(engine: AsyncEngine) -> AsyncIterator[tuple[AsyncConnection, datetime]]:
    """One transaction and its `now`. Commits at the end, rolls back when the block raises."""
    async with engine.begin() as conn:
        yield conn, await clock.read(conn)

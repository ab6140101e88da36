"""Statements of hot paths, handed to asyncpg itself: the same connection and transaction, without what SQLAlchemy does
around every execution. That is 150 us, and a batch of intake has a dozen of them.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import asyncpg
import msgspec
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db.engine import Raced

_PARAMETER: Final = re.compile(r"(?<![:\w]):([a-z_]+)")
_ARRAY: Final = re.compile(r"CAST\(:([a-z_]+) AS ([a-z]+)\[\]\)")
_CONTROL: Final = re.compile(r"\\(?:([\"\\])|u([0-9a-f]{4})|([bfnrt]))")
_CONTROLS: Final = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_NUMBER: Final = re.compile(r"\$([0-9]+)")
_TOGETHER: Final = "tocsin_together"
_encode: Final = msgspec.json.Encoder().encode
_FAILURES: Final = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
"""The last one: its protocol got stuck, as when the server throws us out between two statements."""


class Hot:
    """A literal statement with `:name` parameters. PostgreSQL has to see the type of each: write `CAST(:now AS ...)`.
    What is cast to an array travels as text, `jsonb[]` as JSON with null for NULL: asyncpg's own arrays cost a
    microsecond an element.

    Run inside a transaction that is under way: reading `now` has begun it. Raises SQLAlchemy's DBAPIError.
    """

    def __init__(self, sql: str) -> None:
        self.names: Final = tuple(dict.fromkeys(_PARAMETER.findall(sql)))
        numbers = {name: n for n, name in enumerate(self.names, 1)}
        self.sql: Final = _PARAMETER.sub(lambda found: f"${numbers[found[1]]}", _ARRAY.sub(_received, sql))
        arrays = {name: _json_array if kind == "jsonb" else array for name, kind in _ARRAY.findall(sql)}
        self._sent: Final = tuple([(name, arrays.get(name, _as_is)) for name in self.names])

    def _arguments(self, values: Mapping[str, Any]) -> list[Any]:
        return [send(values[name]) for name, send in self._sent]

    async def rows(self, conn: AsyncConnection, values: Mapping[str, Any]) -> Sequence[Any]:
        """What the statement returns: tuples that also know their columns' names."""
        driver = _begun(conn)
        try:
            return await driver.fetch(self.sql, *self._arguments(values))  # type: ignore[no-any-return]
        except _FAILURES as e:
            raise _told(driver, self.sql, e) from e

    async def write(self, conn: AsyncConnection, values: Mapping[str, Any], *, rows: int | None = None) -> None:
        """Runs a statement that returns nothing: now, or with others when the transaction collects them
        (`together`). `rows`: how many it must write; raises `Raced` when it wrote others."""
        write = _Write(self, self._arguments(values), rows)
        pending: list[_Write] | None = conn.info.get(_TOGETHER)
        if pending is None:
            await _run(conn, [write])
        else:
            pending.append(write)

    async def written(self, conn: AsyncConnection, values: Mapping[str, Any]) -> int:
        """Runs it now; how many rows it wrote."""
        (count,) = await _run(conn, [_Write(self, self._arguments(values), None)])
        return count


@dataclass(frozen=True, slots=True)
class _Write:
    """A statement with its arguments, and how many rows it must write."""

    hot: Hot
    arguments: list[Any]
    rows: int | None


@asynccontextmanager
async def together(conn: AsyncConnection) -> AsyncIterator[None]:
    """Inside, statements that only write wait for each other, and are sent as one at the end: a round trip costs as
    much as twenty rows. They must not write the same row, and nobody may read what still waits (`send`)."""
    info = conn.info  # a connection that is lost on the way does not give it any more
    info[_TOGETHER] = []
    try:
        yield
        await send(conn)
    finally:
        info.pop(_TOGETHER, None)


async def send(conn: AsyncConnection) -> None:
    """Runs now what waits: whoever comes next wants to see it."""
    pending: list[_Write] = conn.info.get(_TOGETHER, [])
    if pending:
        conn.info[_TOGETHER] = []
        await _run(conn, pending)


async def _run(conn: AsyncConnection, writes: Sequence[_Write]) -> Sequence[int]:
    sql = _one_statement(tuple([w.hot for w in writes]))
    arguments = [argument for w in writes for argument in w.arguments]
    driver = _begun(conn)
    try:
        written: Sequence[int] = await driver.fetchrow(sql, *arguments)
    except _FAILURES as e:
        raise _told(driver, sql, e) from e
    if any(w.rows is not None and w.rows != n for w, n in zip(writes, written, strict=True)):
        raise Raced(f"{list(written)} rows instead of {[w.rows for w in writes]}")
    return written


@lru_cache(256)
def _one_statement(hots: tuple[Hot, ...]) -> str:
    """Several writes as one (PostgreSQL manual, 7.8.4): it returns how many rows each of them wrote."""
    parts, taken = [], 0
    for n, hot in enumerate(hots):
        sql = _NUMBER.sub(lambda found, before=taken: f"${int(found[1]) + before}", hot.sql)  # type: ignore[misc]
        parts.append(f"w{n} AS ({sql} RETURNING 1)")
        taken += len(hot.names)
    counts = ", ".join(f"(SELECT count(*) FROM w{n})" for n in range(len(hots)))  # noqa: S608  # no input in it
    return f"WITH {', '.join(parts)} SELECT {counts}"


def _told(driver: asyncpg.Connection, sql: str, error: Exception) -> DBAPIError:
    lost = driver.is_closed() or isinstance(error, asyncpg.InternalClientError)
    return DBAPIError(sql, None, error, connection_invalidated=lost)


def array(values: Sequence[Any]) -> str:
    """The text of a PostgreSQL array (manual, 8.15.6), written by way of JSON, which is nearly the same. Elements:
    None, and what PostgreSQL reads from the text that msgspec writes: numbers, booleans, strings, UUIDs, instants.
    """
    text = _encode(values).decode()
    if "\\" in text:  # PostgreSQL reads \" and \\ as JSON does, but \n as n
        text = _CONTROL.sub(_plain, text)
    return f"{{{text[1:-1]}}}"


def _json_array(values: Sequence[Any]) -> str:
    return _encode(values).decode()


def _as_is(value: Any) -> Any:
    return value


def _received(found: re.Match[str]) -> str:
    name, kind = found.groups()
    if kind == "jsonb":
        elements = f"jsonb_array_elements(CAST(CAST(:{name} AS text) AS jsonb))"
        return f"ARRAY(SELECT nullif(e, 'null') FROM {elements} AS e)"  # noqa: S608  # a name, found by the pattern above
    return f"CAST(CAST(:{name} AS text) AS {kind}[])"


def _plain(found: re.Match[str]) -> str:
    if found[1]:
        return found[0]
    return chr(int(found[2], 16)) if found[2] else _CONTROLS[found[3]]


def driver(conn: AsyncConnection) -> asyncpg.Connection:
    """asyncpg's own connection."""
    sync = conn.sync_connection
    return None if sync is None else sync.connection.driver_connection


def under_way(conn: AsyncConnection) -> bool:
    """Whether a transaction has begun, so that a hot statement may run."""
    found = driver(conn)
    return found is not None and (found.is_closed() or found.is_in_transaction())


async def tell(driver: asyncpg.Connection, command: str) -> None:
    """Runs a statement that has neither parameters nor rows, such as BEGIN. Raises SQLAlchemy's DBAPIError."""
    try:
        await driver.execute(command)
    except _FAILURES as e:
        raise _told(driver, command, e) from e


def _begun(conn: AsyncConnection) -> asyncpg.Connection:
    if not under_way(conn):
        raise RuntimeError("a hot statement runs inside a transaction; read `now` first")
    return driver(conn)

"""Group commit: requests that arrive while a commit is in flight share the next transaction.

One flusher takes whatever waits, up to about 600 events, and hands it to `receive`. A batch that fails is run again
request by request; the one at fault goes to quarantine and is answered all the same: it was accepted (behaviour.md 1).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta

import structlog
from sqlalchemy.exc import DBAPIError, InterfaceError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app import clock, metrics
from app.db import batches
from app.db.engine import Raced
from app.db.hot import together
from app.ingest.commands import read
from app.ingest.requests import Answer, Received, Request, Unavailable

Receive = Callable[[AsyncConnection, Sequence[Request]], Awaitable[Received]]
Quarantine = Callable[[AsyncConnection, Request, str], Awaitable[Answer]]

MOST_EVENTS = 600
MOST_WAITING_BYTES = 64 << 20
TRIES = 4
ANSWER_WITHIN_S = 20
COME_BACK_S = 0.001
"""What requests that were answered together are given to come together again. One sender alone never waits for it."""

log = structlog.get_logger()


class GroupCommit:
    """One per web process. `wake` is called after a commit that left something to do for a worker."""

    def __init__(self, engine: AsyncEngine, receive: Receive, quarantine: Quarantine, wake: Callable[[], None]) -> None:
        self._engine = engine
        self._receive = receive
        self._quarantine = quarantine
        self._wake = wake
        self._waiting: deque[tuple[Request, asyncio.Future[Answer]]] = deque()
        self._waiting_bytes = 0
        self._something = asyncio.Event()
        self._conn: AsyncConnection | None = None
        self._task: asyncio.Task[None] | None = None
        self._stopping = False
        self._shared = 0
        """How many requests shared the last commit."""
        self._in_flight = False
        self._last: tuple[datetime, float] | None = None
        """`now` of the last transaction, and what the monotonic clock said then."""

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="group commit")

    async def stop(self) -> None:
        """Takes nothing more, commits what is in flight and what waits, then ends."""
        self._stopping = True
        self._something.set()
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=ANSWER_WITHIN_S)
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        await self._disconnect()

    async def put(self, request: Request) -> Answer:
        """Returns after the commit. Raises `Unavailable` when the store cannot take it; it may have taken it all the
        same, and a sender that comes again is then merely repeated."""
        if self._stopping:
            raise Unavailable("this process is stopping")
        if self._waiting_bytes > MOST_WAITING_BYTES:
            raise Unavailable("too much is waiting to be stored")
        if self._in_flight:
            self._read_ahead(request)
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Answer] = loop.create_future()
        self._waiting.append((request, future))
        self._waiting_bytes += len(request.body)
        self._something.set()
        timer = loop.call_later(ANSWER_WITHIN_S, _late, future)
        try:
            return await future
        finally:
            timer.cancel()

    def _read_ahead(self, request: Request) -> None:
        """Parses while the database works on the batch before; about now, which its transaction checks."""
        if self._last is None:
            return
        now, elapsed = self._last
        try:
            read(request, now + timedelta(seconds=clock.elapsed() - elapsed))
        except Exception as e:  # noqa: BLE001  # it will fail again inside, where quarantine is
            log.info("read_ahead_failed", error=repr(e))

    async def _run(self) -> None:
        while self._waiting or not self._stopping:
            await self._something.wait()
            # What has arrived on other connections comes along: else every second batch has one request.
            await clock.pause(COME_BACK_S if len(self._waiting) < self._shared else 0)
            batch = self._take()
            self._shared = len(batch)
            if batch:
                self._in_flight = True
                await self._flush(batch)
                self._in_flight = False

    def _take(self) -> list[tuple[Request, asyncio.Future[Answer]]]:
        batch: list[tuple[Request, asyncio.Future[Answer]]] = []
        events = 0
        while self._waiting and (not batch or events + self._waiting[0][0].weight <= MOST_EVENTS):
            request, future = self._waiting.popleft()
            self._waiting_bytes -= len(request.body)
            if not future.done():
                batch.append((request, future))
                events += request.weight
        if not self._waiting:
            self._something.clear()
        return batch

    async def _flush(self, batch: list[tuple[Request, asyncio.Future[Answer]]]) -> None:
        try:
            received = await self._commit([r for r, _ in batch])
        except Unavailable as e:
            _fail(batch, e)
            return
        except Exception as e:  # noqa: BLE001  # whatever a batch dies of, its requests are tried alone
            if len(batch) > 1:
                log.warning("batch_tried_one_by_one", requests=len(batch), error=repr(e))
                for one in batch:
                    await self._flush([one])
            else:
                await self._give_up(batch[0], e)
            return
        for (_, future), answer in zip(batch, received.answers, strict=True):
            if not future.done():
                future.set_result(answer)
        if received.wake:
            self._wake()

    async def _commit(self, requests: Sequence[Request]) -> Received:
        """One transaction; run again when it raced with another process or lost its connection."""
        started = clock.elapsed()
        for attempt in range(1, TRIES + 1):
            try:
                conn = await self._connected()
                async with batches.transaction(conn), together(conn):
                    received = await self._receive(conn, requests)
            except (Raced, SQLAlchemyError, OSError) as e:
                if not _transient(e):
                    raise
                if not isinstance(e, Raced):
                    await self._disconnect()
                if attempt == TRIES and _taken(e):
                    raise  # nobody is that fast that often: it is the request's own fault
                if attempt == TRIES:
                    raise Unavailable(str(e)) from e
                await clock.pause(0.05 * (attempt - 1) ** 2)
            else:
                if received.now is not None:
                    self._last = received.now, started
                events = sum(len(r.parsed.events) for r in requests)
                metrics.group_commit(len(requests), events, clock.elapsed() - started)
                return received
        raise AssertionError("unreachable")

    async def _give_up(self, one: tuple[Request, asyncio.Future[Answer]], error: Exception) -> None:
        request, future = one
        log.error("request_quarantined", receipt=str(request.receipt_id), error=repr(error), exc_info=error)
        try:
            conn = await self._connected()
            async with batches.transaction(conn):
                answer = await self._quarantine(conn, request, f"{type(error).__name__}: {error}")
        except Exception as e:  # noqa: BLE001  # the flusher serves everybody: nothing may end it
            log.warning("quarantine_failed", error=repr(e))
            await self._disconnect()
            _fail([one], Unavailable(str(e)))
            return
        metrics.quarantined("batch")
        if not future.done():
            future.set_result(answer)

    async def _connected(self) -> AsyncConnection:
        if self._conn is None or self._conn.closed or self._conn.invalidated:
            await self._disconnect()
            self._conn = await batches.connect(self._engine)
        return self._conn

    async def _disconnect(self) -> None:
        if self._conn is not None:
            conn, self._conn = self._conn, None
            with suppress(SQLAlchemyError, OSError):
                await conn.invalidate()
                await conn.close()


def _late(future: asyncio.Future[Answer]) -> None:
    if not future.done():
        future.set_exception(Unavailable("the store did not answer in time"))


def _fail(batch: Sequence[tuple[Request, asyncio.Future[Answer]]], error: Unavailable) -> None:
    for _, future in batch:
        if not future.done():
            future.set_exception(error)


_TRANSIENT_STATES = ("08", "40", "53", "55", "57", "23505", "23P01")
"""SQLSTATE classes: connection, serialization and deadlock, resources, lock not available, shutdown; and a key that
another process took between our look and our write. The same goes for a row whose partition is made in the moment in
which it waits to enter the default one: PostgreSQL refuses it there, and the next try finds its place."""


_TAKEN = ("23505", "23P01")


def _taken(error: Exception) -> bool:
    return isinstance(error, DBAPIError) and getattr(error.orig, "sqlstate", None) in _TAKEN


def _transient(error: Exception) -> bool:
    if isinstance(error, (Raced, OSError, PoolTimeout, InterfaceError)):  # TimeoutError is an OSError
        return True
    if isinstance(error, DBAPIError):
        state = getattr(error.orig, "sqlstate", None) or ""
        moved = state == "23514" and "violates partition constraint" in str(error.orig)
        return error.connection_invalidated or moved or state.startswith(_TRANSIENT_STATES)
    return False

"""The database that comes with Tocsin: PostgreSQL as a child of this program, in the data directory.

Every program of one data directory may start an `EmbeddedServer`. The one that gets the file lock *owns* the server
and runs it; the others *attach* to its socket and watch the lock. When the owner is gone, the kernel asks PostgreSQL
for a fast shutdown (launch.py), one of the others gets the lock and starts it again, under the same address. A
server that dies is started again by its owner. Meanwhile connections fail, and whoever needs certainty retries.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

import asyncpg
from sqlalchemy import URL

from app import clock
from app.db import processes, supervisor
from app.db.binaries import ServerFailed

__all__ = ["DATABASE", "EmbeddedServer", "ServerFailed"]

DATABASE = "tocsin"
START_WITHIN = 300.0
"""Seconds for a start: a server that replays its log after a crash may need minutes."""
STOP_WITHIN = 60.0
"""Seconds for a clean shutdown before it is cut short; then the next start replays the log."""
_ENDING = ((0.0, signal.SIGINT), (STOP_WITHIN, signal.SIGQUIT), (2 * STOP_WITHIN, signal.SIGKILL))
"""Fast shutdown, immediate shutdown, kill: seconds after the first and the signal, postgres(1)."""
_ORPHANS_WITHIN = 0.2
_WATCH_EVERY = 0.1
_RETRY_AFTER = 5.0

Log = Callable[[str], None]


class EmbeddedServer:
    """PostgreSQL for one data directory. `start` on the event loop of the main thread: the server ends with its thread.

    `durable=False` (tests) turns fsync, synchronous_commit and full_page_writes off. `log` gets a line for people
    whenever the server changes hands or is started again.
    """

    def __init__(
        self, data_dir: Path, *, bindir: str = "", durable: bool = True, log: Log = logging.getLogger(__name__).info
    ) -> None:
        self._data_dir = data_dir.absolute()
        self._bindir = bindir
        self._durable = durable
        self._log = log
        self._lock: int | None = None
        self._child: subprocess.Popen[bytes] | None = None
        self._cluster: supervisor.Cluster | None = None
        self._watcher: asyncio.Task[None] | None = None

    @property
    def owner(self) -> bool:
        """True while this program runs the server; it may become true at any time after `start`."""
        return self._lock is not None

    async def start(self) -> str:
        """Runs or finds the server and answers `url_for("tocsin")`; the database is made when it is missing.

        Raises ServerFailed with PostgreSQL's own words, Invalid for a bad `bindir`.
        """
        try:
            async with asyncio.timeout(START_WITHIN):
                self._cluster = await asyncio.to_thread(supervisor.prepare, self._data_dir, self._bindir, self._durable)
                await self._own_or_attach()
        except BaseException as e:
            await self.stop()
            if isinstance(e, OSError | asyncpg.PostgresError):  # TimeoutError is an OSError
                raise ServerFailed(
                    f"no database in {self._data_dir}: {e or f'{START_WITHIN:.0f} s have passed'}"
                ) from e
            raise
        self._watcher = asyncio.create_task(self._watch(), name="embedded database")
        return self.url_for(DATABASE)

    async def stop(self) -> None:
        """Ends the server if it is ours, then gives up the lock: a program that is attached starts it again."""
        if self._watcher is not None:
            if not self._watcher.done():  # it may have ended with the loop it ran on
                self._watcher.cancel()
                await asyncio.wait([self._watcher])
            self._watcher = None
        if self._child is not None:
            await self._end(self._child)
            self._child = None
        self._unlock()

    def url_for(self, database: str) -> str:
        """SQLAlchemy's address of a database on this server. It stays the same when the server changes hands."""
        query = {"host": str(self._here.sockets), "port": str(supervisor.PORT)}
        url = URL.create("postgresql+asyncpg", username=supervisor.SUPERUSER, database=database, query=query)
        return url.render_as_string(hide_password=False)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    @property
    def _here(self) -> supervisor.Cluster:
        if self._cluster is None:
            raise ServerFailed("the embedded database has not been started")
        return self._cluster

    async def _own_or_attach(self) -> None:
        while True:
            if self._try_lock():
                await self._launch()
                return
            if await self._answers():
                return
            await clock.pause(_WATCH_EVERY)

    async def _watch(self) -> None:
        while True:
            await clock.pause(_WATCH_EVERY)
            try:
                await self._look()
            except (ServerFailed, OSError, asyncpg.PostgresError) as e:
                self._log(f"the database does not start, trying again in {_RETRY_AFTER:.0f} s: {e}")
                await clock.pause(_RETRY_AFTER)

    async def _look(self) -> None:
        """Attached: takes over when the lock is free. Owner: starts the server again when it died."""
        if self._lock is None:
            if not self._try_lock():
                return
            self._log("the program that ran the database is gone; starting it here")
        elif self._child is not None and self._child.poll() is None:
            return
        else:
            self._log(f"the database server ended{self._how()}; starting it again")
        await self._launch()

    async def _launch(self) -> None:
        """With the lock held: waits until no server of this cluster is left, then starts one and waits for it."""
        cluster = self._here
        await self._clear()
        await asyncio.to_thread(supervisor.initialise, cluster)
        supervisor.clear_stale(cluster)
        told_before = cluster.log.stat().st_size if cluster.log.exists() else 0
        self._child = child = supervisor.launch_server(cluster)
        while not self._ready(child.pid):
            if child.poll() is not None:
                raise ServerFailed(f"PostgreSQL ended{self._how()}: {_told(cluster.log, told_before)}")
            await clock.pause(0.01)
        await self._make_database()

    async def _clear(self) -> None:
        """A server that was asked to stop gets its time; processes whose postmaster was killed do not."""
        began, due = clock.elapsed(), list(_ENDING)
        while left := processes.leftovers(self._here.pgdata):
            told = processes.postmaster(self._here.pgdata)
            if told is None or told[0] not in left:
                for pid in left if clock.elapsed() - began > _ORPHANS_WITHIN else ():
                    processes.tell(pid, signal.SIGKILL)
            elif due and clock.elapsed() - began >= due[0][0]:
                processes.tell(told[0], due.pop(0)[1])
            await clock.pause(0.02)

    def _ready(self, pid: int) -> bool:
        told = processes.postmaster(self._here.pgdata)
        return told is not None and told[0] == pid and told[2]

    async def _make_database(self) -> None:
        conn = await self._connect("postgres")
        try:
            if not await conn.fetchval("SELECT count(*) FROM pg_database WHERE datname = $1", DATABASE):
                await conn.execute(f'CREATE DATABASE "{DATABASE}"')
        finally:
            await conn.close()

    async def _answers(self) -> bool:
        """Whether another program's server is up and complete."""
        if (told := processes.postmaster(self._here.pgdata)) is None or not told[2]:
            return False
        self._cluster = supervisor.with_sockets(self._here, told[1])
        try:
            conn = await self._connect(DATABASE)
        except (OSError, asyncpg.PostgresError, TimeoutError):
            return False
        await conn.close()
        return True

    async def _connect(self, database: str) -> asyncpg.Connection:
        return await asyncpg.connect(
            host=str(self._here.sockets),
            port=supervisor.PORT,
            user=supervisor.SUPERUSER,
            database=database,
            ssl=False,
            timeout=10,
        )

    async def _end(self, child: subprocess.Popen[bytes]) -> None:
        began, due = clock.elapsed(), list(_ENDING)
        while child.poll() is None:
            if due and clock.elapsed() - began >= due[0][0]:
                processes.tell(child.pid, due.pop(0)[1])
            await clock.pause(0.01)

    def _try_lock(self) -> bool:
        """The kernel gives the lock up with its holder, however that ends. PostgreSQL does not inherit it."""
        file = os.open(self._data_dir / "postgres.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            return False
        self._lock = file
        return True

    def _unlock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _how(self) -> str:
        code = None if self._child is None else self._child.returncode
        if code is None:
            return ""
        return f" by {signal.Signals(-code).name}" if code < 0 else f" with {code}"


def _told(log: Path, since: int) -> str:
    """What PostgreSQL and the launcher wrote after byte `since`, the end of it."""
    with log.open("rb") as file:
        file.seek(since if log.stat().st_size >= since else 0)
        return file.read()[-2000:].decode(errors="replace").strip() or f"see {log}"

"""Paper mode: once an hour each worker process writes the sheet to TOCSIN_PAPER_DIR of its own host, and one of them
mails it to TOCSIN_PAPER_TO when it says something new. When the database cannot be read, the file that lies there is
made to say how old it is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import localtime
from pathlib import Path
from typing import Final
from uuid import uuid4

import asyncpg
import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from app import clock, watch_metrics
from app.channels.channel import Message, SendFailed
from app.channels.mail import MailChannel
from app.db.engine import transaction
from app.settings import Settings
from app.vigil import files, paper_texts, round_store, sheet
from app.vigil.collecting import collect
from app.vigil.sheet import Sheet

EVERY: Final = timedelta(hours=1)
ROUND: Final = "paper"

log = structlog.get_logger()


class Paper:
    """One per worker process. Raises `Invalid` for an address in TOCSIN_PAPER_TO that is none."""

    def __init__(
        self, settings: Settings, engine: AsyncEngine, *, elapsed: Callable[[], float] = clock.elapsed
    ) -> None:
        self._engine = engine
        self._elapsed = elapsed
        self._public_url = settings.public_url
        self._directory = Path(settings.paper_dir).expanduser() if settings.paper_dir else None
        self._mail = MailChannel(settings) if settings.paper_to else None
        to = [address.strip() for address in settings.paper_to.split(",") if address.strip()]
        self._to = [self._mail.normalise(address) for address in to] if self._mail is not None else []
        self._written_at: float | None = None

    async def close(self) -> None:
        if self._mail is not None:
            await self._mail.close()

    async def look(self) -> None:
        """Writes when an hour has passed, mails when it is this process's turn. Raises nothing that a database causes
        which cannot be read, nor a disk that is full."""
        due = self._written_at is None or self._elapsed() - self._written_at >= EVERY.total_seconds()
        try:
            if due and self._directory is not None:
                await self._write(await self.read())
            if self._mail is not None:
                await self._post()
        except (SQLAlchemyError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as e:
            watch_metrics.paper_failed("database")
            log.warning("paper_not_written", error=type(e).__name__)
            await self._restamp()

    async def read(self) -> Sheet:
        """The sheet as it is now, from a transaction that writes nothing."""
        async with transaction(self._engine) as (conn, now):
            return await collect(conn, now, self._public_url)

    async def _write(self, found: Sheet) -> None:
        assert self._directory is not None
        try:
            await asyncio.to_thread(files.write, self._directory, paper_texts.html(found))
        except OSError as e:
            watch_metrics.paper_failed("file")
            log.error("paper_not_written", error=e.strerror or type(e).__name__)
            return
        self._written_at = self._elapsed()
        watch_metrics.paper_written()

    async def _restamp(self) -> None:
        if self._directory is None or (page := await asyncio.to_thread(files.former, self._directory)) is None:
            return
        now = localtime().astimezone(UTC)  # the host's clock: the database's is out of reach
        old = paper_texts.restamped(page, now, "The database cannot be read, so there is no newer one.")
        if old is not None:
            try:
                await asyncio.to_thread(files.write, self._directory, old)
            except OSError as e:
                watch_metrics.paper_failed("file")
                log.error("paper_not_written", error=e.strerror or type(e).__name__)

    async def _post(self) -> None:
        """At most once an hour, by one process, if it says something new. What no recipient's server took is tried
        again in an hour."""
        async with transaction(self._engine) as (conn, now):
            before = await round_store.take(conn, now, ROUND, EVERY)
            if before is None:
                return
            found = await collect(conn, now, self._public_url)
        if not sheet.changed(before, found) or not await self._send(found, now):
            return
        async with transaction(self._engine) as (conn, _):
            await round_store.keep(conn, ROUND, sheet.substance(found))

    async def _send(self, found: Sheet, now: datetime) -> bool:
        assert self._mail is not None
        taken = False
        for to in self._to:
            message = Message(
                notification_id=f"paper-{uuid4()}",
                attempt=1,
                purpose="digest",
                to=to,
                at=now,
                subject=f"On call: {found.organisation}, as of {sheet.when(found.written_at, found.zone)}",
                text=paper_texts.text(found),
            )
            try:
                await self._mail.send(message)
                taken = True
            except SendFailed as e:
                watch_metrics.paper_failed("mail")
                log.warning("paper_not_mailed", because=str(e))
        return taken

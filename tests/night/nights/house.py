"""The database of many nights: emptied between them, closed down for an outage, looked at between two instants."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.db import engine as db
from app.notifications.due import NEXT_DUE
from nights.ears import Ears
from nights.evidence import Evidence

SET_CLOCK = """
    INSERT INTO clock_control (id, anchor_real, anchor_virtual, speed) VALUES (1, statement_timestamp(), $1, 0)
    ON CONFLICT (id) DO UPDATE SET anchor_real = excluded.anchor_real, anchor_virtual = excluded.anchor_virtual,
                                   speed = excluded.speed
"""
INCIDENTS = """
    SELECT i.number, i.state, i.epoch,
           EXISTS (SELECT 1 FROM ladders l WHERE l.incident_id = i.id AND l.purpose = 'page'
                                             AND l.next_step_at IS NOT NULL) AS climbs,
           EXISTS (SELECT 1 FROM storms s WHERE s.id = i.storm_id AND s.ended_at IS NULL
                                            AND s.incident_id <> i.id) AS withheld
    FROM incidents i ORDER BY i.number
"""
LOOK = NEXT_DUE.text
CALLS_DUE = """
    SELECT min(c.due_at) FROM webhook_calls c
    WHERE c.finished_at IS NULL AND NOT EXISTS (
        SELECT FROM webhook_calls e WHERE e.incident_id = c.incident_id AND e.webhook_id = c.webhook_id
                                      AND e.entry_id < c.entry_id AND e.finished_at IS NULL)
"""
CARRIED = "SELECT id, carried_by_id FROM notifications WHERE state = 'sending' AND carried_by_id = ANY ($1::uuid[])"
EMPTY = """
    DO $$
    DECLARE
        t record;
        found boolean;
    BEGIN
        SET LOCAL session_replication_role = replica;
        FOR t IN SELECT c.oid::regclass AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                 WHERE n.nspname = 'public' AND c.relkind IN ('r') AND c.relname <> 'alembic_version' LOOP
            EXECUTE format('SELECT EXISTS (SELECT 1 FROM %s)', t.name) INTO found;
            IF found THEN EXECUTE format('DELETE FROM %s', t.name); END IF;
        END LOOP;
        FOR t IN SELECT k.relname, q.oid::regclass AS name FROM pg_class k
                 JOIN pg_class q ON q.relname = 'kept_' || k.relname
                 JOIN pg_namespace n ON n.oid = q.relnamespace WHERE n.nspname = 'kept' AND k.relkind = 'r' LOOP
            EXECUTE format('INSERT INTO %I SELECT * FROM %s', t.relname, t.name);
        END LOOP;
        FOR t IN SELECT c.oid::regclass AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                 WHERE n.nspname = 'public' AND c.relkind = 'S' LOOP
            EXECUTE format('ALTER SEQUENCE %s RESTART', t.name);
        END LOOP;
    END $$
"""
KEEP = """
    DO $$
    DECLARE
        t record;
        found boolean;
    BEGIN
        CREATE SCHEMA kept;
        FOR t IN SELECT c.oid::regclass AS name, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                 WHERE n.nspname = 'public' AND c.relkind = 'r' AND c.relname <> 'alembic_version' LOOP
            EXECUTE format('SELECT EXISTS (SELECT 1 FROM %s)', t.name) INTO found;
            IF found THEN
                EXECUTE format('CREATE TABLE kept.%I AS SELECT * FROM %s', 'kept_' || t.relname, t.name);
            END IF;
        END LOOP;
    END $$
"""
"""What a migrated database holds before anybody configures it."""


class House:
    """`engine` is what everybody works with; `admin` is in another database of the same server."""

    def __init__(self, url: str, admin_url: str) -> None:
        self.engine: AsyncEngine = db.create(url, size=4)
        self._admin = db.create(admin_url, size=1)
        self._name = str(make_url(url).database)
        self._url = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
        self._ready = False
        self._clock: Any = None

    async def close(self) -> None:
        await self._leave()
        await self.engine.dispose()
        await self._admin.dispose()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[tuple[AsyncConnection, datetime]]:
        async with db.transaction(self.engine) as (conn, now):
            yield conn, now

    @contextmanager
    def listening(self, evidence: Evidence) -> Iterator[None]:
        """ERROR lines of the log become evidence."""
        ears = Ears()
        with ears.listening():
            yield
        evidence.errors += ears.errors()

    async def empty(self) -> None:
        """Nothing is left of the night before."""
        if self._clock is None:  # the first night, or the one before ended while the database was away
            await self.open_up()
        if not self._ready:
            await self._clock.execute(KEEP)
            self._ready = True
        await self._clock.execute(EMPTY)

    async def set_clock(self, at: datetime) -> None:
        """It is `at`, and stays so."""
        await self._clock.execute(SET_CLOCK, at)

    async def look(self) -> tuple[Any, list[Any]]:
        """Seconds until the next row falls due; the incidents."""
        return await self._clock.fetchval(LOOK), await self._clock.fetch(INCIDENTS)

    async def calls_due(self) -> datetime | None:
        """When the next webhook is to be told of something."""
        found: datetime | None = await self._clock.fetchval(CALLS_DUE)
        return found

    async def carried(self, by: list[UUID]) -> list[tuple[UUID, UUID]]:
        """(notification, by which) of what is on its way in the messages of these notifications."""
        return [(UUID(int=a.int), UUID(int=b.int)) for a, b in await self._clock.fetch(CARRIED, by)]

    async def _leave(self) -> None:
        if self._clock is not None:
            await self._clock.close()
            self._clock = None

    async def _ask_admin(self, *statements: str) -> None:
        async with self._admin.connect() as conn:
            await conn.execution_options(isolation_level="AUTOCOMMIT")
            for statement in statements:
                await conn.execute(text(statement))

    async def close_down(self) -> None:
        """Cuts every connection, and lets none in."""
        await self._leave()
        await self._ask_admin(
            f"ALTER DATABASE {self._name} ALLOW_CONNECTIONS false",
            f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{self._name}'",
        )

    async def open_up(self) -> None:
        await self._ask_admin(f"ALTER DATABASE {self._name} ALLOW_CONNECTIONS true")
        self._clock = await asyncpg.connect(self._url, server_settings={"timezone": "UTC"})

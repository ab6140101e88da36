"""The database of many nights: emptied between them, closed down for an outage, looked at between two instants."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime
from typing import Any

from nights.ears import Ears
from nights.evidence import Evidence
from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.db import engine as db
from app.notifications.due import NEXT_DUE

SET_CLOCK = text("""
    INSERT INTO clock_control (id, anchor_real, anchor_virtual, speed) VALUES (1, statement_timestamp(), :at, 0)
    ON CONFLICT (id) DO UPDATE SET anchor_real = excluded.anchor_real, anchor_virtual = excluded.anchor_virtual,
                                   speed = excluded.speed
""")
INCIDENTS = text("""
    SELECT i.number, i.state, i.epoch,
           EXISTS (SELECT 1 FROM ladders l WHERE l.incident_id = i.id AND l.purpose = 'page'
                                             AND l.next_step_at IS NOT NULL) AS climbs,
           EXISTS (SELECT 1 FROM storms s WHERE s.id = i.storm_id AND s.ended_at IS NULL
                                            AND s.incident_id <> i.id) AS withheld
    FROM incidents i ORDER BY i.number
""")
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
        FOR t IN SELECT k.relname, q.oid::regclass AS name FROM pg_class k JOIN pg_class q ON q.relname = 'kept_' || k.relname
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
            IF found THEN EXECUTE format('CREATE TABLE kept.%I AS SELECT * FROM %s', 'kept_' || t.relname, t.name); END IF;
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
        self._ready = False

    async def close(self) -> None:
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

    async def empty(self, at: datetime) -> None:
        """Nothing is left of the night before; it is `at`."""
        async with self.engine.begin() as conn:
            if not self._ready:
                await conn.execute(text(KEEP))
                self._ready = True
            await conn.execute(text(EMPTY))
            await conn.execute(SET_CLOCK, {"at": at})

    async def look(self, at: datetime | None) -> tuple[Any, list[Any]]:
        """Sets the clock first, unless it is right already. Real seconds until the next row falls due; the incidents."""
        async with self.engine.begin() as conn:
            if at is not None:
                await conn.execute(SET_CLOCK, {"at": at})
            return (await conn.execute(NEXT_DUE)).scalar_one(), list((await conn.execute(INCIDENTS)).all())

    async def _ask_admin(self, *statements: str) -> None:
        async with self._admin.connect() as conn:
            await conn.execution_options(isolation_level="AUTOCOMMIT")
            for statement in statements:
                await conn.execute(text(statement))

    async def close_down(self) -> None:
        """Cuts every connection, and lets none in."""
        await self._ask_admin(
            f"ALTER DATABASE {self._name} ALLOW_CONNECTIONS false",
            f"SELECT pg_terminate_backend(pid, 2000) FROM pg_stat_activity WHERE datname = '{self._name}'",
        )

    async def open_up(self) -> None:
        await self._ask_admin(f"ALTER DATABASE {self._name} ALLOW_CONNECTIONS true")

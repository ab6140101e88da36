"""What a story may look at behind the doors: incidents, their timeline, rows."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.db import engine as db
from app.incidents import timeline

INCIDENTS = text("""
    SELECT i.*, s.key AS service, u.key AS acknowledged_by FROM incidents i JOIN services s ON s.id = i.service_id
    LEFT JOIN users u ON u.id = i.acknowledged_by_id ORDER BY i.number
""")
TIMELINE = text("SELECT kind, actor, data FROM timeline_entries WHERE incident_id = :id ORDER BY at, id")


class Looking:
    engine: AsyncEngine

    async def incidents(self) -> list[Any]:
        """All incidents, oldest first: their columns, `service` and `acknowledged_by` by key."""
        return await self.rows(INCIDENTS)

    async def incident(self) -> Any:
        """The only one there is."""
        found = await self.incidents()
        assert len(found) == 1, f"there are {len(found)} incidents"
        return found[0]

    async def story(self, incident: Any = None) -> list[str]:
        """The timeline of an incident (of the only one) in words."""
        about = incident or await self.incident()
        return [timeline.describe(r.kind, r.data) for r in await self.rows(TIMELINE, id=about.id)]

    async def rows(self, statement: Any, **named: Any) -> list[Any]:
        async with self.engine.connect() as conn:
            asked = text(statement) if isinstance(statement, str) else statement
            return list((await conn.execute(asked, named)).all())

    async def execute(self, statement: str, **named: Any) -> None:
        """For what no command can do: damage."""
        async with self.engine.begin() as conn:
            await conn.execute(text(statement), named)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[tuple[AsyncConnection, datetime]]:
        async with db.transaction(self.engine) as (conn, now):
            yield conn, now

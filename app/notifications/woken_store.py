"""SQL of who was woken by what a schedule pages."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db import ids
from app.escalation.concern_store import PAGES_SCHEDULE

PAGES = text(f"""
    SELECT n.user_id, min(n.created_at) AS at FROM notifications n JOIN ladders l ON l.id = n.ladder_id
    JOIN incidents i ON i.id = n.incident_id
    WHERE n.user_id = ANY (CAST(:users AS bigint[])) AND n.purpose = 'page' AND n.loudness = 'loud' AND n.tries > 0
      AND n.id >= CAST(:first AS uuid) AND n.id < CAST(:last AS uuid)
      AND {PAGES_SCHEDULE}
    GROUP BY n.user_id, n.ladder_id, n.epoch, n.round, n.step
""")
"""When each of these people was woken by an incident that pages a schedule: once a step, however many messages."""


async def pages(
    conn: AsyncConnection, schedule_id: int, users: Collection[int], t0: datetime, t1: datetime
) -> list[tuple[int, datetime]]:
    """Loud pages of `[t0, t1)`, drills not among them: user and instant."""
    named = {"users": sorted(users), "schedule_id": schedule_id}
    rows = await conn.execute(PAGES, named | {"first": ids.first_of(t0), "last": ids.first_of(t1)})
    return [(r.user_id, r.at) for r in rows]

"""SQL of the second path: what is due and has not been done. It reads by the partial indexes on due times only."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app import clock
from app.notifications.watch import LATE_S, Overdue

OVERDUE = text("""
    SELECT 'ladders', count(*) FILTER (WHERE due < :late), min(due)
    FROM (SELECT next_step_at AS due FROM ladders WHERE next_step_at <= :now
          UNION ALL SELECT update_due_at FROM ladders WHERE update_due_at <= :now
          UNION ALL SELECT paging_due_at FROM incidents WHERE paging_due_at <= :now
          UNION ALL SELECT wakes_at FROM incidents WHERE wakes_at <= :now) AS ladders
    UNION ALL
    SELECT 'notifications', count(*) FILTER (WHERE due < :late), min(due)
    FROM (SELECT due_at AS due FROM notifications WHERE state = 'pending' AND due_at <= :now
          UNION ALL
          SELECT claimed_at + interval '60 seconds' FROM notifications
          WHERE state = 'sending' AND claimed_at <= :taken_over) AS notifications
""")
"""Ladders that are due, or would be had the tick restarted them: their incident was triggered again, or its
acknowledgement expired. Notifications that are due, or were claimed a minute ago and never recorded."""


async def overdue(conn: AsyncConnection) -> tuple[Overdue, Overdue]:
    """Ladders and notifications, measured on the database's own clock."""
    now = await clock.read(conn)
    minute = timedelta(seconds=LATE_S)
    rows = await conn.execute(OVERDUE, {"now": now, "late": now - minute, "taken_over": now - minute})
    found = {
        what: Overdue(late, (now - oldest).total_seconds() if oldest is not None else 0.0)
        for what, late, oldest in rows
    }
    return found["ladders"], found["notifications"]

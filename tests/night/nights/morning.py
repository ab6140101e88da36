"""What is on record when a night is over."""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.incidents import timeline
from app.notifications import reading
from nights.evidence import Rows

INCIDENTS = text("""
    SELECT i.id, i.number, i.state, i.epoch, i.title, i.priority, i.loudness, i.opened_at, i.storm_id,
           i.merged_into_id FROM incidents i ORDER BY i.number
""")
TIMELINE = text("""
    SELECT i.number, e.id, e.at, e.kind, e.actor, e.data, s.key AS service
    FROM timeline_entries e JOIN incidents i ON i.id = e.incident_id JOIN services s ON s.id = i.service_id
    ORDER BY i.number, e.at, e.id
""")
NOTIFICATIONS = text("""
    SELECT n.*, i.number, u.key AS person FROM notifications n LEFT JOIN incidents i ON i.id = n.incident_id
    LEFT JOIN users u ON u.id = n.user_id ORDER BY n.created_at, n.id
""")
ATTEMPTS = text("SELECT * FROM attempts ORDER BY started_at, id")
CALLS = text("""
    SELECT c.*, w.key AS hook, i.number FROM webhook_calls c JOIN webhooks w ON w.id = c.webhook_id
    JOIN incidents i ON i.id = c.incident_id ORDER BY c.entry_id
""")


async def rows(engine: AsyncEngine) -> Rows:
    """All that the invariants look at."""
    async with engine.connect() as conn:
        incidents = (await conn.execute(INCIDENTS)).all()
        told = [(i.number, n) for i in incidents for n in await reading.of_incident(conn, i.id, limit=10_000)]
        return Rows(
            tuple(incidents),
            tuple((await conn.execute(TIMELINE)).all()),
            tuple((await conn.execute(NOTIFICATIONS)).all()),
            tuple((await conn.execute(ATTEMPTS)).all()),
            tuple(told),
            calls=tuple((await conn.execute(CALLS)).all()),
        )


def describe(kind: str, data: object) -> str:
    return timeline.describe(kind, data)  # type: ignore[arg-type]

"""When there is something to do next, in any room of the road: what the metronome is set to."""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.alerts import store as alerts
from app.escalation import store as escalation
from app.heartbeats import beat_store as beats
from app.incidents import store as incidents
from app.incidents import storm_store
from app.notifications import store as notifications

NEXT_DUE = text(f"""
    SELECT extract(epoch FROM due - tocsin_now()) / coalesce((SELECT nullif(speed, 0) FROM clock_control), 1)
    FROM (SELECT least(({alerts.NEXT_EXPIRY}), ({alerts.NEXT_RECHECK}), ({incidents.NEXT_DUE}),
                       ({storm_store.NEXT_LOOK}), ({escalation.NEXT_STEP}), ({notifications.NEXT_DUE}),
                       ({beats.NEXT_DUE})) AS due) AS earliest
""")


async def next_due(conn: AsyncConnection) -> float | None:
    """Real seconds until the next row of any room falls due; None: none waits."""
    seconds = (await conn.execute(NEXT_DUE)).scalar_one()
    return None if seconds is None else float(seconds)

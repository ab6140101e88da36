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
from app.oncall import handoff_store

NEXT_DUE = text(f"""
    SELECT extract(epoch FROM due - tocsin_now()) / coalesce((SELECT nullif(speed, 0) FROM clock_control), 1) AS wait_s,
           coalesce(handoffs <= tocsin_now(), false) AS handoffs
    FROM (SELECT least(({alerts.NEXT_EXPIRY}), ({alerts.NEXT_RECHECK}), ({incidents.NEXT_DUE}),
                       ({storm_store.NEXT_LOOK}), ({escalation.NEXT_STEP}), ({notifications.NEXT_DUE}),
                       ({beats.NEXT_DUE}), handoffs) AS due, handoffs
          FROM (SELECT ({handoff_store.NEXT_DUE}) AS handoffs) AS asked) AS earliest
""")


async def next_due(conn: AsyncConnection) -> tuple[float | None, bool]:
    """Real seconds until the next row of any room falls due (None: none waits), and whether something about handoffs
    is due already."""
    row = (await conn.execute(NEXT_DUE)).one()
    return None if row.wait_s is None else float(row.wait_s), row.handoffs

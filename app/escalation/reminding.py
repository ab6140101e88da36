"""Whoever has an incident is reminded before the acknowledgement expires, and can say that it is still so."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.escalation.positions import PageOrder
from app.incidents import store as incident_store

ROUND: Final = -1
"""Of the orders: a step's is 1 or more, a reminder of an update's 0."""

LADDERS: Final = text("""
    SELECT l.id, l.incident_id, l.started_at FROM ladders l
    WHERE l.incident_id = ANY (CAST(:ids AS uuid[])) AND l.purpose = 'page'
""")


async def remind(conn: AsyncConnection, now: datetime, limit: int = 500) -> list[PageOrder]:
    """An order for each acknowledgement that expires in 5 minutes (behaviour.md 5), once."""
    ending = (await conn.execute(incident_store.CLAIM_REMINDERS, {"now": now, "limit": limit})).all()
    if not ending:
        return []
    ladders = {r.incident_id: r for r in await conn.execute(LADDERS, {"ids": [r.id for r in ending]})}
    because = "you have it, and your acknowledgement expires"
    return [
        PageOrder(
            ladders[r.id].id, r.id, "nudge", r.epoch, ROUND,
            int((r.wakes_at - ladders[r.id].started_at).total_seconds()),  # no other expiry of this ladder has it
            r.acknowledged_by_id, r.loudness, because, expires_at=r.wakes_at,
        )
        for r in ending
        if r.id in ladders
    ]  # fmt: skip

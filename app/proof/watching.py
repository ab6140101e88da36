"""What a worker proves apart from its tick, so that no page waits for it: drills that are over, the next 48 hours of
schedules, the weekly mails. Each part a transaction of its own; all that is due is in rows, and claimed."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from sqlalchemy.ext.asyncio import AsyncEngine

from app.db.engine import transaction
from app.proof import drills, mailing, warning

PASSES: Final = 50
"""A backlog is worked off in passes, not at once: others have their turn."""


async def prove(engine: AsyncEngine, channels: Collection[str], public_url: str) -> bool:
    """One pass. True when it may have queued something to be sent."""
    async with transaction(engine) as (conn, now):
        busy = await drills.look(conn, now) > 0
        await mailing.plan(conn, now)
    for _ in range(PASSES):
        async with transaction(engine) as (conn, now):
            looked = await warning.look(conn, now, channels, public_url)
        busy = busy or looked > 0
        if looked < warning.LOOKED_AT:
            break
    for _ in range(PASSES):
        async with transaction(engine) as (conn, now):
            if not await mailing.go_on(conn, now, channels, public_url):
                break
        busy = True
    return busy

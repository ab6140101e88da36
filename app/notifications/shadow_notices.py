"""Who looks on learns of what the person is paged about whom they shadow: quietly, and once an epoch.

Such a message belongs to no step of a ladder: it is no hope that somebody will answer, and its failure is nobody's. An
acknowledgement cancels it like any other. In a storm shadows are told nothing: they could not help.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from app.db import ids
from app.directory import contacts
from app.escalation.positions import Shadowing
from app.incidents import storm_store
from app.notifications import store
from app.notifications.plan import Planned


async def queue(conn: AsyncConnection, shadows: Sequence[Shadowing], channels: Collection[str], now: datetime) -> int:
    """One message each, along the first quiet notification rule. Returns how many are new."""
    if not shadows or await storm_store.running(conn) is not None:
        return 0
    people = await contacts.people(conn, {one.user_id for one in shadows}, channels)
    planned = [
        Planned(
            ids.new(now), f"shadow:{one.ladder_id}:{one.epoch}:{one.user_id}", "notice", "quiet", one.user_id,
            rule.method.id, rule.method.channel, rule.method.address, now, incident_id=one.incident_id,
            epoch=one.epoch, content={"shadows": one.names, "why": f"you shadow {one.names}"},
        )
        for one in shadows
        if one.user_id in people and people[one.user_id].active
        for rule in people[one.user_id].rules_for("quiet")[:1]
    ]  # fmt: skip
    return await store.insert(conn, planned, now)

"""What somebody wrote to those who wait goes to everybody who was informed of the incident: quietly, and once each."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db import ids
from app.directory import contacts
from app.incidents.commands import Responder
from app.notifications import store
from app.notifications.plan import Planned

_INFORMED = text("""
    SELECT DISTINCT n.user_id FROM notifications n
    WHERE n.incident_id = :incident_id AND n.purpose = 'update' AND n.user_id IS NOT NULL
      AND n.state IN ('pending', 'sending', 'sent', 'delivered')
""")


async def post(
    conn: AsyncConnection, now: datetime, incident_id: UUID, who: Responder, words: str, channels: Collection[str]
) -> int:
    """One message to each of them but whoever wrote it, along their first quiet notification rule. Returns how many."""
    informed = set((await conn.execute(_INFORMED, {"incident_id": incident_id})).scalars()) - {who.user_id}
    update = ids.new(now)  # no other update of the incident has it
    planned = [
        Planned(
            ids.new(now), f"posted:{update}:{person.id}", "update", "quiet", person.id, rule.method.id,
            rule.method.channel, rule.method.address, now, incident_id=incident_id,
            content={"update": words, "by": who.name, "why": "you were informed of it"},
        )
        for person in (await contacts.people(conn, informed, channels)).values()
        if person.active
        for rule in person.rules_for("quiet")[:1]
    ]  # fmt: skip
    return await store.insert(conn, planned, now)

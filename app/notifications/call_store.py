"""SQL of calls: whose call it is, by the token in the addresses that Twilio was given for one attempt."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

LASTS = timedelta(hours=1)
"""A call is over long before; its address is worth nothing afterwards."""

_CALL = text("""
    SELECT n.id AS notification_id, n.user_id, u.key AS user_key, u.name AS user_name, n.purpose, n.content, n.address,
           n.incident_id, a.number > 1 OR EXISTS (
               SELECT FROM notifications c JOIN attempts b ON b.notification_id = c.id
               WHERE c.carried_by_id = n.id AND b.started_at < a.started_at
           ) AS again
    FROM attempts a JOIN notifications n ON n.id = a.notification_id JOIN users u ON u.id = n.user_id
    WHERE a.callback_hash = :hash AND n.channel = 'voice' AND u.active AND a.started_at > :since
""")


@dataclass(frozen=True, slots=True)
class Call:
    """A call that was placed lately, to somebody who may answer it."""

    notification_id: UUID
    user_id: int
    user_key: str
    user_name: str
    purpose: str
    content: dict[str, Any]
    address: str
    incident_id: UUID | None
    again: bool
    """It, or a message that it carries, was tried before: what came of that may not be known."""

    @property
    def asks(self) -> bool:
        """A key is to be pressed, or nobody was reached."""
        return self.purpose == "page" and self.incident_id is not None


async def find(conn: AsyncConnection, now: datetime, callback_hash: bytes) -> Call | None:
    """None: there is no such call, or it is long over."""
    row = (await conn.execute(_CALL, {"hash": callback_hash, "since": now - LASTS})).first()
    return None if row is None else Call(*row)

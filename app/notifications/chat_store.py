"""SQL of messages in chats: which say something else than how their incident stands, and whose button it was."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

_STAND = """
    i.state || '/' || coalesce(CAST(i.acknowledged_by_id AS text), '') || '/'
    || coalesce(CAST(CAST(floor(extract(epoch FROM i.wakes_at)) AS bigint) AS text), '')
"""
"""As `stand` writes it."""

_KEEP = text("""
    INSERT INTO chat_messages (attempt_id, incident_id, shown, due_at)
    VALUES (:attempt_id, :incident_id, :shown, :now) ON CONFLICT (attempt_id) DO NOTHING
""")

_CLAIM = text(f"""
    UPDATE chat_messages m SET due_at = :until, tries = m.tries + 1
    FROM (SELECT c.attempt_id, {_STAND} AS stand,
                 {_STAND} || CASE WHEN c.told_for = {_STAND} THEN '/' || c.told ELSE '' END AS shows
          FROM chat_messages c JOIN incidents i ON i.id = c.incident_id
          WHERE c.due_at <= :now
            AND c.shown <> {_STAND} || CASE WHEN c.told_for = {_STAND} THEN '/' || c.told ELSE '' END
          ORDER BY c.due_at, c.attempt_id LIMIT :limit
          FOR UPDATE OF c SKIP LOCKED) d, attempts a
    WHERE m.attempt_id = d.attempt_id AND a.id = m.attempt_id
    RETURNING m.attempt_id, a.notification_id, coalesce(a.provider_id, '') AS provider_id, m.tries, d.shows,
              CASE WHEN m.told_for = d.stand THEN m.told ELSE '' END AS told,
              m.told_for = d.stand AND m.asks AS asks
""")
"""Messages that say something else than how it stands, for one worker at a time."""

_SHOWN = text("""
    UPDATE chat_messages SET shown = :shown, due_at = :now, tries = 0 WHERE attempt_id = :attempt_id
""")

_FORGET = text("DELETE FROM chat_messages WHERE attempt_id = :attempt_id")

_LATER = text("UPDATE chat_messages SET due_at = :at WHERE attempt_id = :attempt_id")

_ALL_LATER = text("UPDATE chat_messages SET due_at = :at WHERE due_at < :at")
"""The provider asks everybody to wait."""

_PRESSED = text("""
    SELECT 0 AS code, n.user_id, u.key AS user_key, u.name AS user_name, n.contact_method_id, i.id AS incident_id,
           n.id AS notification_id, i.number, i.title, i.priority, i.state, i.service_id, s.name AS service, m.address,
           a.started_at
    FROM attempts a
    JOIN notifications n ON n.id = a.notification_id JOIN contact_methods m ON m.id = n.contact_method_id
    JOIN users u ON u.id = n.user_id JOIN incidents i ON i.id = n.incident_id JOIN services s ON s.id = i.service_id
    WHERE a.id = :attempt_id AND m.user_id = n.user_id AND m.channel = :channel AND m.address = :address
      AND m.verified_at IS NOT NULL AND m.broken_at IS NULL AND u.active
""")
"""The page of an attempt, where it went to this very address, which still counts."""

_TELL = text(f"""
    UPDATE chat_messages c SET told = :told, asks = :asks, told_for = {_STAND}
    FROM incidents i WHERE c.attempt_id = :attempt_id AND i.id = c.incident_id
""")


def stand(row: Any) -> str:
    """What a message says about its incident, in short: state, who has it, until when. `row`: a claimed notification,
    with `incident_state`, `acknowledged_by_id` and `wakes_at`."""
    until = "" if row.wakes_at is None else int(row.wakes_at.timestamp())
    return f"{row.incident_state}/{row.acknowledged_by_id or ''}/{until}"


async def keep(conn: AsyncConnection, now: datetime, attempt_id: UUID, incident_id: UUID, shown: str) -> None:
    """A message went out that is to follow its incident."""
    named = {"attempt_id": attempt_id, "incident_id": incident_id, "shown": shown, "now": now}
    await conn.execute(_KEEP, named)


async def claim(conn: AsyncConnection, now: datetime, lease: timedelta, limit: int) -> Sequence[Any]:
    """Rows with `attempt_id`, `notification_id`, `provider_id`, `tries`, `shows`, `told`, `asks`."""
    return (await conn.execute(_CLAIM, {"now": now, "until": now + lease, "limit": limit})).all()


async def shown(conn: AsyncConnection, now: datetime, attempt_id: UUID, shows: str) -> None:
    await conn.execute(_SHOWN, {"attempt_id": attempt_id, "shown": shows, "now": now})


async def forget(conn: AsyncConnection, attempt_id: UUID) -> None:
    """It changes no more."""
    await conn.execute(_FORGET, {"attempt_id": attempt_id})


async def later(conn: AsyncConnection, attempt_id: UUID, at: datetime) -> None:
    await conn.execute(_LATER, {"attempt_id": attempt_id, "at": at})


async def all_later(conn: AsyncConnection, at: datetime) -> None:
    await conn.execute(_ALL_LATER, {"at": at})


async def pressed(conn: AsyncConnection, attempt_id: UUID, channel: str, address: str) -> Any:
    """The columns of a `Candidate` and `started_at`; None: it is nobody's who may answer so."""
    named = {"attempt_id": attempt_id, "channel": channel, "address": address}
    return (await conn.execute(_PRESSED, named)).first()


async def tell(conn: AsyncConnection, attempt_id: UUID, told: str, *, asks: bool) -> None:
    """What its reader is told, as long as the incident stands as it does now."""
    await conn.execute(_TELL, {"attempt_id": attempt_id, "told": told, "asks": asks})

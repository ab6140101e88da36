"""SQL of mails that come in: which mail of ours they are about, whose address they come from."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.notifications.meaning import Candidate
from app.notifications.reply_store import ENDED_SINCE

_MAIL = text("""
    SELECT a.id, coalesce(CAST(n.content ->> 'answers' AS uuid), n.id) AS about, n.user_id, u.key AS user_key,
           u.name AS user_name, u.active
    FROM attempts a JOIN notifications n ON n.id = a.notification_id JOIN users u ON u.id = n.user_id
    WHERE a.id = :attempt_id AND n.channel = 'mail'
""")
"""The mail of an attempt and whom it was sent to. An answer of ours is about what it answered."""

_METHOD = text("""
    SELECT m.id, m.address FROM contact_methods m
    WHERE m.user_id = :user_id AND m.channel = 'mail' AND lower(m.address) = lower(:sender)
      AND m.verified_at IS NOT NULL AND m.broken_at IS NULL
    ORDER BY m.id LIMIT 1
""")

_CANDIDATES = text("""
    SELECT DISTINCT ON (i.priority, i.number) i.number AS code, n.user_id, u.key AS user_key, u.name AS user_name,
           n.contact_method_id, i.id AS incident_id, n.id AS notification_id, i.number, i.title, i.priority, i.state,
           i.service_id, s.name AS service, n.address, coalesce(n.content ->> 'digest', '') AS digest,
           coalesce(i.acknowledged_by_id = n.user_id, false) AS mine, n.claimed_at AS sent_at
    FROM notifications n
    JOIN incidents i ON i.id = n.incident_id JOIN services s ON s.id = i.service_id JOIN users u ON u.id = n.user_id
    WHERE (n.id = :about OR n.carried_by_id = :about) AND n.user_id = :user_id AND n.contact_method_id IS NOT NULL
      AND (i.state IN ('triggered', 'acknowledged', 'mitigated') OR coalesce(i.resolved_at, i.closed_at) > :since)
    ORDER BY i.priority, i.number, n.id
""")
"""What a mail was about and is open, or was a day ago; in place of a code the incident's number."""

_NOTED = text("""
    SELECT count(*) FILTER (WHERE r.at > :hour) AS lately, coalesce(bool_or(r.text_hash = :hash), false) AS the_same
    FROM replies r WHERE r.address = :address AND r.at > :since AND r.verb = 'note' AND r.provider_id <> :identity
""")

_DELAYED = text("""
    UPDATE attempts SET code = :code, error = :error WHERE id = :id AND status IN ('', 'sent')
""")

_BOUNCED = text("""
    SELECT u.name, u.key, count(*) AS times, (array_agg(a.code ORDER BY a.finished_at DESC))[1] AS code
    FROM attempts a JOIN notifications n ON n.id = a.notification_id JOIN users u ON u.id = n.user_id
    JOIN contact_methods m ON m.id = n.contact_method_id
    WHERE n.channel = 'mail' AND n.state = 'undelivered' AND n.finished_at > :since AND m.broken_at IS NULL AND u.active
    GROUP BY u.name, u.key ORDER BY u.key LIMIT :limit
""")
"""Whose mails came back lately although their address still counts."""


async def mail(conn: AsyncConnection, attempt_id: UUID) -> Any:
    """None: there is no such attempt any more."""
    return (await conn.execute(_MAIL, {"attempt_id": attempt_id})).first()


async def method(conn: AsyncConnection, user_id: int, sender: str) -> Any:
    """This person's verified contact method with that address; None where it is none."""
    return (await conn.execute(_METHOD, {"user_id": user_id, "sender": sender})).first()


async def candidates(conn: AsyncConnection, about: UUID, user_id: int, now: datetime) -> list[Candidate]:
    named = {"about": about, "user_id": user_id, "since": now - ENDED_SINCE}
    return [Candidate(*row) for row in await conn.execute(_CANDIDATES, named)]


async def noted(
    conn: AsyncConnection, now: datetime, address: str, hash_: bytes, identity: str, within: timedelta
) -> tuple[int, bool]:
    """How many other notes came from this address within the hour, and whether one with these words did `within`."""
    named = {"address": address, "hash": hash_, "identity": identity, "hour": now - timedelta(hours=1)}
    row = (await conn.execute(_NOTED, named | {"since": now - within})).one()
    return row.lately, row.the_same


async def delayed(conn: AsyncConnection, attempt_id: UUID, code: str, error: str) -> None:
    """A server still tries: what it says is shown, and nothing else changes."""
    await conn.execute(_DELAYED, {"id": attempt_id, "code": code, "error": error})


async def bounced(conn: AsyncConnection, since: datetime, limit: int) -> Sequence[Any]:
    """Rows with `name`, `key`, `times` and the newest `code`."""
    return (await conn.execute(_BOUNCED, {"since": since, "limit": limit})).all()

"""SQL of answers by text message: codes, the texts that came in, whose number it is."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any
from zlib import crc32

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.notifications.meaning import Candidate

ENDED_SINCE = timedelta(hours=24)
"""So long after its incident is over, a code still tells what became of it, like a link."""
KEPT = timedelta(days=30)

_LOCK = text("SELECT pg_advisory_xact_lock(7028442, n) FROM unnest(CAST(:numbers AS integer[])) AS n")
"""One worker at a time gives codes to a phone number; numbers in order."""

_GIVEN = text("""
    SELECT c.address, c.code, c.user_id, c.incident_id, c.given_at,
           coalesce(i.state IN ('triggered', 'acknowledged', 'mitigated'), false) AS open
    FROM reply_codes c LEFT JOIN incidents i ON i.id = c.incident_id
    WHERE c.address = ANY (CAST(:addresses AS text[]))
""")

_GIVE = text("""
    INSERT INTO reply_codes AS known (address, code, user_id, contact_method_id, incident_id, notification_id, given_at)
    SELECT t.address, t.code, t.user_id, t.contact_method_id, t.incident_id, t.notification_id, :now
    FROM unnest(CAST(:address AS text[]), CAST(:code AS smallint[]), CAST(:user_id AS bigint[]),
                CAST(:contact_method_id AS bigint[]), CAST(:incident_id AS uuid[]), CAST(:notification_id AS uuid[]))
         AS t (address, code, user_id, contact_method_id, incident_id, notification_id)
    ON CONFLICT (address, code) DO UPDATE SET
        given_at = CASE WHEN known.incident_id = excluded.incident_id AND known.user_id = excluded.user_id
                        THEN known.given_at ELSE excluded.given_at END,
        user_id = excluded.user_id, contact_method_id = excluded.contact_method_id,
        incident_id = excluded.incident_id, notification_id = excluded.notification_id
""")
"""What is named again keeps the instant at which it was given first: by that, codes go round."""

_OWNERS = text("""
    SELECT m.id, m.user_id, u.key, u.name, coalesce(u.time_zone, o.time_zone, 'UTC') AS time_zone, m.opted_out_at,
           m.broken_at
    FROM contact_methods m JOIN users u ON u.id = m.user_id LEFT JOIN organisation o ON o.id = 1
    WHERE m.channel = 'sms' AND m.address = :address AND m.verified_at IS NOT NULL AND u.active
      AND (m.broken_at IS NULL OR m.opted_out_at IS NOT NULL)
    ORDER BY m.id
""")
"""Whose number it is: verified, and not broken otherwise than by STOP, for a dead number may be somebody else's."""

_CANDIDATES = text("""
    SELECT c.code, c.user_id, u.key AS user_key, u.name AS user_name, c.contact_method_id, i.id AS incident_id,
           c.notification_id, i.number, i.title, i.priority, i.state, i.service_id, s.name AS service,
           c.address, coalesce(n.content ->> 'digest', '') AS digest,
           coalesce(i.acknowledged_by_id = c.user_id, false) AS mine, n.claimed_at AS sent_at, m.links
    FROM reply_codes c LEFT JOIN notifications n ON n.id = c.notification_id
    JOIN incidents i ON i.id = c.incident_id JOIN services s ON s.id = i.service_id
    JOIN users u ON u.id = c.user_id JOIN contact_methods m ON m.id = c.contact_method_id
    WHERE c.address = :address AND u.active AND m.verified_at IS NOT NULL AND m.address = c.address
      AND (m.broken_at IS NULL OR m.opted_out_at IS NOT NULL)
      AND (i.state IN ('triggered', 'acknowledged', 'mitigated') OR coalesce(i.resolved_at, i.closed_at) > :since)
    ORDER BY i.priority, i.number
""")

_KEEP = text("""
    INSERT INTO replies (provider_id, address, at, verb, text_hash)
    VALUES (:provider_id, :address, :now, :verb, :hash) ON CONFLICT (provider_id) DO NOTHING RETURNING provider_id
""")

_ANSWERED = text("UPDATE replies SET answered = true WHERE provider_id = :provider_id")

_LATELY = text("""
    SELECT count(*) FILTER (WHERE r.at > :lately) AS lately,
           count(*) FILTER (WHERE r.verb IN ('unknown', 'help', 'note') AND r.at > :hour) AS helped,
           count(*) FILTER (WHERE r.verb = 'unknown' AND r.text_hash = :hash AND r.at >= :paged_at) AS the_same
    FROM replies r WHERE r.address = :address AND r.at > :since AND r.answered
""")
"""What was answered to this number: lately, with a help within the hour, and to these very words."""

_HURRY = text("""
    UPDATE notifications SET due_at = :now WHERE id IN (
        SELECT n.id FROM notifications n
        WHERE n.contact_method_id = :id AND n.state = 'pending' AND n.due_at > :now
          AND n.content ->> 'digest' IS NULL FOR UPDATE SKIP LOCKED)
""")
"""Not what waits for a digest: that is to wake nobody, and finds another way in the morning."""

_SWEEP = (
    text("DELETE FROM replies WHERE at <= :before"),
    text("""
        DELETE FROM reply_codes c USING incidents i
        WHERE i.id = c.incident_id AND NOT i.state IN ('triggered', 'acknowledged', 'mitigated')
          AND c.given_at <= :before
    """),
)


async def lock(conn: AsyncConnection, addresses: Collection[str]) -> None:
    """Nobody else gives codes to these numbers until the transaction ends."""
    await conn.execute(_LOCK, {"numbers": sorted({crc32(a.encode()) & 0x7FFFFFFF for a in addresses})})


async def given(conn: AsyncConnection, addresses: Collection[str]) -> Sequence[Any]:
    """The codes of these numbers, with whether their incident is open."""
    return (await conn.execute(_GIVEN, {"addresses": sorted(addresses)})).all()


async def give(conn: AsyncConnection, now: datetime, rows: Sequence[dict[str, Any]]) -> None:
    """Writes codes; a code that meant something else means this from now on."""
    await conn.execute(_GIVE, {"now": now} | {name: [row[name] for row in rows] for name in rows[0]})


async def owners(conn: AsyncConnection, address: str) -> Sequence[Any]:
    """The contact methods of a number that may answer."""
    return (await conn.execute(_OWNERS, {"address": address})).all()


async def candidates(conn: AsyncConnection, address: str, now: datetime) -> list[Candidate]:
    """What a number was paged about and is open, or was a day ago; the most important first."""
    rows = await conn.execute(_CANDIDATES, {"address": address, "since": now - ENDED_SINCE})
    return [Candidate(*row) for row in rows]


async def keep(conn: AsyncConnection, now: datetime, provider_id: str, address: str, verb: str, hash_: bytes) -> bool:
    """False: this text came before."""
    named = {"provider_id": provider_id, "address": address, "now": now, "verb": verb, "hash": hash_}
    return (await conn.execute(_KEEP, named)).first() is not None


async def lately(
    conn: AsyncConnection, address: str, hash_: bytes, *, since: datetime, hour: datetime, lately: datetime,
    paged_at: datetime,
) -> tuple[int, int, int]:  # fmt: skip
    """(since `lately`, help since `hour`, to the same words since `since` and `paged_at`): how often this number was
    answered."""
    named = {
        "address": address, "hash": hash_, "since": since, "hour": hour, "lately": lately, "paged_at": paged_at,
    }  # fmt: skip
    row = (await conn.execute(_LATELY, named)).one()
    return row.lately, row.helped, row.the_same


async def mark_answered(conn: AsyncConnection, provider_id: str) -> None:
    await conn.execute(_ANSWERED, {"provider_id": provider_id})


async def hurry(conn: AsyncConnection, now: datetime, contact_method_id: int) -> None:
    """What waits for a contact method that does not count any more is looked at now: another one takes over."""
    await conn.execute(_HURRY, {"id": contact_method_id, "now": now})


async def sweep(conn: AsyncConnection, now: datetime) -> None:
    """Removes what nobody asks for any more. A chore of the tick."""
    for statement in _SWEEP:
        await conn.execute(statement, {"before": now - KEPT})

"""SQL of what webhooks are told of: rows of `incidents.listening`, from claim to end.

A claim takes the oldest unfinished row of a webhook and an incident, and no later one: what happened to one incident
is told in its order, and what one webhook does not take keeps no other waiting.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db.engine import dumps

_CLAIM = text("""
    SELECT c.*, w.name, w.generation, w.former_until, w.sealed_address
    FROM webhooks w
    LEFT JOIN unnest(CAST(:busy AS bigint[]), CAST(:flying AS integer[])) AS b (webhook_id, flying)
      ON b.webhook_id = w.id
    CROSS JOIN LATERAL (
        SELECT * FROM webhook_calls c
        WHERE c.webhook_id = w.id AND c.finished_at IS NULL AND c.due_at <= :now
          AND NOT EXISTS (SELECT FROM webhook_calls e WHERE e.incident_id = c.incident_id
                          AND e.webhook_id = c.webhook_id AND e.entry_id < c.entry_id AND e.finished_at IS NULL)
        ORDER BY c.due_at, c.entry_id LIMIT greatest(CAST(:room AS integer) - coalesce(b.flying, 0), 0)
        FOR UPDATE SKIP LOCKED) AS c
    JOIN incidents i ON i.id = c.incident_id
""")
"""What is due, of each webhook as much as it has room for; also what a worker claimed and never recorded."""
_CLAIMED = text("""
    UPDATE webhook_calls c SET state = 'sending', tries = c.tries + 1, due_at = :leased, facts = t.facts
    FROM unnest(CAST(:webhook_ids AS bigint[]), CAST(:entry_ids AS uuid[]), CAST(:facts AS jsonb[]))
         AS t (webhook_id, entry_id, facts)
    WHERE c.webhook_id = t.webhook_id AND c.entry_id = t.entry_id
""")
_ENDED = text("""
    UPDATE webhook_calls SET state = :state, said = :said, finished_at = :now
    WHERE webhook_id = :webhook_id AND entry_id = :entry_id AND state = 'sending' AND tries = :tries
    RETURNING entry_id
""")
_LATER = text("""
    UPDATE webhook_calls SET state = 'pending', said = :said, due_at = :due_at
    WHERE webhook_id = :webhook_id AND entry_id = :entry_id AND state = 'sending' AND tries = :tries
""")
_LISTED = text("""
    SELECT c.entry_id, i.number AS incident, c.happening, c.because, c.at, c.state, c.tries, c.due_at, c.said,
           c.finished_at
    FROM webhook_calls c JOIN incidents i ON i.id = c.incident_id
    WHERE c.webhook_id = :webhook_id AND (CAST(:after AS uuid) IS NULL OR c.entry_id < CAST(:after AS uuid))
    ORDER BY c.entry_id DESC LIMIT :limit
""")
_AGAIN = text("""
    UPDATE webhook_calls SET state = 'pending', due_at = :now, tries = 0, finished_at = NULL
    WHERE webhook_id = :webhook_id AND entry_id = :entry_id AND state = 'failed' RETURNING entry_id
""")
_STANDING = text("""
    SELECT w.key, n.state, n.calls FROM webhooks w CROSS JOIN LATERAL (
        SELECT CASE WHEN c.state = 'sending' THEN 'pending' ELSE c.state END AS state, count(*) AS calls
        FROM (SELECT c.state FROM webhook_calls c WHERE c.webhook_id = w.id ORDER BY c.entry_id DESC LIMIT 1000) c
        GROUP BY 1) n
    WHERE w.key = ANY (CAST(:keys AS text[]))
""")
_GIVEN_UP = text("""
    SELECT w.key, count(*) AS calls, max(c.finished_at) AS at,
           (array_agg(c.said ORDER BY c.finished_at DESC))[1] AS said
    FROM webhook_calls c JOIN webhooks w ON w.id = c.webhook_id
    WHERE c.state = 'failed' AND c.finished_at > :since GROUP BY w.key ORDER BY w.key LIMIT :limit
""")
_SWEEP = text("DELETE FROM webhook_calls WHERE finished_at < :before")
_ORPHANS = text("""
    DELETE FROM webhook_calls c WHERE c.finished_at IS NULL AND NOT EXISTS (
        SELECT FROM webhooks w WHERE w.id = c.webhook_id)
    RETURNING c.incident_id, c.happening
""")
"""What was committed while its webhook was being deleted, which neither could see of the other."""

KEPT = timedelta(days=30)
"""How long it can be looked up what a webhook was told of, after that."""


async def claim(conn: AsyncConnection, now: datetime, room: int, flying: Mapping[int, int]) -> Sequence[Any]:
    """`room`: how many may be in flight to each webhook; `flying`: how many are, by id."""
    named = {"now": now, "room": room, "busy": list(flying), "flying": list(flying.values())}
    return (await conn.execute(_CLAIM, named)).all()


async def claimed(
    conn: AsyncConnection, leased: datetime, calls: Sequence[Any], facts: Sequence[Mapping[str, Any]]
) -> None:
    """`leased`: when somebody else takes them over. `facts`: of each, what every try says of its incident."""
    named = {
        "leased": leased,
        "webhook_ids": [c.webhook_id for c in calls],
        "entry_ids": [c.entry_id for c in calls],
        "facts": [dumps(f) for f in facts],
    }
    await conn.execute(_CLAIMED, named)


async def ended(conn: AsyncConnection, now: datetime, call: Any, state: str, said: str = "", *, tried: int = 1) -> bool:
    """`tried`: how often since it was claimed. False: another worker took it over meanwhile."""
    named = {"webhook_id": call.webhook_id, "entry_id": call.entry_id, "tries": call.tries + tried}
    return (await conn.execute(_ENDED, named | {"state": state, "said": said, "now": now})).first() is not None


async def later(conn: AsyncConnection, due_at: datetime, call: Any, said: str) -> None:
    named = {"webhook_id": call.webhook_id, "entry_id": call.entry_id, "tries": call.tries + 1}
    await conn.execute(_LATER, named | {"due_at": due_at, "said": said})


async def listed(conn: AsyncConnection, webhook_id: int, after: UUID | None, limit: int) -> Sequence[Any]:
    """What it was told of, newest first."""
    return (await conn.execute(_LISTED, {"webhook_id": webhook_id, "after": after, "limit": limit})).all()


async def again(conn: AsyncConnection, now: datetime, webhook_id: int, entry_id: UUID) -> bool:
    """What was given up is tried anew. False: there is none such that was."""
    named = {"webhook_id": webhook_id, "entry_id": entry_id, "now": now}
    return (await conn.execute(_AGAIN, named)).first() is not None


async def standing(conn: AsyncConnection, keys: Collection[str]) -> dict[str, dict[str, int]]:
    """How many of the last 1000 calls of each are `pending`, `delivered`, `failed`, by key."""
    found: dict[str, dict[str, int]] = {}
    for r in await conn.execute(_STANDING, {"keys": list(keys)}):
        found.setdefault(r.key, {})[r.state] = r.calls
    return found


async def given_up(conn: AsyncConnection, since: datetime, limit: int) -> Sequence[Any]:
    """Rows with `key`, `calls`, `at` and `said` of the last one, of webhooks that were not told of something."""
    return (await conn.execute(_GIVEN_UP, {"since": since, "limit": limit})).all()


async def sweep(conn: AsyncConnection, now: datetime) -> Sequence[Any]:
    """Returns `incident_id` and `happening` of what a webhook that is gone will never be told."""
    await conn.execute(_SWEEP, {"before": now - KEPT})
    return (await conn.execute(_ORPHANS)).all()

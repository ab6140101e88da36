"""SQL of looking again at what was suppressed."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

# Alerts come before occurrences, as for a batch of intake, so that the two cannot deadlock. What a batch holds just now
# is looked at by the next tick.
_CLAIM = text("""
    SELECT a.id, a.integration_id, a.dedup_key, a.title, a.severity, a.digest, a.annotations, a.links, a.starts_at,
           a.occurrence_id, a.labels || coalesce(o.routed -> 'labels', '{}') AS routed_labels, o.service_id,
           o.incident_id, o.suppressed, n.key AS integration, n.source
    FROM occurrences o JOIN alerts a ON a.id = o.alert_id AND a.occurrence_id = o.id AND a.state = 'firing'
    JOIN integrations n ON n.id = a.integration_id
    WHERE o.recheck_at <= :now AND o.suppressed IS NOT NULL AND o.ended_at IS NULL
    ORDER BY o.recheck_at LIMIT :limit FOR UPDATE OF a SKIP LOCKED
""")
# Whatever else was to be looked at is over.
_CLEAR = text("""
    UPDATE occurrences o SET recheck_at = NULL
    WHERE o.recheck_at <= :now AND (o.suppressed IS NULL OR o.ended_at IS NOT NULL)
""")

NEXT = text("SELECT min(recheck_at) FROM occurrences WHERE recheck_at IS NOT NULL")


async def claim(conn: AsyncConnection, now: datetime, limit: int) -> list[dict[str, Any]]:
    """Firing alerts whose suppression is to be judged again, locked; oldest due first."""
    await conn.execute(_CLEAR, {"now": now})
    return [dict(r) for r in (await conn.execute(_CLAIM, {"now": now, "limit": limit})).mappings()]

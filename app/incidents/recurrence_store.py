"""SQL of recurrence: what is known from earlier about incidents, for those who look at one or are paged about it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db import ids
from app.incidents.recurrence import COUNTED, WITHIN, Earlier, Recurrence

KNOWN = text("""
    SELECT i.id, counted.times, earlier.number, earlier.opened_at, earlier.resolved_at,
           coalesce(earlier.cause, '') AS cause, coalesce(earlier.fix, '') AS fix,
           coalesce(advice.runbook, s.runbook_url) AS runbook_url
    FROM unnest(CAST(:ids AS uuid[]), CAST(:since AS uuid[])) AS t (id, since)
    JOIN incidents i ON i.id = t.id
    JOIN services s ON s.id = i.service_id
    CROSS JOIN LATERAL (
        SELECT count(DISTINCT b.id) AS times FROM (
            SELECT coalesce(b.merged_into_id, b.id) AS id FROM incidents b
            WHERE b.correlation_key = i.correlation_key AND b.id <= i.id AND b.id >= t.since
            ORDER BY b.id DESC LIMIT :counted) AS b) AS counted
    LEFT JOIN LATERAL (
        SELECT e.number, e.opened_at, e.resolved_at, e.cause, e.fix
        FROM incidents b JOIN incidents e ON e.id = coalesce(b.merged_into_id, b.id)
        WHERE b.correlation_key = i.correlation_key AND b.id < i.id AND e.id < i.id
          AND e.state IN ('resolved', 'closed')
        ORDER BY b.id DESC LIMIT 1) AS earlier ON true
    LEFT JOIN LATERAL (
        SELECT o.routed ->> 'runbook' AS runbook FROM occurrences o
        WHERE o.incident_id = i.id AND o.routed ? 'runbook' ORDER BY o.id LIMIT 1) AS advice ON true
""")
"""For each incident: how often its key came back since an id, the newest earlier one that is over, and the runbook, a
routing rule's before the service's. An incident that was merged counts as what it was merged into. Both walks go down
the index of the key from the incident itself."""


@dataclass(frozen=True, slots=True)
class Known:
    """`recurrence` is None for the first time."""

    recurrence: Recurrence | None
    runbook_url: str


async def known(conn: AsyncConnection, incident_ids: Collection[UUID]) -> dict[UUID, Known]:
    """What is known about each of these incidents beside its row."""
    if not incident_ids:
        return {}
    asked = sorted(set(incident_ids))
    since = [ids.first_of(ids.instant_of(i) - WITHIN) for i in asked]
    rows = await conn.execute(KNOWN, {"ids": asked, "since": since, "counted": COUNTED})
    return {r.id: Known(_recurrence(r), r.runbook_url) for r in rows}


async def recurrence(conn: AsyncConnection, incident_id: UUID) -> Recurrence | None:
    """Of one incident; None when it is the first of its key."""
    found = await known(conn, [incident_id])
    return found[incident_id].recurrence if incident_id in found else None


def _recurrence(row: Any) -> Recurrence | None:
    if row.times < 2 and row.number is None:
        return None
    last = None if row.number is None else Earlier(row.number, row.opened_at, row.resolved_at, row.cause, row.fix)
    return Recurrence(row.times, last)

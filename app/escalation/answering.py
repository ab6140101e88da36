"""How an incident stands for whoever must answer it: its state, who has it, and where its ladder is. Reads only."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.incidents.states import OPEN
from app.incidents.timeline import describe

STANDING = text("""
    SELECT i.id, i.number, i.title, i.state, i.epoch, i.priority, i.firing, i.opened_at, i.reopened,
           i.acknowledged_at, i.acknowledged_by_id, holder.name AS holder, i.wakes_at, i.wakes_because,
           i.resolved_at, i.resolved_by, coalesce(resolver.name, '') AS resolver,
           s.name AS service, s.runbook_url, s.runbook_text,
           coalesce(l.round, 0) AS round, coalesce(l.step, 0) AS step, l.next_step_at,
           coalesce(u.time_zone, o.time_zone, 'UTC') AS time_zone
    FROM incidents i
    JOIN services s ON s.id = i.service_id
    LEFT JOIN organisation o ON o.id = 1
    LEFT JOIN users u ON u.id = :user_id
    LEFT JOIN users holder ON holder.id = i.acknowledged_by_id
    LEFT JOIN users resolver ON i.resolved_by = 'user:' || resolver.key
    LEFT JOIN ladders l ON l.incident_id = i.id AND l.purpose = 'page'
    WHERE i.id = :id
""")
"""One incident with its service, whoever has it and its ladder; the time zone is the reader's."""


LATEST = text("""
    SELECT at, kind, data FROM timeline_entries WHERE incident_id = :id ORDER BY id DESC LIMIT :limit
""")


@dataclass(frozen=True, slots=True)
class Standing:
    """An incident as one person sees it. `resolver` is empty unless a person resolved it."""

    id: UUID
    number: int
    title: str
    state: str
    epoch: int
    priority: int
    firing: int
    opened_at: datetime
    reopened: int
    acknowledged_at: datetime | None
    acknowledged_by_id: int | None
    holder: str | None
    wakes_at: datetime | None
    wakes_because: str | None
    resolved_at: datetime | None
    resolved_by: str | None
    resolver: str
    service: str
    runbook_url: str
    runbook_text: str
    round: int
    step: int
    next_step_at: datetime | None
    time_zone: str

    @property
    def is_open(self) -> bool:
        return self.state in OPEN


async def standing(conn: AsyncConnection, incident_id: UUID, reader_id: int) -> Standing | None:
    """The incident as the user `reader_id` sees it; None when there is none of this id."""
    row = (await conn.execute(STANDING, {"id": incident_id, "user_id": reader_id})).first()
    return None if row is None else Standing(*row)


async def latest(conn: AsyncConnection, incident_id: UUID, limit: int) -> list[tuple[datetime, str]]:
    """When and what of the newest timeline entries, newest first."""
    rows = await conn.execute(LATEST, {"id": incident_id, "limit": limit})
    return [(r.at, describe(r.kind, r.data)) for r in rows]

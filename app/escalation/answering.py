"""How an incident stands for whoever must answer it: its state, who has it, and where its ladder is. Reads only."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app import hours
from app.escalation import policy_store, reach
from app.escalation.policy_copy import Target
from app.incidents import required_store
from app.incidents.reading import TimelineLine
from app.incidents.states import OPEN
from app.incidents.timeline import describe

STANDING = text("""
    SELECT i.id, i.number, i.title, i.state, i.epoch, i.priority, i.firing, i.opened_at, i.reopened,
           i.acknowledged_at, i.acknowledged_by_id, holder.name AS holder, i.wakes_at, i.wakes_because,
           i.resolved_at, i.resolved_by, coalesce(resolver.name, '') AS resolver,
           s.name AS service, coalesce(advice.runbook, s.runbook_url) AS runbook_url, s.runbook_text,
           coalesce(advice.note, '') AS note,
           coalesce(l.round, 0) AS round, coalesce(l.step, 0) AS step, l.next_step_at,
           coalesce(u.time_zone, o.time_zone, 'UTC') AS time_zone, i.drill, i.loudness
    FROM incidents i
    JOIN services s ON s.id = i.service_id
    LEFT JOIN organisation o ON o.id = 1
    LEFT JOIN users u ON u.id = :user_id
    LEFT JOIN users holder ON holder.id = i.acknowledged_by_id
    LEFT JOIN users resolver ON i.resolved_by = 'user:' || resolver.key
    LEFT JOIN ladders l ON l.incident_id = i.id AND l.purpose = 'page'
    LEFT JOIN LATERAL (
        SELECT o.routed ->> 'runbook' AS runbook, o.routed ->> 'note' AS note
        FROM occurrences o WHERE o.incident_id = i.id AND o.routed ?| ARRAY['runbook', 'note']
        ORDER BY o.id LIMIT 1) AS advice ON true
    WHERE i.id = :id
""")
"""One incident with its service, whoever has it and its ladder; the time zone is the reader's."""


LATEST = text("""
    SELECT e.id, e.at, e.kind, e.actor, e.data, u.name AS actor_name
    FROM timeline_entries e LEFT JOIN users u ON e.actor = 'user:' || u.key
    WHERE e.incident_id = :id AND (CAST(:before AS uuid) IS NULL OR e.id < CAST(:before AS uuid))
      AND NOT e.kind = ANY (CAST(:without AS text[]))
    ORDER BY e.id DESC LIMIT :limit
""")

CHANGED = text("""
    SELECT e.id, i.number FROM timeline_entries e JOIN incidents i ON i.id = e.incident_id
    WHERE e.id >= :since ORDER BY e.id DESC LIMIT :limit
""")
"""The newest timeline entries of all incidents, for screens that follow along."""

ZONE = text("""
    SELECT coalesce((SELECT time_zone FROM users WHERE id = :id), (SELECT time_zone FROM organisation), 'UTC')
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
    note: str
    """A routing rule's, for the responder."""
    round: int
    step: int
    next_step_at: datetime | None
    time_zone: str
    drill: bool = False
    loudness: str = "loud"
    missing: tuple[str, ...] = ()
    """Who must acknowledge as well, by name."""
    given: tuple[str, ...] = ()
    """Who of them has."""

    @property
    def is_open(self) -> bool:
        return self.state in OPEN


async def standing(conn: AsyncConnection, incident_id: UUID, reader_id: int) -> Standing | None:
    """The incident as the user `reader_id` sees it; None when there is none of this id."""
    row = (await conn.execute(STANDING, {"id": incident_id, "user_id": reader_id})).first()
    if row is None:
        return None
    missing = await required_store.missing(conn, incident_id, row.epoch) if row.state == "triggered" else ()
    given = await required_store.given(conn, incident_id, row.epoch) if missing else ()
    return replace(Standing(*row), missing=missing, given=given)


async def latest(
    conn: AsyncConnection, incident_id: UUID, limit: int, before: UUID | None = None, without: Sequence[str] = ()
) -> list[TimelineLine]:
    """The newest timeline entries, newest first; `before`: those older than this one; `without`: kinds to leave out."""
    named = {"id": incident_id, "limit": limit, "before": before, "without": list(without)}
    rows = await conn.execute(LATEST, named)
    return [
        TimelineLine(r.id, r.at, r.kind, r.actor, r.actor_name or "", describe(r.kind, r.data), r.data) for r in rows
    ]


async def changed(conn: AsyncConnection, since: UUID, limit: int) -> list[tuple[UUID, int]]:
    """(entry, number of its incident) of what happened since, newest first, the newest `limit`."""
    return [(r.id, r.number) for r in await conn.execute(CHANGED, {"since": since, "limit": limit})]


async def zone_of(conn: AsyncConnection, user_id: int | None) -> ZoneInfo:
    """The time zone in which a user reads: one's own, else the organisation's."""
    return hours.zone((await conn.execute(ZONE, {"id": user_id})).scalar_one())


async def nobody_is_left(conn: AsyncConnection, channels: Collection[str], now: datetime) -> str:
    """Why the last resort cannot be reached; empty when it can (behaviour.md 18)."""
    targets = [Target(t["type"], t["id"]) for t in await policy_store.last_resort(conn)]
    found = (await reach.town(conn, targets, channels, now)).find(targets)
    return "" if found.people else found.because or "nobody is named as the last resort"

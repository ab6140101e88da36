"""Reads for lists, screens and the API. Keyset by id, no COUNT: the first page costs the same at any size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.incidents.states import IS_OPEN
from app.incidents.timeline import describe

_LINE = """
    SELECT i.id, i.number, i.title, i.state, i.priority, i.loudness, s.key AS service, s.name AS service_name,
           t.key AS team, t.name AS team_name, i.opened_at, i.triggered_at, i.acknowledged_at,
           a.key AS acknowledged_by, a.name AS acknowledged_by_name, i.wakes_at, i.wakes_because,
           i.mitigated_at, i.resolved_at, i.resolved_by, i.closed_at, i.firing, i.occurrences, i.reopened, i.epoch,
           i.version, i.drill
    FROM incidents i JOIN services s ON s.id = i.service_id LEFT JOIN teams t ON t.id = s.team_id
    LEFT JOIN users a ON a.id = i.acknowledged_by_id
"""

_FILTERS = """
      (CAST(:before AS uuid) IS NULL OR i.id < CAST(:before AS uuid))
      AND (CAST(:states AS text[]) IS NULL OR i.state = ANY (CAST(:states AS text[])))
      AND (CAST(:priorities AS integer[]) IS NULL OR i.priority = ANY (CAST(:priorities AS integer[])))
      AND (CAST(:services AS text[]) IS NULL OR s.key = ANY (CAST(:services AS text[])))
      AND (CAST(:teams AS text[]) IS NULL OR t.key = ANY (CAST(:teams AS text[])))
      AND (CAST(:user_id AS bigint) IS NULL OR i.acknowledged_by_id = CAST(:user_id AS bigint)
           OR i.assigned_to_id = CAST(:user_id AS bigint) OR EXISTS (
               SELECT 1 FROM team_members m WHERE m.team_id = s.team_id AND m.user_id = CAST(:user_id AS bigint)))
    ORDER BY i.id DESC LIMIT :limit
"""

OPEN_SLICE = text(f"{_LINE} WHERE i.{IS_OPEN} AND {_FILTERS}")
"""Open incidents, newest first, by the partial index on open ones."""

ANY_SLICE = text(f"{_LINE} WHERE {_FILTERS}")

DETAIL = text("""
    SELECT i.*, s.key AS service, s.name AS service_name, s.runbook_text, s.support_hours,
           coalesce(advice.runbook, s.runbook_url) AS runbook_url, coalesce(advice.note, '') AS responder_note,
           advice.category,
           t.key AS team, t.name AS team_name, a.key AS acknowledged_by, a.name AS acknowledged_by_name,
           g.key AS assigned_to, g.name AS assigned_to_name, r.number AS recurrence_of, w.number AS merged_into
    FROM incidents i JOIN services s ON s.id = i.service_id LEFT JOIN teams t ON t.id = s.team_id
    LEFT JOIN users a ON a.id = i.acknowledged_by_id LEFT JOIN users g ON g.id = i.assigned_to_id
    LEFT JOIN incidents r ON r.id = i.recurrence_of_id LEFT JOIN incidents w ON w.id = i.merged_into_id
    LEFT JOIN LATERAL (
        SELECT o.routed ->> 'runbook' AS runbook, o.routed ->> 'note' AS note, o.routed ->> 'category' AS category
        FROM occurrences o WHERE o.incident_id = i.id AND o.routed ?| ARRAY['runbook', 'note', 'category']
        ORDER BY o.id LIMIT 1) AS advice ON true
    WHERE i.number = :number
""")

"""An incident with its service and people, and what the first routing rule that had advice said to the responder."""

ID_OF = text("SELECT id FROM incidents WHERE number = :number")

TIMELINE = text("""
    SELECT e.id, e.at, e.kind, e.actor, e.data, u.name AS actor_name FROM timeline_entries e
    LEFT JOIN users u ON e.actor = 'user:' || u.key
    WHERE e.incident_id = :incident_id AND (CAST(:after AS uuid) IS NULL OR e.id > CAST(:after AS uuid))
    ORDER BY e.id LIMIT :limit
""")

DROPPED = text("""
    SELECT coalesce(i.opened_at < (
        SELECT e.at FROM timeline_entries e WHERE e.incident_id = i.id ORDER BY e.id LIMIT 1), true)
    FROM incidents i WHERE i.id = :id
""")
"""Every incident has an entry of the instant at which it opened, unless the month of it was dropped."""

ALERTS = text("""
    SELECT o.id, o.alert_id, a.title, a.labels, a.annotations, a.links, o.severity, o.starts_at, o.ended_at, o.end_kind,
           o.ended_at IS NULL AS firing, o.symptom, a.events, a.last_seen_at, n.key AS integration, n.source
    FROM occurrences o JOIN alerts a ON a.id = o.alert_id JOIN integrations n ON n.id = a.integration_id
    WHERE o.incident_id = :incident_id AND (CAST(:after AS uuid) IS NULL OR o.id > CAST(:after AS uuid))
    ORDER BY o.id LIMIT :limit
""")
"""Occurrences of an incident with their alerts."""


@dataclass(frozen=True, slots=True)
class IncidentLine:
    """An incident in a list. Keys name things, names are for people."""

    id: UUID
    number: int
    title: str
    state: str
    priority: int
    loudness: str
    service: str
    service_name: str
    team: str | None
    team_name: str | None
    opened_at: datetime
    triggered_at: datetime
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    acknowledged_by_name: str | None
    wakes_at: datetime | None
    wakes_because: str | None
    mitigated_at: datetime | None
    resolved_at: datetime | None
    resolved_by: str | None
    closed_at: datetime | None
    firing: int
    occurrences: int
    reopened: int
    epoch: int
    version: int
    drill: bool


@dataclass(frozen=True, slots=True)
class IncidentDetail:
    """All of an incident's row, and the names around it. `row` has the columns of tables.py."""

    row: Mapping[str, Any]

    def __getattr__(self, name: str) -> Any:
        try:
            return self.row[name]
        except KeyError as e:
            raise AttributeError(name) from e

    @property
    def is_open(self) -> bool:
        return self.row["state"] in ("triggered", "acknowledged", "mitigated")


@dataclass(frozen=True, slots=True)
class TimelineLine:
    """One thing that happened. `text` is the sentence; `by` names the actor for people."""

    id: UUID
    at: datetime
    kind: str
    actor: str
    by: str
    text: str
    data: Mapping[str, Any]


async def slice_(
    conn: AsyncConnection,
    *,
    states: Sequence[str] | None = None,
    priorities: Sequence[int] | None = None,
    services: Sequence[str] | None = None,
    teams: Sequence[str] | None = None,
    user_id: int | None = None,
    before: UUID | None = None,
    limit: int = 50,
) -> list[IncidentLine]:
    """Newest first. `states` None: the open ones. `user_id`: those this user has, was handed, or whose team owns the
    service. `before`: the id of the last one of the slice before."""
    open_only = states is None or set(states) <= {"triggered", "acknowledged", "mitigated"}
    named = {
        "before": before,
        "states": None if states is None else list(states),
        "priorities": None if priorities is None else list(priorities),
        "services": None if services is None else list(services),
        "teams": None if teams is None else list(teams),
        "user_id": user_id,
        "limit": limit,
    }
    rows = await conn.execute(OPEN_SLICE if open_only else ANY_SLICE, named)
    return [IncidentLine(*r) for r in rows]


async def detail(conn: AsyncConnection, number: int) -> IncidentDetail | None:
    row = (await conn.execute(DETAIL, {"number": number})).mappings().first()
    return None if row is None else IncidentDetail(dict(row))


async def id_of(conn: AsyncConnection, number: int) -> UUID | None:
    found: UUID | None = (await conn.execute(ID_OF, {"number": number})).scalar_one_or_none()
    return found


async def timeline(
    conn: AsyncConnection, incident_id: UUID, *, after: UUID | None = None, limit: int = 100
) -> list[TimelineLine]:
    """Oldest first, after an entry."""
    rows = await conn.execute(TIMELINE, {"incident_id": incident_id, "after": after, "limit": limit})
    return [
        TimelineLine(r.id, r.at, r.kind, r.actor, r.actor_name or _by(r.actor), describe(r.kind, r.data), r.data)
        for r in rows
    ]


async def dropped(conn: AsyncConnection, incident_id: UUID, kept_days: int) -> str | None:
    """The sentence that the timeline lacks its beginning; None where it is whole. `kept_days`: of the settings."""
    gone = (await conn.execute(DROPPED, {"id": incident_id})).scalar_one()
    return f"Older entries are gone: they are dropped after {kept_days} days" if gone else None


def _by(actor: str) -> str:
    return "Tocsin" if actor == "tocsin" else actor.partition(":")[2] or actor


async def alerts(
    conn: AsyncConnection, incident_id: UUID, *, after: UUID | None = None, limit: int = 50
) -> list[dict[str, Any]]:
    """The alerts of an incident, one row an occurrence, oldest first."""
    rows = await conn.execute(ALERTS, {"incident_id": incident_id, "after": after, "limit": limit})
    return [dict(r) for r in rows.mappings()]

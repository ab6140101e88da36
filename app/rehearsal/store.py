"""SQL of trials: reads only."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app import hours
from app.hours import WeeklyHours
from app.ingest.adapters.labels import fingerprint
from app.ingest.event import Entrance, Event
from app.rules.facts import ServiceFacts

_ZONE = text("SELECT time_zone FROM organisation")
_SERVICES = text("""
    SELECT s.id, s.key, s.name, s.criticality, s.tags, s.support_hours, t.key AS team
    FROM services s LEFT JOIN teams t ON t.id = s.team_id
    WHERE s.id = ANY (CAST(:ids AS bigint[])) OR s.key = :key
""")
_ENTRANCE = text("""
    SELECT id, source, service_id, ignored_labels, resolve_timeout_s, mapping FROM integrations WHERE key = :key
""")
# The alerts of an incident as they are now, firing ones first.
_INCIDENT_ALERTS = text("""
    SELECT a.title, a.dedup_key, a.severity, a.labels, a.annotations, n.source, o.service_id,
           o.ended_at IS NULL AS firing
    FROM occurrences o JOIN alerts a ON a.id = o.alert_id JOIN integrations n ON n.id = a.integration_id
    WHERE o.incident_id = (SELECT id FROM incidents WHERE number = :number)
    ORDER BY firing DESC, o.id DESC LIMIT :limit
""")
# Alerts of an incident as events: what fired, and by which integration, oldest first.
_INCIDENT_EVENTS = text("""
    SELECT DISTINCT ON (a.id) n.key AS integration, a.title, a.dedup_key, a.severity, a.labels, a.annotations
    FROM occurrences o JOIN alerts a ON a.id = o.alert_id JOIN integrations n ON n.id = a.integration_id
    WHERE o.incident_id = (SELECT id FROM incidents WHERE number = :number)
    ORDER BY a.id LIMIT :limit
""")
_INCIDENT = text("""
    SELECT i.number, i.priority, i.priority_pin IS NOT NULL AS pinned, i.occurrences AS alerts,
           (SELECT count(DISTINCT o.service_id) FROM occurrences o WHERE o.incident_id = i.id) AS services
    FROM incidents i WHERE i.number = :number
""")

# Which of these labels and annotations the newest events carried, and how many events that were.
_CARRIED = text("""
    WITH recent AS MATERIALIZED (SELECT labels, annotations FROM events ORDER BY id DESC LIMIT :limit)
    SELECT (SELECT count(*) FROM recent) AS events,
           ARRAY(SELECT n FROM unnest(CAST(:labels AS text[])) AS n
                 WHERE EXISTS (SELECT 1 FROM recent r WHERE jsonb_exists(r.labels, n))) AS labels,
           ARRAY(SELECT n FROM unnest(CAST(:annotations AS text[])) AS n
                 WHERE EXISTS (SELECT 1 FROM recent r WHERE jsonb_exists(r.annotations, n))) AS annotations
""")


@dataclass(frozen=True, slots=True)
class TriedService:
    facts: ServiceFacts
    hours: WeeklyHours | None


@dataclass(frozen=True, slots=True)
class TriedIncident:
    number: int
    priority: int
    pinned: bool
    alerts: int
    services: int


async def zone(conn: AsyncConnection) -> str:
    """The organisation's zone."""
    found: str | None = (await conn.execute(_ZONE)).scalar()
    return found or "UTC"


async def services(conn: AsyncConnection, ids: Collection[int]) -> dict[int, TriedService]:
    rows = await conn.execute(_SERVICES, {"ids": list(ids), "key": None})
    return {r.id: _service(r) for r in rows}


async def service(conn: AsyncConnection, key: str) -> TriedService | None:
    row = (await conn.execute(_SERVICES, {"ids": [], "key": key})).first()
    return None if row is None else _service(row)


def _service(row: Any) -> TriedService:
    known = ServiceFacts(row.key, row.name, row.criticality, tuple(row.tags), row.team or "")
    return TriedService(known, hours.parse_hours(row.support_hours) if row.support_hours else None)


async def entrance(conn: AsyncConnection, integration: str) -> Entrance | None:
    row = (await conn.execute(_ENTRANCE, {"key": integration})).first()
    if row is None:
        return None
    ignored = frozenset(row.ignored_labels)
    return Entrance(row.id, row.source, row.service_id, ignored, row.resolve_timeout_s, row.mapping)


async def incident(conn: AsyncConnection, number: int) -> TriedIncident | None:
    row = (await conn.execute(_INCIDENT, {"number": number})).mappings().first()
    return None if row is None else TriedIncident(**row)


async def incident_alerts(conn: AsyncConnection, number: int, limit: int) -> list[Any]:
    """Rows with title, dedup_key, severity, labels, annotations, source, service_id and firing."""
    return list(await conn.execute(_INCIDENT_ALERTS, {"number": number, "limit": limit}))


async def incident_events(conn: AsyncConnection, number: int, at: datetime, limit: int) -> list[tuple[str, Event]]:
    """What fired in an incident, as events of `at`, by the key of the integration that brings each; none: there is no
    such incident, or no alert was ever in it."""
    return [
        (
            row.integration,
            Event(
                kind="firing",
                dedup_key=row.dedup_key,
                fingerprint=fingerprint(row.labels),
                title=row.title,
                severity=row.severity,
                labels=row.labels,
                starts_at=at,
                annotations=row.annotations,
            ),
        )
        for row in await conn.execute(_INCIDENT_EVENTS, {"number": number, "limit": limit})
    ]


async def carried(conn: AsyncConnection, references: Collection[str], events: int) -> tuple[set[str], int]:
    """Which of these (`labels.team`) the newest `events` events carried, and how many of those there are."""
    split = [reference.partition(".") for reference in references]
    named = {kind: [name for root, _, name in split if root == kind] for kind in ("labels", "annotations")}
    row = (await conn.execute(_CARRIED, named | {"limit": events})).one()
    return {f"labels.{n}" for n in row.labels} | {f"annotations.{n}" for n in row.annotations}, row.events

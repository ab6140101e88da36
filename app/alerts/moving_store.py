"""SQL of occurrences that go from one incident to another, and of what people decided about alerts."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import Struct
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.alerts.dedup import Arrival
from app.db import ids
from app.db.engine import dumps
from app.ingest.event import Event
from app.ingest.requests import NIL

_LOCK = text("""
    SELECT a.id FROM alerts a
    WHERE a.id IN (SELECT o.alert_id FROM occurrences o WHERE o.incident_id = ANY (CAST(:incident_ids AS uuid[])))
    ORDER BY a.integration_id, a.dedup_key FOR NO KEY UPDATE
""")
"""The alerts of incidents, in the order in which intake locks them, and before incidents as it does: what intake
knows about where an occurrence belongs is then always true."""

_OF = text("""
    SELECT o.id, o.incident_id, o.alert_id, o.service_id, o.starts_at, o.ended_at IS NULL AS firing, o.symptom,
           o.priority, o.severity, a.title, a.labels, a.annotations, a.dedup_key, a.decided, a.integration_id,
           n.key AS integration, n.source, a.service_id AS entrance_service_id, n.ignored_labels
    FROM occurrences o JOIN alerts a ON a.id = o.alert_id JOIN integrations n ON n.id = a.integration_id
    WHERE o.incident_id = ANY (CAST(:incident_ids AS uuid[]))
    ORDER BY o.id
""")

_MOVE = text("""
    UPDATE occurrences SET incident_id = :incident_id, symptom = :symptom WHERE id = ANY (CAST(:ids AS uuid[]))
""")

_DECIDE = text("""
    UPDATE alerts a SET decided = CAST(t.decided AS jsonb)
    FROM unnest(CAST(:ids AS uuid[]), CAST(:decided AS text[])) AS t (id, decided) WHERE a.id = t.id
""")


class Moving(Struct, frozen=True, gc=False):
    """An occurrence of an incident, with its alert."""

    id: UUID
    incident_id: UUID
    alert_id: UUID
    service_id: int
    starts_at: datetime
    firing: bool
    symptom: bool
    priority: int | None
    severity: str
    title: str
    labels: dict[str, str]
    annotations: dict[str, str]
    dedup_key: str
    decided: dict[str, Any] | None
    integration_id: int
    integration: str
    source: str
    entrance_service_id: int
    ignored_labels: Sequence[str]

    @property
    def came_at(self) -> datetime:
        """When we first heard of it."""
        return ids.instant_of(self.id)

    @property
    def arrival(self) -> Arrival:
        """As it would enter now, before routing rules."""
        event = Event(
            kind="firing",
            dedup_key=self.dedup_key,
            fingerprint=self.dedup_key,
            title=self.title,
            severity=self.severity,  # type: ignore[arg-type]  # of an event, as it was stored
            labels=self.labels,
            starts_at=self.starts_at,
            annotations=self.annotations,
        )
        return Arrival(
            event, self.integration_id, self.integration, self.source, self.entrance_service_id, 0, NIL, 0,
            frozenset(self.ignored_labels),
        )  # fmt: skip


async def lock(conn: AsyncConnection, incident_ids: Collection[UUID]) -> set[UUID]:
    """Locks the alerts of these incidents; their ids. Comes before the incidents are locked."""
    return set((await conn.execute(_LOCK, {"incident_ids": sorted(incident_ids)})).scalars())


async def of(conn: AsyncConnection, incident_ids: Collection[UUID]) -> list[Moving]:
    """The occurrences of these incidents, oldest first."""
    return [Moving(*row) for row in await conn.execute(_OF, {"incident_ids": sorted(incident_ids)})]


async def move(conn: AsyncConnection, occurrence_ids: Collection[UUID], incident_id: UUID, *, symptom: bool) -> None:
    """Whose alerts and incidents are locked."""
    if occurrence_ids:
        named = {"ids": list(occurrence_ids), "incident_id": incident_id, "symptom": symptom}
        await conn.execute(_MOVE, named)


async def decide(conn: AsyncConnection, decided: Mapping[UUID, Mapping[str, Any] | None]) -> None:
    """What people decided, by alert id (`dedup.Decided`); None: nothing any more."""
    if decided:
        given = [None if d is None else dumps(d) for d in decided.values()]
        await conn.execute(_DECIDE, {"ids": list(decided), "decided": given})

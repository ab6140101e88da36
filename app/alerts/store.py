"""All SQL of alerts and occurrences. Batches are sorted by their key, so that two of them cannot deadlock."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import Struct
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.alerts.dedup import AlertState, Arrival, Decision
from app.db import ids
from app.db.hot import Hot
from app.ingest.event import Event
from app.ingest.requests import NIL

HEAR_ALERTS = Hot("""
    UPDATE alerts a SET last_seen_at = :now, events = a.events + k.events
    FROM (SELECT integration_id, dedup_key, events
          FROM unnest(CAST(:integrations AS bigint[]), CAST(:keys AS text[]), CAST(:events AS bigint[]))
               AS t (integration_id, dedup_key, events)
          ORDER BY integration_id, dedup_key) AS k
    WHERE a.integration_id = k.integration_id AND a.dedup_key = k.dedup_key
    RETURNING a.id, a.integration_id, a.dedup_key, a.state = 'firing' AS firing, a.occurrence_id, a.starts_at, a.digest,
              a.severity, a.ended_at, a.end_kind, a.end_received_at, a.expires_at, a.expiry_due_at, a.flips,
              a.flipped_at, a.decided, a.earlier_ended_at
""")
"""The alerts of a batch that exist: heard of again, and locked by it in the order of their keys. Nothing indexed
changes, so the update is HOT; nine events in ten need no more than this."""

INSERT_ALERTS = Hot("""
    INSERT INTO alerts (id, integration_id, dedup_key, state, occurrence_id, service_id, title, severity, digest,
                        labels, annotations, links, starts_at, ended_at, end_kind, end_received_at, first_seen_at,
                        last_seen_at, events, expires_at, expiry_due_at, flips, flipped_at, earlier_ended_at)
    SELECT id, integration_id, dedup_key, state, occurrence_id, service_id, title, severity, digest,
           labels, annotations, links, starts_at, ended_at, end_kind,
           end_received_at, CAST(:now AS timestamptz), CAST(:now AS timestamptz), events, expires_at, expiry_due_at,
           flips, flipped_at, earlier_ended_at
    FROM unnest(CAST(:id AS uuid[]), CAST(:integration_id AS bigint[]), CAST(:dedup_key AS text[]),
                CAST(:state AS text[]), CAST(:occurrence_id AS uuid[]), CAST(:service_id AS bigint[]),
                CAST(:title AS text[]), CAST(:severity AS text[]), CAST(:digest AS bigint[]), CAST(:labels AS jsonb[]),
                CAST(:annotations AS jsonb[]), CAST(:links AS jsonb[]), CAST(:starts_at AS timestamptz[]),
                CAST(:ended_at AS timestamptz[]), CAST(:end_kind AS text[]), CAST(:end_received_at AS timestamptz[]),
                CAST(:events AS bigint[]), CAST(:expires_at AS timestamptz[]), CAST(:expiry_due_at AS timestamptz[]),
                CAST(:flips AS smallint[]), CAST(:flipped_at AS timestamptz[]),
                CAST(:earlier_ended_at AS timestamptz[]))
         AS t (id, integration_id, dedup_key, state, occurrence_id, service_id, title, severity, digest, labels,
               annotations, links, starts_at, ended_at, end_kind, end_received_at, events, expires_at, expiry_due_at,
               flips, flipped_at, earlier_ended_at)
    ON CONFLICT (integration_id, dedup_key) DO NOTHING
""")
"""New alerts of a batch. One that another process made meanwhile is missing from the row count."""

REWRITE_ALERTS = Hot("""
    UPDATE alerts a
    SET state = t.state, occurrence_id = t.occurrence_id, service_id = t.service_id, title = t.title,
        severity = t.severity, digest = t.digest, labels = t.labels,
        annotations = t.annotations, links = t.links, starts_at = t.starts_at,
        ended_at = t.ended_at, end_kind = t.end_kind, end_received_at = t.end_received_at,
        expires_at = t.expires_at, expiry_due_at = t.expiry_due_at, flips = t.flips, flipped_at = t.flipped_at,
        earlier_ended_at = t.earlier_ended_at
    FROM unnest(CAST(:id AS uuid[]), CAST(:state AS text[]), CAST(:occurrence_id AS uuid[]),
                CAST(:service_id AS bigint[]), CAST(:title AS text[]), CAST(:severity AS text[]),
                CAST(:digest AS bigint[]), CAST(:labels AS jsonb[]), CAST(:annotations AS jsonb[]),
                CAST(:links AS jsonb[]), CAST(:starts_at AS timestamptz[]), CAST(:ended_at AS timestamptz[]),
                CAST(:end_kind AS text[]), CAST(:end_received_at AS timestamptz[]),
                CAST(:expires_at AS timestamptz[]), CAST(:expiry_due_at AS timestamptz[]), CAST(:flips AS smallint[]),
                CAST(:flipped_at AS timestamptz[]), CAST(:earlier_ended_at AS timestamptz[]))
         AS t (id, state, occurrence_id, service_id, title, severity, digest, labels, annotations, links, starts_at,
               ended_at, end_kind, end_received_at, expires_at, expiry_due_at, flips, flipped_at,
               earlier_ended_at)
    WHERE a.id = t.id
""")
"""Alerts that an event changed: opened again, resolved, other labels or severity."""

MOVE_ALERTS = Hot("""
    UPDATE alerts a
    SET starts_at = t.starts_at, ended_at = t.ended_at, end_kind = t.end_kind, end_received_at = t.end_received_at,
        expires_at = t.expires_at, expiry_due_at = t.expiry_due_at
    FROM unnest(CAST(:id AS uuid[]), CAST(:starts_at AS timestamptz[]), CAST(:ended_at AS timestamptz[]),
                CAST(:end_kind AS text[]), CAST(:end_received_at AS timestamptz[]), CAST(:expires_at AS timestamptz[]),
                CAST(:expiry_due_at AS timestamptz[]))
         AS t (id, starts_at, ended_at, end_kind, end_received_at, expires_at, expiry_due_at)
    WHERE a.id = t.id
""")
"""Alerts of which a repeat moved an instant: another expiry, an earlier start, an end that is certain now."""

OCCURRENCES = Hot("""
    SELECT o.id, o.incident_id, o.service_id, o.suppressed
    FROM occurrences o WHERE o.id = ANY (CAST(:ids AS uuid[]))
""")
"""To which incident occurrences belong."""

INSERT_OCCURRENCES = Hot("""
    INSERT INTO occurrences (id, alert_id, incident_id, service_id, starts_at, ended_at, end_kind, severity, priority,
                             suppressed, routed, recheck_at, held_key, symptom)
    SELECT id, alert_id, incident_id, service_id, starts_at, ended_at, end_kind, severity, priority,
           suppressed, routed, recheck_at, held_key, symptom
    FROM unnest(CAST(:id AS uuid[]), CAST(:alert_id AS uuid[]), CAST(:incident_id AS uuid[]),
                CAST(:service_id AS bigint[]), CAST(:starts_at AS timestamptz[]), CAST(:ended_at AS timestamptz[]),
                CAST(:end_kind AS text[]), CAST(:severity AS text[]), CAST(:priority AS smallint[]),
                CAST(:suppressed AS jsonb[]), CAST(:routed AS jsonb[]), CAST(:recheck_at AS timestamptz[]),
                CAST(:held_key AS text[]), CAST(:symptom AS boolean[]))
         AS t (id, alert_id, incident_id, service_id, starts_at, ended_at, end_kind, severity, priority, suppressed,
               routed, recheck_at, held_key, symptom)
    ON CONFLICT (id) DO UPDATE
    SET incident_id = excluded.incident_id, ended_at = excluded.ended_at, end_kind = excluded.end_kind,
        starts_at = excluded.starts_at, service_id = excluded.service_id,
        severity = CASE WHEN excluded.ended_at IS NULL THEN excluded.severity ELSE occurrences.severity END,
        priority = coalesce(excluded.priority, occurrences.priority), suppressed = excluded.suppressed,
        routed = coalesce(excluded.routed, occurrences.routed), recheck_at = excluded.recheck_at,
        held_key = CASE WHEN excluded.incident_id IS NULL THEN coalesce(excluded.held_key, occurrences.held_key) END,
        symptom = excluded.symptom OR (occurrences.symptom
                                      AND excluded.incident_id IS NOT DISTINCT FROM occurrences.incident_id)
""")
"""New occurrences of a batch, and what changed about older ones."""

LOCK_EXPIRED = text("""
    SELECT a.id, a.integration_id, a.dedup_key, a.state = 'firing' AS firing, a.occurrence_id, a.starts_at, a.digest,
           a.severity, a.ended_at, a.end_kind, a.end_received_at, a.expires_at, a.expiry_due_at, a.service_id
    FROM alerts a WHERE a.expiry_due_at <= :now
    ORDER BY a.expiry_due_at LIMIT :limit FOR UPDATE SKIP LOCKED
""")
"""Alerts whose expiry is to be looked at: renewed ones are only due again later. What is locked is skipped, so the
order may be that of the index on what is due."""

REARM = text("""
    UPDATE alerts a SET expiry_due_at = a.expires_at WHERE a.id = ANY (CAST(:ids AS uuid[]))
""")
"""Renewed alerts: look again when the renewal runs out."""

EXPIRE = text("""
    UPDATE alerts a
    SET state = 'resolved', ended_at = greatest(a.expires_at, a.starts_at), end_kind = 'expired',
        end_received_at = :now, expires_at = NULL, expiry_due_at = NULL
    WHERE a.id = ANY (CAST(:ids AS uuid[]))
    RETURNING a.id, a.integration_id, a.occurrence_id, a.ended_at
""")
"""Alerts that nothing renewed: over, because their source fell silent."""

EXPIRE_OCCURRENCES = text("""
    UPDATE occurrences o SET ended_at = greatest(t.ended_at, o.starts_at), end_kind = 'expired', recheck_at = NULL
    FROM unnest(CAST(:ids AS uuid[]), CAST(:ended_at AS timestamptz[])) AS t (id, ended_at)
    WHERE o.id = t.id
    RETURNING o.id, CASE WHEN o.suppressed IS NULL THEN o.incident_id END AS incident_id
""")

WAITING = text("""
    SELECT o.held_key, o.id FROM occurrences o WHERE o.held_key = ANY (CAST(:keys AS text[])) AND o.id >= :since
    ORDER BY o.id LIMIT 10000
""")
"""Occurrences that wait for others of their correlation key. A threshold is at most a thousand."""

RELEASE = text("""
    UPDATE occurrences SET recheck_at = :now
    WHERE held_key = ANY (CAST(:keys AS text[])) AND incident_id IS NULL AND ended_at IS NULL
""")

TO_RECHECK = text("""
    SELECT a.id, a.integration_id, a.dedup_key, a.state = 'firing' AS firing, a.occurrence_id, a.starts_at, a.digest,
           a.severity, a.ended_at, a.end_kind, a.end_received_at, a.expires_at, a.expiry_due_at, a.flips, a.flipped_at,
           a.decided, a.earlier_ended_at, a.title, a.labels, a.annotations, i.key, i.source,
           a.service_id AS entrance_service_id,
           i.ignored_labels, o.incident_id, o.service_id, o.suppressed
    FROM occurrences o JOIN alerts a ON a.id = o.alert_id AND a.occurrence_id = o.id
    JOIN integrations i ON i.id = a.integration_id
    WHERE o.recheck_at <= :now
    ORDER BY o.recheck_at LIMIT :limit FOR NO KEY UPDATE OF a SKIP LOCKED
""")
"""Occurrences whose suppression is to be looked at again, their alerts locked. What is locked is skipped, so the order
may be that of the index on what is due."""

LOOKED_AT = text("UPDATE occurrences SET recheck_at = NULL WHERE id = ANY (CAST(:ids AS uuid[]))")

NEXT_EXPIRY = text("SELECT min(expiry_due_at) FROM alerts WHERE expiry_due_at IS NOT NULL")

NEXT_RECHECK = text("SELECT min(recheck_at) FROM occurrences WHERE recheck_at IS NOT NULL")


class Belongs(Struct, frozen=True, gc=False):
    """Where an occurrence belongs: its incident (when suppressed: None, or an earlier one), its service, and by what it
    is suppressed."""

    incident_id: UUID | None
    service_id: int
    suppressed: dict[str, Any] | None

    @property
    def counts(self) -> bool:
        """It is one of the firing alerts of its incident."""
        return self.incident_id is not None and self.suppressed is None


class OccurrenceRow(Struct, frozen=True, gc=False):
    """An occurrence as it is to be written."""

    id: UUID
    alert_id: UUID
    incident_id: UUID | None
    service_id: int
    starts_at: datetime
    ended_at: datetime | None
    end_kind: str | None
    severity: str
    priority: int | None
    suppressed: dict[str, Any] | None
    routed: Mapping[str, Any] | None = None
    recheck_at: datetime | None = None
    held_key: str | None = None
    symptom: bool = False


class Rechecked(Struct, frozen=True, gc=False):
    """A suppressed occurrence as it stands: its alert, what it would be if it came now, and where it belongs."""

    alert: AlertState
    arrival: Arrival
    before: Belongs


async def hear(conn: AsyncConnection, heard: Mapping[tuple[int, str], int], now: datetime) -> list[AlertState]:
    """Those of the alerts that exist, locked and counted. `heard`: events by (integration id, dedup key)."""
    keys = sorted(heard)
    named = {
        "now": now,
        "integrations": [i for i, _ in keys],
        "keys": [k for _, k in keys],
        "events": [heard[k] for k in keys],
    }
    return [AlertState(*row) for row in await HEAR_ALERTS.rows(conn, named)]


async def insert(conn: AsyncConnection, decisions: Sequence[Decision], heard: Sequence[int], now: datetime) -> None:
    """Writes new alerts. Raises `Raced` when another process made one of them meanwhile."""
    columns = _columns(decisions) | {"events": list(heard), "now": now}
    await INSERT_ALERTS.write(conn, columns, rows=len(decisions))


async def rewrite(conn: AsyncConnection, decisions: Sequence[Decision]) -> None:
    await REWRITE_ALERTS.write(conn, _columns(decisions))


def _columns(decisions: Sequence[Decision]) -> dict[str, list[Any]]:
    alerts = [d.alert for d in decisions]
    events = [d.arrival.event for d in decisions]
    return {
        "id": [a.id for a in alerts],
        "integration_id": [a.integration_id for a in alerts],
        "dedup_key": [a.dedup_key for a in alerts],
        "state": ["firing" if a.firing else "resolved" for a in alerts],
        "occurrence_id": [a.occurrence_id for a in alerts],
        "service_id": [d.arrival.service_id for d in decisions],
        "title": [e.title for e in events],
        "severity": [a.severity for a in alerts],
        "digest": [a.digest for a in alerts],
        "labels": [e.labels for e in events],
        "annotations": [e.annotations for e in events],
        "links": [e.links for e in events],
        "starts_at": [a.starts_at for a in alerts],
        "ended_at": [a.ended_at for a in alerts],
        "end_kind": [a.end_kind for a in alerts],
        "end_received_at": [a.end_received_at for a in alerts],
        "expires_at": [a.expires_at for a in alerts],
        "expiry_due_at": [a.expiry_due_at for a in alerts],
        "flips": [a.flips for a in alerts],
        "flipped_at": [a.flipped_at for a in alerts],
        "earlier_ended_at": [a.earlier_ended_at for a in alerts],
    }


async def move(conn: AsyncConnection, alerts: Sequence[AlertState]) -> None:
    await MOVE_ALERTS.write(
        conn,
        {
            "id": [a.id for a in alerts],
            "starts_at": [a.starts_at for a in alerts],
            "ended_at": [a.ended_at for a in alerts],
            "end_kind": [a.end_kind for a in alerts],
            "end_received_at": [a.end_received_at for a in alerts],
            "expires_at": [a.expires_at for a in alerts],
            "expiry_due_at": [a.expiry_due_at for a in alerts],
        },
    )


async def belongings(conn: AsyncConnection, occurrence_ids: Collection[UUID]) -> dict[UUID, Belongs]:
    if not occurrence_ids:
        return {}
    rows = await OCCURRENCES.rows(conn, {"ids": list(occurrence_ids)})
    return {row[0]: Belongs(*row[1:]) for row in rows}


async def keep_occurrences(conn: AsyncConnection, rows: Sequence[OccurrenceRow]) -> None:
    if not rows:
        return
    await INSERT_OCCURRENCES.write(
        conn,
        {
            "id": [r.id for r in rows],
            "alert_id": [r.alert_id for r in rows],
            "incident_id": [r.incident_id for r in rows],
            "service_id": [r.service_id for r in rows],
            "starts_at": [r.starts_at for r in rows],
            "ended_at": [r.ended_at for r in rows],
            "end_kind": [r.end_kind for r in rows],
            "severity": [r.severity for r in rows],
            "priority": [r.priority for r in rows],
            "suppressed": [r.suppressed for r in rows],
            "routed": [r.routed for r in rows],
            "recheck_at": [r.recheck_at for r in rows],
            "held_key": [r.held_key for r in rows],
            "symptom": [r.symptom for r in rows],
        },
    )


async def waiting(conn: AsyncConnection, keys: Collection[str], since: datetime) -> dict[str, list[UUID]]:
    """By correlation key, the occurrences since an instant that wait for others, whether they still fire or not."""
    found: dict[str, list[UUID]] = {}
    for row in await conn.execute(WAITING, {"keys": sorted(keys), "since": ids.first_of(since)}):
        found.setdefault(row.held_key, []).append(row.id)
    return found


async def release(conn: AsyncConnection, keys: Collection[str], now: datetime) -> None:
    """Enough have come: those that wait are looked at again at once."""
    if keys:
        await conn.execute(RELEASE, {"keys": sorted(keys), "now": now})


async def to_recheck(conn: AsyncConnection, now: datetime, limit: int) -> list[Rechecked]:
    """Each for one worker."""
    rows = await conn.execute(TO_RECHECK, {"now": now, "limit": limit})
    return [_rechecked(r) for r in rows]


async def looked_at(conn: AsyncConnection, occurrence_ids: Collection[UUID]) -> None:
    """They need not be looked at again. Their alerts are locked."""
    if occurrence_ids:
        await conn.execute(LOOKED_AT, {"ids": list(occurrence_ids)})


def _rechecked(r: Any) -> Rechecked:
    alert = AlertState(*r[: len(AlertState.__struct_fields__)])
    event = Event(
        kind="firing",
        dedup_key=alert.dedup_key,
        fingerprint=alert.dedup_key,
        title=r.title,
        severity=r.severity,
        labels=r.labels,
        starts_at=alert.starts_at,
        ends_at=alert.expires_at,
        annotations=r.annotations,
    )
    arrival = Arrival(event, alert.integration_id, r.key, r.source, r.entrance_service_id, 0, NIL, 0)
    return Rechecked(alert, arrival, Belongs(r.incident_id, r.service_id, r.suppressed))

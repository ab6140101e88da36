"""SQL of receipts, events, quarantine and entrances."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import Struct
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db.hot import Hot
from app.ingest.event import Event

ENTRANCES = text("""
    SELECT k.key_hash, k.expires_at, i.id, i.key, i.source, i.service_id, i.ignored_labels, i.resolve_timeout_s,
           i.stale_window_s, i.mapping, i.enabled,
           (SELECT array_agg(s.sealed ORDER BY s.id DESC) FROM signing_secrets s WHERE s.integration_id = i.id
            AND (s.expires_at IS NULL OR s.expires_at > :now)) AS sealed
    FROM routing_keys k JOIN integrations i ON i.id = k.integration_id
    WHERE k.expires_at IS NULL OR k.expires_at > :now
""")

INSERT_RECEIPTS = Hot("""
    INSERT INTO receipts (id, integration_id, at, status, size, error, outcomes)
    SELECT t.id, t.integration_id, CAST(:now AS timestamptz), t.status, t.size, t.error, t.outcomes
    FROM unnest(CAST(:id AS uuid[]), CAST(:integration_id AS bigint[]), CAST(:status AS smallint[]),
                CAST(:size AS integer[]), CAST(:error AS text[]), CAST(:outcomes AS jsonb[]))
         AS t (id, integration_id, status, size, error, outcomes)
""")

INSERT_EVENTS = Hot("""
    INSERT INTO events (id, receipt_id, alert_id, occurrence_id, at, kind, outcome, severity, starts_at, ends_at,
                        labels, annotations, details)
    SELECT t.id, t.receipt_id, t.alert_id, t.occurrence_id, CAST(:now AS timestamptz), t.kind, t.outcome, t.severity,
           t.starts_at, t.ends_at, t.labels, t.annotations, t.details
    FROM unnest(CAST(:id AS uuid[]), CAST(:receipt_id AS uuid[]), CAST(:alert_id AS uuid[]),
                CAST(:occurrence_id AS uuid[]), CAST(:kind AS text[]), CAST(:outcome AS text[]),
                CAST(:severity AS text[]), CAST(:starts_at AS timestamptz[]), CAST(:ends_at AS timestamptz[]),
                CAST(:labels AS jsonb[]), CAST(:annotations AS jsonb[]), CAST(:details AS jsonb[]))
         AS t (id, receipt_id, alert_id, occurrence_id, kind, outcome, severity, starts_at, ends_at, labels,
               annotations, details)
""")

INSERT_QUARANTINED = text("""
    INSERT INTO quarantine (id, integration_id, receipt_id, kind, at, last_at, error, headers, body, body_hash)
    VALUES (:id, :integration_id, :receipt_id, :kind, :now, :now, :error, CAST(:headers AS jsonb), :body, :body_hash)
    ON CONFLICT (integration_id, body_hash) WHERE kind = 'body' AND state = 'waiting'
    DO UPDATE SET count = quarantine.count + 1, last_at = excluded.last_at, receipt_id = excluded.receipt_id,
                  error = excluded.error
""")
"""What could not be processed. The same unparsable body again is only counted."""

RECEIPT = text("""
    SELECT r.id, r.at, r.status, r.size, r.error, r.outcomes, r.integration_id, i.key AS integration, i.source
    FROM receipts r JOIN integrations i ON i.id = r.integration_id WHERE r.id = :id
""")

QUARANTINE_PAGE = text("""
    SELECT q.id, i.key AS integration, i.source, q.receipt_id, q.kind, q.state, q.at, q.last_at, q.count, q.error,
           length(q.body) AS size, q.replayed_at, q.replay_receipt_id
    FROM quarantine q JOIN integrations i ON i.id = q.integration_id
    WHERE (CAST(:before AS uuid) IS NULL OR q.id < :before) AND (CAST(:state AS text) IS NULL OR q.state = :state)
      AND (CAST(:integration AS text) IS NULL OR i.key = :integration)
    ORDER BY q.id DESC LIMIT :limit
""")

QUARANTINED = text("""
    SELECT q.id, q.integration_id, i.key AS integration, i.source, q.receipt_id, q.kind, q.state, q.at, q.last_at,
           q.count, q.error, q.headers, q.body, q.replayed_at, q.replay_receipt_id
    FROM quarantine q JOIN integrations i ON i.id = q.integration_id WHERE q.id = :id
    FOR UPDATE OF q
""")

SET_QUARANTINED = text("""
    UPDATE quarantine SET state = :state, replayed_at = :now, replay_receipt_id = :receipt_id WHERE id = :id
""")

RECEIPTS_PAGE = text("""
    SELECT r.id, r.at, r.status, r.size, r.error, r.outcomes, r.integration_id, i.key AS integration, i.source
    FROM receipts r JOIN integrations i ON i.id = r.integration_id
    WHERE r.integration_id = (SELECT id FROM integrations WHERE key = :integration)
      AND (CAST(:before AS uuid) IS NULL OR r.id < :before)
    ORDER BY r.id DESC LIMIT :limit
""")
"""What one integration was sent, newest first."""

INTEGRATION_OF_KEY = text("""
    SELECT integration_id FROM routing_keys
    WHERE key_hash = :hash AND (expires_at IS NULL OR expires_at > CAST(:now AS timestamptz))
""")

ENTRANCE_OF = text("""
    SELECT i.id, i.key, i.source, i.service_id, i.ignored_labels, i.resolve_timeout_s, i.stale_window_s, i.mapping,
           i.enabled FROM integrations i WHERE i.id = :id
""")


class ReceiptRow(Struct, frozen=True, gc=False):
    """A receipt as it is to be written. `outcomes`: `[[index, code, alert id or null], ...]`."""

    id: UUID
    integration_id: int
    status: int
    size: int
    error: str | None
    outcomes: Sequence[Sequence[Any]]


class EventRecord(Struct, frozen=True, gc=False):
    """An event that changed something, as it is to be written."""

    id: UUID
    receipt_id: UUID | None
    alert_id: UUID
    occurrence_id: UUID
    outcome: str
    event: Event


async def keep_receipts(conn: AsyncConnection, rows: Sequence[ReceiptRow], now: datetime) -> None:
    await INSERT_RECEIPTS.write(
        conn,
        {
            "now": now,
            "id": [r.id for r in rows],
            "integration_id": [r.integration_id for r in rows],
            "status": [r.status for r in rows],
            "size": [r.size for r in rows],
            "error": [r.error for r in rows],
            "outcomes": [r.outcomes for r in rows],
        },
    )


async def keep_events(conn: AsyncConnection, rows: Sequence[EventRecord], now: datetime) -> None:
    if not rows:
        return
    events = [r.event for r in rows]
    await INSERT_EVENTS.write(
        conn,
        {
            "now": now,
            "id": [r.id for r in rows],
            "receipt_id": [r.receipt_id for r in rows],
            "alert_id": [r.alert_id for r in rows],
            "occurrence_id": [r.occurrence_id for r in rows],
            "kind": [e.kind for e in events],
            "outcome": [r.outcome for r in rows],
            "severity": [e.severity for e in events],
            "starts_at": [e.starts_at for e in events],
            "ends_at": [e.ends_at for e in events],
            "labels": [e.labels for e in events],
            "annotations": [e.annotations for e in events],
            "details": [e.details for e in events],
        },
    )


async def quarantine(conn: AsyncConnection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Rows with the parameters of `INSERT_QUARANTINED`."""
    if rows:
        await conn.execute(INSERT_QUARANTINED, [dict(r) for r in rows])

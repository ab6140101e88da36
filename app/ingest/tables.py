"""What came in: receipts, events, quarantine. Receipts and events are partitioned by their uuid v7, that is by time."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, LargeBinary, SmallInteger, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import Base, Instant, RoadId


class Receipt(Base):
    """One authenticated request and what became of each event in it.

    `outcomes` is a compact array: `[[index, code, alert id or null], ...]`, codes as in `app.alerts.dedup.Outcome`.
    """

    __tablename__ = "receipts"
    __table_args__ = (
        Index("ix_receipts_integration_id_id", "integration_id", "id"),
        {"postgresql_partition_by": "RANGE (id)"},
    )

    id: Mapped[RoadId]
    integration_id: Mapped[int] = mapped_column(BigInteger)
    at: Mapped[Instant]
    status: Mapped[int] = mapped_column(SmallInteger)
    """The HTTP status that was answered."""
    size: Mapped[int]
    """Bytes of the body."""
    error: Mapped[str | None]
    outcomes: Mapped[list[Any]]


class EventRow(Base):
    """An event that changed something. Repeated and stale ones are only counted on their alert."""

    __tablename__ = "events"
    __table_args__ = (
        Index("ix_events_alert_id_id", "alert_id", "id"),
        {"postgresql_partition_by": "RANGE (id)"},
    )

    id: Mapped[RoadId]
    receipt_id: Mapped[UUID | None]
    alert_id: Mapped[UUID]
    occurrence_id: Mapped[UUID]
    at: Mapped[Instant]
    kind: Mapped[str]
    outcome: Mapped[str]
    severity: Mapped[str]
    starts_at: Mapped[Instant]
    ends_at: Mapped[datetime | None]
    labels: Mapped[dict[str, str]]
    annotations: Mapped[dict[str, str]]
    details: Mapped[dict[str, Any]]


class Quarantined(Base):
    """Accepted bytes or events that could not be processed, with their error; kept 30 days, replayed after a fix.

    `kind`: `body` could not be parsed at all (one row per integration and hash, counted), `event` was refused alone,
    `batch` failed while it was processed. `body` is what to replay: the whole body, or the event as JSON.
    """

    __tablename__ = "quarantine"
    __table_args__ = (
        CheckConstraint("kind IN ('body', 'event', 'batch')", name="kind"),
        CheckConstraint("state IN ('waiting', 'replayed', 'discarded')", name="state"),
        Index(
            "uq_quarantine_body",
            "integration_id",
            "body_hash",
            unique=True,
            postgresql_where=text("kind = 'body' AND state = 'waiting'"),
        ),
        Index("ix_quarantine_waiting", "id", postgresql_where=text("state = 'waiting'")),
    )

    id: Mapped[RoadId]
    integration_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("integrations.id", ondelete="CASCADE"), index=True
    )
    receipt_id: Mapped[UUID | None]
    kind: Mapped[str]
    state: Mapped[str] = mapped_column(server_default="waiting")
    at: Mapped[Instant]
    last_at: Mapped[Instant]
    count: Mapped[int] = mapped_column(server_default="1")
    error: Mapped[str]
    headers: Mapped[dict[str, Any]]
    body: Mapped[bytes] = mapped_column(LargeBinary)
    body_hash: Mapped[bytes] = mapped_column(LargeBinary)
    replayed_at: Mapped[datetime | None]
    replay_receipt_id: Mapped[UUID | None]


class ChangeRow(Base):
    """Something that somebody changed about a service, as a source told it (`app.ingest.change`). Partitioned by its
    uuid v7, that is by when it was received."""

    __tablename__ = "changes"
    __table_args__ = (
        Index("ix_changes_service_id_id", "service_id", "id"),
        Index("ix_changes_service_id_at", "service_id", "at"),
        {"postgresql_partition_by": "RANGE (id)"},
    )

    id: Mapped[RoadId]
    receipt_id: Mapped[UUID]
    integration_id: Mapped[int] = mapped_column(BigInteger)
    service_id: Mapped[int] = mapped_column(BigInteger)
    """Of the integration, when it came in."""
    at: Mapped[Instant]
    """When it happened, by the source's clock."""
    summary: Mapped[str]
    source: Mapped[str | None]
    links: Mapped[list[Any]]
    details: Mapped[dict[str, Any]]

"""Alerts and their occurrences.

The alert's row is touched by every repeat: nothing indexed may change then, so that the update stays HOT (limits.md).
Hence `expires_at` moves with every renewal and `expiry_due_at`, which is indexed, only when it is looked at.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, SmallInteger, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import Base, Instant, RoadId


class Alert(Base):
    """The deduplicated problem of one dedup key, with its current occurrence."""

    __tablename__ = "alerts"
    __table_args__ = (
        UniqueConstraint("integration_id", "dedup_key"),
        CheckConstraint("state IN ('firing', 'resolved')", name="state"),
        CheckConstraint("(state = 'resolved') = (ended_at IS NOT NULL)", name="ended"),
        Index("ix_alerts_expiry_due_at", "expiry_due_at", postgresql_where=text("expiry_due_at IS NOT NULL")),
        Index("ix_alerts_firing", "id", postgresql_where=text("state = 'firing'")),
        {"postgresql_with": {"fillfactor": "85"}},
    )

    id: Mapped[RoadId]
    integration_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("integrations.id", ondelete="CASCADE"))
    dedup_key: Mapped[str]
    state: Mapped[str]
    occurrence_id: Mapped[UUID]
    service_id: Mapped[int] = mapped_column(BigInteger)
    title: Mapped[str]
    severity: Mapped[str]
    digest: Mapped[int] = mapped_column(BigInteger)
    """Of labels and severity: says whether a repeat changed something without comparing them."""
    labels: Mapped[dict[str, str]]
    annotations: Mapped[dict[str, str]]
    links: Mapped[list[Any]]
    starts_at: Mapped[Instant]
    ended_at: Mapped[datetime | None]
    end_kind: Mapped[str | None]
    """`explicit`: the source said so; `expired`: it fell silent."""
    end_received_at: Mapped[datetime | None]
    first_seen_at: Mapped[Instant]
    last_seen_at: Mapped[Instant]
    events: Mapped[int] = mapped_column(BigInteger, server_default="1")
    expires_at: Mapped[datetime | None]
    expiry_due_at: Mapped[datetime | None]
    flips: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    """How often it lately changed between firing and resolved (`dedup.flapping`)."""
    flipped_at: Mapped[datetime | None]
    earlier_ended_at: Mapped[datetime | None]
    """When the occurrence before the current one ended."""
    decided: Mapped[dict[str, Any] | None]
    """What a person decided about its incident (`dedup.Decided`)."""


class Occurrence(Base):
    """One firing of an alert. Belongs to one incident, unless it was suppressed (`suppressed` says by what)."""

    __tablename__ = "occurrences"
    __table_args__ = (
        Index("ix_occurrences_incident_id", "incident_id"),
        Index("ix_occurrences_alert_id_id", "alert_id", "id"),
        Index("ix_occurrences_recheck_at", "recheck_at", postgresql_where=text("recheck_at IS NOT NULL")),
        Index("ix_occurrences_held_key_id", "held_key", "id", postgresql_where=text("held_key IS NOT NULL")),
        Index(
            "ix_occurrences_suppressed",
            "id",
            postgresql_where=text("suppressed IS NOT NULL AND ended_at IS NULL"),
        ),
        {"postgresql_partition_by": "RANGE (id)"},
    )

    id: Mapped[RoadId]
    alert_id: Mapped[UUID]
    incident_id: Mapped[UUID | None]
    service_id: Mapped[int] = mapped_column(BigInteger)
    starts_at: Mapped[Instant]
    ended_at: Mapped[datetime | None]
    end_kind: Mapped[str | None]
    severity: Mapped[str]
    priority: Mapped[int | None] = mapped_column(SmallInteger)
    """Provisional: of this occurrence alone."""
    suppressed: Mapped[dict[str, Any] | None]
    """`{"by": ..., "name": ..., "because": ..., "until": ...}`: what keeps it from paging (behaviour.md 10)."""
    routed: Mapped[dict[str, Any] | None]
    """What routing rules set: labels, severity, category, runbook, note, and the rules that did."""
    recheck_at: Mapped[datetime | None]
    """When to look again whether it is still suppressed."""
    held_key: Mapped[str | None]
    """The correlation key of one that waits for others: a threshold."""
    symptom: Mapped[bool] = mapped_column(server_default=text("false"))
    """It joined the incident of a service that its own depends on."""

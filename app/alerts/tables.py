"""Alerts and their occurrences.

The alert's row is touched by every repeat: nothing indexed may change then, so that the update stays HOT (limits.md).
Hence `expires_at` moves with every renewal and `expiry_due_at`, which is indexed, only when it is looked at.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Boolean, CheckConstraint, ForeignKey, Index, SmallInteger, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import KEY_CHECK, Base, Instant, RoadId, RowId, Version


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


class SilentSource(Base):
    """An integration whose source fell silent: the last that it said was that something fires, and nothing renewed it.

    There is a row from the silence until the next request; `told` once its alert fires.
    """

    __tablename__ = "silent_sources"

    integration_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("integrations.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    receipt_id: Mapped[UUID]
    """Of the last request before the silence."""
    heard_at: Mapped[Instant]
    noticed_at: Mapped[Instant]
    told: Mapped[bool] = mapped_column(server_default=text("false"))


class SilenceRow(Base):
    """A silence: matching alerts page nobody from `starts_at` to `ends_at`. Kept when it is over, as evidence."""

    __tablename__ = "silences"
    __table_args__ = (
        CheckConstraint("ends_at >= starts_at AND ends_at <= starts_at + interval '30 days'", name="span"),
        CheckConstraint("jsonb_array_length(matchers) > 0", name="matchers"),
        Index("ix_silences_ends_at", "ends_at"),
    )

    id: Mapped[RoadId]
    matchers: Mapped[list[Any]]
    """As Alertmanager writes them: `{"name", "value", "isRegex", "isEqual"}`."""
    starts_at: Mapped[Instant]
    ends_at: Mapped[Instant]
    created_by: Mapped[str]
    """As they call themselves: through Alertmanager's API anybody writes anything here."""
    comment: Mapped[str]
    owner: Mapped[str | None]
    """The key of the user who made it here."""
    service_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("services.id", ondelete="CASCADE"))
    """It silences only alerts of this service: always so for one made with a routing key."""
    expired_at: Mapped[datetime | None]
    """When a person ended it early."""
    expired_by: Mapped[str | None]
    created_at: Mapped[Instant]
    updated_at: Mapped[Instant]


class SuppressionRule(Base):
    """A maintenance window, an inhibition rule or a time interval, as its document says."""

    __tablename__ = "suppression_rules"
    __table_args__ = (
        UniqueConstraint("kind", "key"),
        CheckConstraint("kind IN ('maintenance_window', 'inhibition_rule', 'time_interval')", name="kind"),
        CheckConstraint(KEY_CHECK, name="key"),
    )

    id: Mapped[RowId]
    kind: Mapped[str]
    key: Mapped[str]
    document: Mapped[dict[str, Any]]
    version: Mapped[Version]
    created_at: Mapped[Instant]
    updated_at: Mapped[Instant]


class InhibitionSource(Base):
    """An alert that matches the source side of an inhibition rule. It inhibits as long as the alert fires."""

    __tablename__ = "inhibition_sources"
    __table_args__ = (Index("ix_inhibition_sources_alert_id", "alert_id"),)

    rule: Mapped[str] = mapped_column(primary_key=True)
    alert_id: Mapped[UUID] = mapped_column(primary_key=True)
    equal_values: Mapped[list[str]]
    both_sides: Mapped[bool] = mapped_column(Boolean)
    """It matches the target side as well."""
    fingerprint: Mapped[str]
    title: Mapped[str]


class SuppressionCount(Base):
    """How many occurrences something has suppressed so far."""

    __tablename__ = "suppression_counts"
    __table_args__ = ({"postgresql_with": {"fillfactor": "85"}},)

    by: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    occurrences: Mapped[int] = mapped_column(BigInteger)
    last_at: Mapped[Instant]

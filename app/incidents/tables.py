"""Incidents, who acknowledged them, and their timeline.

`open_key` is held by the one open incident that accepts occurrences of a correlation key (behaviour.md 3).
`epoch` grows whenever the incident becomes triggered; `paging_due_at` marks such an incident for the next tick, so that
it need not compare every ladder's epoch with its incident's.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Identity, Index, SmallInteger, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import Base, Instant, RoadId
from app.incidents.states import IS_OPEN, WORDS


class Incident(Base):
    __tablename__ = "incidents"
    __table_args__ = (
        CheckConstraint("state IN ('triggered', 'acknowledged', 'mitigated', 'resolved', 'closed')", name="state"),
        CheckConstraint("priority BETWEEN 1 AND 5", name="priority"),
        CheckConstraint("impact BETWEEN 1 AND 3 AND urgency BETWEEN 1 AND 3", name="impact_urgency"),
        CheckConstraint("loudness IN ('loud', 'quiet')", name="loudness"),
        CheckConstraint(f"open_key IS NULL OR {IS_OPEN}", name="open_key"),
        CheckConstraint("(state = 'acknowledged') OR (wakes_at IS NULL)", name="wakes_at"),
        CheckConstraint("(state IN ('resolved', 'closed')) = (resolved_at IS NOT NULL)", name="resolved_at"),
        CheckConstraint("firing >= 0", name="firing"),
        CheckConstraint("merged_into_id IS NULL OR state IN ('resolved', 'closed')", name="merged_into_id"),
        Index("uq_incidents_open_key", "open_key", unique=True, postgresql_where=text("open_key IS NOT NULL")),
        Index("ix_incidents_open", "id", postgresql_where=text(IS_OPEN)),
        Index("ix_incidents_correlation_key_id", "correlation_key", "id"),
        Index("ix_incidents_service_id_id", "service_id", "id"),
        Index("ix_incidents_wakes_at", "wakes_at", postgresql_where=text("wakes_at IS NOT NULL")),
        Index("ix_incidents_recovery_due_at", "recovery_due_at", postgresql_where=text("recovery_due_at IS NOT NULL")),
        Index("ix_incidents_paging_due_at", "paging_due_at", postgresql_where=text("paging_due_at IS NOT NULL")),
        Index("ix_incidents_merged_into_id", "merged_into_id", postgresql_where=text("merged_into_id IS NOT NULL")),
        Index("ix_incidents_symptoms_due_at", "symptoms_due_at", postgresql_where=text("symptoms_due_at IS NOT NULL")),
        Index("ix_incidents_open_service_id", "service_id", postgresql_where=text(IS_OPEN)),
        Index("ix_incidents_loud_due_at", "loud_due_at", postgresql_where=text("loud_due_at IS NOT NULL")),
        Index("ix_incidents_storm_id_id", "storm_id", "id", postgresql_where=text("storm_id IS NOT NULL")),
        Index("ix_incidents_words", text(WORDS), postgresql_using="gin"),
        {"postgresql_with": {"fillfactor": "85"}},
    )

    id: Mapped[RoadId]
    number: Mapped[int] = mapped_column(BigInteger, Identity(always=True), unique=True)
    service_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("services.id"))
    correlation_key: Mapped[str]
    open_key: Mapped[str | None]
    title: Mapped[str]
    state: Mapped[str]
    epoch: Mapped[int] = mapped_column(server_default="1")
    priority: Mapped[int] = mapped_column(SmallInteger)
    impact: Mapped[int] = mapped_column(SmallInteger)
    urgency: Mapped[int] = mapped_column(SmallInteger)
    verdict: Mapped[dict[str, Any]]
    """Where priority, impact and urgency come from: rule, version, why."""
    priority_pin: Mapped[dict[str, Any] | None]
    """`{"by": user key, "at": ..., "reason": ...}`: automation must not change the priority."""
    loudness: Mapped[str]
    loud_due_at: Mapped[datetime | None]
    """When a quiet P3 is raised because support hours begin."""
    held_open: Mapped[bool] = mapped_column(server_default=text("false"))
    """A person pinned it open: automation never resolves it."""
    opened_at: Mapped[Instant]
    triggered_at: Mapped[Instant]
    acknowledged_at: Mapped[datetime | None]
    acknowledged_by_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("users.id"))
    wakes_at: Mapped[datetime | None]
    """When an acknowledgement expires or a snooze ends."""
    wakes_because: Mapped[str | None]
    """`snoozed` or `expires`."""
    nudged_for: Mapped[datetime | None]
    """The expiry whose coming the acknowledger was reminded of; only that reminder writes it."""
    assigned_to_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("users.id"))
    """Whom a person reassigned it to; the ladder's first step is then this user."""
    mitigated_at: Mapped[datetime | None]
    resolved_at: Mapped[datetime | None]
    resolved_by: Mapped[str | None]
    """`user:<key>` or `source`."""
    closed_at: Mapped[datetime | None]
    recovery_due_at: Mapped[datetime | None]
    paging_due_at: Mapped[datetime | None]
    reopened: Mapped[int] = mapped_column(server_default="0")
    recurrence_of_id: Mapped[UUID | None] = mapped_column(ForeignKey("incidents.id"))
    storm_id: Mapped[UUID | None] = mapped_column(ForeignKey("storms.id"))
    """The storm it opened in. While that lasts only P1 and P2 page, bundled."""
    last_occurrence_at: Mapped[Instant]
    firing: Mapped[int]
    """Occurrences of this incident that still fire."""
    occurrences: Mapped[int]
    version: Mapped[int] = mapped_column(server_default="1")
    merged_into_id: Mapped[UUID | None] = mapped_column(ForeignKey("incidents.id"))
    """Where its occurrences are now, and new ones of its correlation key go. Never one that is itself merged."""
    symptoms_due_at: Mapped[datetime | None]
    """When to look whether dependencies of services make it, or others, a symptom."""
    cause: Mapped[str | None]
    """What it was, in the words of a person, said when it was resolved or later."""
    fix: Mapped[str | None]
    """What fixed it, likewise."""
    drill: Mapped[bool] = mapped_column(server_default=text("false"))
    """It is a test page: no trouble, and no part of any statistics."""


class Storm(Base):
    """More new incidents in a minute than anybody can answer one by one; at most one lasts. `incident_id` names the
    incident that speaks for it; it has no foreign key, because incidents have one to their storm."""

    __tablename__ = "storms"
    __table_args__ = (
        CheckConstraint("(ended_at IS NULL) = (look_at IS NOT NULL)", name="look_at"),
        CheckConstraint("priority BETWEEN 1 AND 5", name="priority"),
        Index(
            "uq_storms_one_lasts", text("(ended_at IS NULL)"), unique=True, postgresql_where=text("ended_at IS NULL")
        ),
    )

    id: Mapped[RoadId]
    key: Mapped[str] = mapped_column(unique=True)
    """When it began, in UTC: `2026-11-22-0114`."""
    name: Mapped[str]
    threshold: Mapped[int]
    """New incidents a minute that were too many, as set when it began."""
    started_at: Mapped[Instant]
    ended_at: Mapped[datetime | None]
    calm_since: Mapped[datetime | None]
    look_at: Mapped[datetime | None]
    """When it is looked at next: once a minute."""
    priority: Mapped[int] = mapped_column(SmallInteger)
    incident_id: Mapped[UUID]
    labels: Mapped[dict[str, str]]
    """What at least four in five of its alerts have in common."""
    incidents: Mapped[int]
    alerts: Mapped[int]
    withheld: Mapped[int] = mapped_column(server_default="0")
    """Incidents that were not paged separately; known when it is over."""
    report: Mapped[dict[str, Any] | None]


class Acknowledgement(Base):
    """Who took it, in which epoch, through which door. Withdrawn ones keep their row."""

    __tablename__ = "acknowledgements"
    __table_args__ = (UniqueConstraint("incident_id", "epoch", "user_id"),)

    id: Mapped[RoadId]
    incident_id: Mapped[UUID] = mapped_column(ForeignKey("incidents.id", ondelete="CASCADE"))
    epoch: Mapped[int]
    user_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("users.id"), index=True)
    at: Mapped[Instant]
    channel: Mapped[str]
    """`link`, `sms`, `voice`, `screen`, `api` or `source`."""
    notification_id: Mapped[UUID | None]
    withdrawn_at: Mapped[datetime | None]


class RequiredAcknowledgement(Base):
    """Who all must acknowledge before an incident is acknowledged: the people whom a step of the mode `all` reached.
    Without a row for the incident's epoch anybody's acknowledgement is enough."""

    __tablename__ = "required_acknowledgements"

    incident_id: Mapped[UUID] = mapped_column(ForeignKey("incidents.id", ondelete="CASCADE"), primary_key=True)
    epoch: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    user_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)


class CorrelationAct(Base):
    """Somebody merged, split off or moved what correlation had put together. `before` is what undoing it needs."""

    __tablename__ = "correlation_acts"
    __table_args__ = (
        CheckConstraint("kind IN ('merge', 'split', 'move', 'symptom')", name="kind"),
        Index("ix_correlation_acts_from_id_id", "from_id", "id"),
        Index("ix_correlation_acts_to_id_id", "to_id", "id"),
    )

    id: Mapped[RoadId]
    kind: Mapped[str]
    from_id: Mapped[UUID] = mapped_column(ForeignKey("incidents.id", ondelete="CASCADE"))
    to_id: Mapped[UUID] = mapped_column(ForeignKey("incidents.id", ondelete="CASCADE"))
    actor: Mapped[str]
    at: Mapped[Instant]
    before: Mapped[dict[str, Any]]
    undone_at: Mapped[datetime | None]


class TimelineEntry(Base):
    """What happened in one incident, for people. `timeline.py` puts `kind` and `data` into words."""

    __tablename__ = "timeline_entries"
    __table_args__ = (
        Index("ix_timeline_entries_incident_id_id", "incident_id", "id"),
        {"postgresql_partition_by": "RANGE (id)"},
    )

    id: Mapped[RoadId]
    incident_id: Mapped[UUID]
    at: Mapped[Instant]
    kind: Mapped[str]
    actor: Mapped[str]
    """`user:<key>`, `source:<integration key>` or `tocsin`."""
    data: Mapped[dict[str, Any]]


class WebhookCall(Base):
    """A webhook is told of something that happened to an incident (`listening.py`), at least once, in the order in
    which it happened. `state`: `pending` -> `sending` -> `delivered`, or `failed`: given up."""

    __tablename__ = "webhook_calls"
    __table_args__ = (
        CheckConstraint("state IN ('pending', 'sending', 'delivered', 'failed')", name="state"),
        CheckConstraint("(state IN ('delivered', 'failed')) = (finished_at IS NOT NULL)", name="finished_at"),
        Index("ix_webhook_calls_due_at", "webhook_id", "due_at", postgresql_where=text("finished_at IS NULL")),
        Index("ix_webhook_calls_incident_id", "incident_id", "webhook_id", "entry_id"),
        Index("ix_webhook_calls_finished_at", "finished_at", postgresql_where=text("finished_at IS NOT NULL")),
    )

    webhook_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    entry_id: Mapped[UUID] = mapped_column(primary_key=True)
    """Of the timeline; the `webhook-id` of every try."""
    incident_id: Mapped[UUID]
    happening: Mapped[str]
    because: Mapped[str]
    """The sentence of the timeline."""
    at: Mapped[Instant]
    state: Mapped[str] = mapped_column(server_default="pending")
    due_at: Mapped[Instant]
    """When it is tried; while it is being sent, when another worker takes it over."""
    tries: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    facts: Mapped[dict[str, Any] | None]
    """The incident as it was when it was first tried: every try says the same."""
    said: Mapped[str] = mapped_column(server_default="")
    """Why the last try failed."""
    finished_at: Mapped[datetime | None]

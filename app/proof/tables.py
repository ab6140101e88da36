"""What was proven before it was needed: warnings about the next 48 hours, weekly mails about lint, drills."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import Base, Instant, RoadId, RowId


class ScheduleWarning(Base):
    """A gap, or somebody on duty who cannot be reached, found in the next 48 hours of a schedule. `state`: `open` ->
    `mended`, or `passed` when the time came and it was still so. `repeats_id`: an earlier one at the same hours of the
    day which was told and came to pass: then nobody is told of this one."""

    __tablename__ = "schedule_warnings"
    __table_args__ = (
        CheckConstraint("code IN ('gap', 'unreachable')", name="code"),
        CheckConstraint("(code = 'unreachable') = (user_id IS NOT NULL)", name="user_id"),
        CheckConstraint("state IN ('open', 'mended', 'passed')", name="state"),
        CheckConstraint("(state = 'open') = (over_at IS NULL)", name="over_at"),
        CheckConstraint("starts_at < ends_at", name="bounds"),
        Index("ix_schedule_warnings_schedule_id_id", "schedule_id", "id"),
    )

    id: Mapped[RowId]
    schedule_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("schedules.id", ondelete="CASCADE"))
    code: Mapped[str]
    user_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("users.id", ondelete="CASCADE"), index=True)
    starts_at: Mapped[Instant]
    ends_at: Mapped[Instant]
    state: Mapped[str] = mapped_column(server_default="open")
    found_at: Mapped[Instant]
    over_at: Mapped[datetime | None]
    repeats_id: Mapped[int | None] = mapped_column(BigInteger)
    told_at: Mapped[datetime | None]
    told: Mapped[list[Any]] = mapped_column(server_default="[]")
    """Keys of the users who were told."""
    notice: Mapped[str | None]
    """The keys of those notifications without `:<user id>`."""


class LintWeek(Base):
    """A week whose mails about lint have been planned: by one worker, once. `week`: its Monday."""

    __tablename__ = "lint_weeks"

    week: Mapped[date] = mapped_column(primary_key=True)
    planned_at: Mapped[Instant]


class LintMail(Base):
    """One mail to one owner in one week, about all schedules of that owner; sent only when something is wrong.
    Schedules are looked at a few at a time: `after_id` is the last one, `found` what is wrong with those so far."""

    __tablename__ = "lint_mails"
    __table_args__ = (Index("ix_lint_mails_due_at", "due_at", postgresql_where=text("done_at IS NULL")),)

    user_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    week: Mapped[date] = mapped_column(primary_key=True)
    due_at: Mapped[Instant]
    after_id: Mapped[int] = mapped_column(BigInteger, server_default="0")
    found: Mapped[list[Any]] = mapped_column(server_default="[]")
    done_at: Mapped[datetime | None]


class Drill(Base):
    """A test page along the real path. Its target is kept in words, too: a drill outlives what it was for. `score` is
    kept when it is over; `look_at` is when a worker looks whether it is."""

    __tablename__ = "drills"
    __table_args__ = (
        CheckConstraint("target_type IN ('user', 'schedule', 'service')", name="target_type"),
        CheckConstraint("outcome IN ('acknowledged', 'unanswered', 'ended')", name="outcome"),
        CheckConstraint("(ended_at IS NULL) = (outcome IS NULL)", name="ended_at"),
        CheckConstraint("(ended_at IS NULL) = (look_at IS NOT NULL)", name="look_at"),
        Index("uq_drills_open", "target_type", "target_id", unique=True, postgresql_where=text("ended_at IS NULL")),
        Index("ix_drills_look_at", "look_at", postgresql_where=text("look_at IS NOT NULL")),
        Index("ix_drills_incident_id", "incident_id"),
    )

    id: Mapped[RoadId]
    target_type: Mapped[str]
    target_id: Mapped[int] = mapped_column(BigInteger)
    target_key: Mapped[str]
    target_name: Mapped[str]
    incident_id: Mapped[UUID] = mapped_column(ForeignKey("incidents.id"))
    loudness: Mapped[str]
    last_resort: Mapped[bool]
    note: Mapped[str]
    started_by: Mapped[str]
    started_at: Mapped[Instant]
    look_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    outcome: Mapped[str | None]
    score: Mapped[dict[str, Any] | None]

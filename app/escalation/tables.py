"""Escalation policies as people edit them, the last resort, and ladders: the progress of incidents up a policy."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import KEY_CHECK, Base, Instant, Key, RoadId, RowId, Version

_ONE_TARGET = "num_nonnulls(user_id, schedule_id, team_id) = 1"


class Policy(Base):
    __tablename__ = "escalation_policies"
    __table_args__ = (
        CheckConstraint(KEY_CHECK, name="key"),
        CheckConstraint("repeats BETWEEN 0 AND 20", name="repeats"),
    )

    id: Mapped[RowId]
    key: Mapped[Key]
    name: Mapped[str]
    team_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("teams.id"), index=True)
    repeats: Mapped[int]
    """How many more rounds follow the first one before the last resort is paged."""
    version: Mapped[Version]
    created_at: Mapped[Instant]
    updated_at: Mapped[Instant]


class Step(Base):
    """One rung: its targets, and the delay before the next one."""

    __tablename__ = "escalation_steps"
    __table_args__ = (
        UniqueConstraint("policy_id", "position"),
        CheckConstraint("delay_s BETWEEN 0 AND 604800", name="delay_s"),
    )

    id: Mapped[RowId]
    policy_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("escalation_policies.id", ondelete="CASCADE"))
    position: Mapped[int]
    delay_s: Mapped[int]


class StepTarget(Base):
    __tablename__ = "escalation_targets"
    __table_args__ = (UniqueConstraint("step_id", "position"), CheckConstraint(_ONE_TARGET, name="one"))

    id: Mapped[RowId]
    step_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("escalation_steps.id", ondelete="CASCADE"))
    position: Mapped[int]
    user_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("users.id"), index=True)
    schedule_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("schedules.id"), index=True)
    team_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("teams.id"), index=True)


class LastResortTarget(Base):
    """Who is paged when nobody else was reached."""

    __tablename__ = "last_resort_targets"
    __table_args__ = (CheckConstraint(_ONE_TARGET, name="one"),)

    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    user_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("users.id"), index=True)
    schedule_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("schedules.id"), index=True)
    team_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("teams.id"), index=True)


class Ladder(Base):
    """One per incident and purpose. `next_step_at` NULL: parked. `policy` is the copy that was made at the start:
    `{"key", "name", "version", "repeats", "steps": [{"delay_s", "targets": [{"type", "id"}]}]}`."""

    __tablename__ = "ladders"
    __table_args__ = (
        UniqueConstraint("incident_id", "purpose"),
        CheckConstraint("purpose IN ('page', 'inform')", name="purpose"),
        Index("ix_ladders_next_step_at", "next_step_at", postgresql_where=text("next_step_at IS NOT NULL")),
    )

    id: Mapped[RoadId]
    incident_id: Mapped[UUID] = mapped_column(ForeignKey("incidents.id", ondelete="CASCADE"))
    purpose: Mapped[str]
    policy: Mapped[dict[str, Any]]
    epoch: Mapped[int]
    round: Mapped[int]
    step: Mapped[int]
    """Index of the step that falls due next; the number of steps means the last resort."""
    reached: Mapped[int]
    """How many people this round has reached so far; -1: not even what was sent to the last resort arrived."""
    next_step_at: Mapped[datetime | None]
    started_at: Mapped[Instant]

"""Schedules as people edit them; `shifts.py` computes from them who is on call."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, DateTime, ForeignKey, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ExcludeConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import KEY_CHECK, Base, Instant, Key, RowId, Version


class ScheduleRow(Base):
    __tablename__ = "schedules"
    __table_args__ = (CheckConstraint(KEY_CHECK, name="key"),)

    id: Mapped[RowId]
    key: Mapped[Key]
    name: Mapped[str]
    team_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("teams.id"), index=True)
    time_zone: Mapped[str]
    version: Mapped[Version]
    created_at: Mapped[Instant]
    updated_at: Mapped[Instant]


class LayerRow(Base):
    """One repeating pattern. `anchor` is wall clock in the schedule's zone: date of the first turn and handoff time.
    `members` lists one entry per turn, each a list of user ids (empty: nobody); `restrictions` are weekly spans."""

    __tablename__ = "layers"
    __table_args__ = (
        UniqueConstraint("schedule_id", "position"),
        CheckConstraint("unit IN ('hour', 'day', 'week', 'month')", name="unit"),
        CheckConstraint("length BETWEEN 1 AND 1000", name="length"),
        CheckConstraint("ends_at IS NULL OR starts_at IS NULL OR starts_at < ends_at", name="bounds"),
    )

    id: Mapped[RowId]
    schedule_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("schedules.id", ondelete="CASCADE"))
    position: Mapped[int]
    name: Mapped[str]
    unit: Mapped[str]
    length: Mapped[int]
    anchor: Mapped[datetime] = mapped_column(DateTime(timezone=False))
    members: Mapped[list[Any]]
    restrictions: Mapped[list[Any]]
    starts_at: Mapped[datetime | None]
    ends_at: Mapped[datetime | None]


class OverrideRow(Base):
    """A person put in place of whoever the layers say. Two that replace everybody cannot overlap in one schedule."""

    __tablename__ = "overrides"
    __table_args__ = (
        CheckConstraint("starts_at < ends_at", name="bounds"),
        ExcludeConstraint(
            (text("int8range(schedule_id, schedule_id, '[]')"), "&&"),
            (text("tstzrange(starts_at, ends_at)"), "&&"),
            name="ex_overrides_overlap",
            using="gist",
            where=text("replaces_user_id IS NULL"),
        ),
    )

    id: Mapped[RowId]
    schedule_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("schedules.id", ondelete="CASCADE"), index=True)
    user_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("users.id"), index=True)
    replaces_user_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("users.id"))
    starts_at: Mapped[Instant]
    ends_at: Mapped[Instant]
    created_by: Mapped[str]
    created_at: Mapped[Instant]

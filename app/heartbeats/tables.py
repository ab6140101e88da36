"""Heartbeats and what was heard of them."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, LargeBinary, SmallInteger, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import KEY_CHECK, Base, Instant, Key, RoadId, RowId, Version


class Heartbeat(Base):
    """A sign of life expected every `interval_s`, or by a cron line on the wall clock of `time_zone`.

    Its alert belongs to its integration, of the source `heartbeat`, and so to that one's service. The columns from
    `state` on are those of `app.heartbeats.states.Beat`: pings and time change them, not people.
    """

    __tablename__ = "heartbeats"
    __table_args__ = (
        CheckConstraint(KEY_CHECK, name="key"),
        CheckConstraint("(interval_s IS NULL) <> (cron IS NULL)", name="rhythm"),
        CheckConstraint("interval_s BETWEEN 1 AND 31622400", name="interval_s"),
        CheckConstraint("grace_s BETWEEN 0 AND 2678400", name="grace_s"),
        CheckConstraint("severity IN ('critical', 'error', 'warning', 'info')", name="severity"),
        CheckConstraint("state IN ('new', 'up', 'down', 'paused')", name="state"),
        CheckConstraint("(fed_by_id IS NULL) = (fed_by_matchers IS NULL)", name="fed_by"),
        Index("ix_heartbeats_due_at", "due_at", postgresql_where=text("due_at IS NOT NULL")),
    )

    id: Mapped[RowId]
    key: Mapped[Key]
    name: Mapped[str]
    integration_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("integrations.id"), index=True)
    interval_s: Mapped[int | None]
    cron: Mapped[str | None]
    time_zone: Mapped[str | None]
    grace_s: Mapped[int]
    severity: Mapped[str]
    fed_by_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("integrations.id"), index=True)
    fed_by_matchers: Mapped[str | None]
    """Firing alerts of the integration `fed_by_id` that match are pings."""
    token_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    token_hint: Mapped[str]
    """The last four characters, so that people can tell two tokens apart."""
    version: Mapped[Version]
    created_at: Mapped[Instant]
    updated_at: Mapped[Instant]

    state: Mapped[str] = mapped_column(server_default="new")
    due_at: Mapped[datetime | None]
    """When the worker looks at it: at its deadline, or at once when its alert is to be told something."""
    expected_at: Mapped[datetime | None]
    runs: Mapped[dict[str, Any]] = mapped_column(server_default="{}")
    """When each unfinished run started, by its id."""
    last_ping_at: Mapped[datetime | None]
    last_kind: Mapped[str | None]
    last_exit_status: Mapped[int | None] = mapped_column(SmallInteger)
    last_duration_ms: Mapped[int | None] = mapped_column(BigInteger)
    last_success_at: Mapped[datetime | None]
    down_since: Mapped[datetime | None]
    down_because: Mapped[str] = mapped_column(server_default="")
    firing: Mapped[bool] = mapped_column(server_default=text("false"))
    """What its alert was told last."""


class HeartbeatPing(Base):
    """One ping; the newest hundred of a heartbeat are kept. `via`: `ping`, or what else brought it."""

    __tablename__ = "heartbeat_pings"
    __table_args__ = (
        CheckConstraint("kind IN ('success', 'start', 'fail', 'log')", name="kind"),
        Index("ix_heartbeat_pings_heartbeat_id_id", "heartbeat_id", "id"),
    )

    id: Mapped[RoadId]
    heartbeat_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("heartbeats.id", ondelete="CASCADE"))
    at: Mapped[Instant]
    kind: Mapped[str]
    exit_status: Mapped[int | None] = mapped_column(SmallInteger)
    run: Mapped[UUID | None]
    duration_ms: Mapped[int | None] = mapped_column(BigInteger)
    via: Mapped[str]
    body: Mapped[bytes] = mapped_column(LargeBinary)
    """The first 10,000 bytes of what was sent."""


class OwnSign(Base):
    """What Tocsin noticed about itself or its peer: `wrong` in one word, empty while all is well. `told`: what its
    alert was told last; `due_at` is set when that is something else."""

    __tablename__ = "own_signs"
    __table_args__ = (Index("ix_own_signs_due_at", "due_at", postgresql_where=text("due_at IS NOT NULL")),)

    key: Mapped[str] = mapped_column(primary_key=True)
    integration_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("integrations.id", ondelete="CASCADE"))
    wrong: Mapped[str]
    told: Mapped[str] = mapped_column(server_default="")
    title: Mapped[str]
    description: Mapped[str]
    severity: Mapped[str]
    labels: Mapped[dict[str, Any]]
    since: Mapped[Instant]
    """When it began to be wrong, the last time."""
    due_at: Mapped[datetime | None]

"""Calendars that somebody else keeps, what they hold, and the feeds by which other programs read ours."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, Date, ForeignKey, Index, LargeBinary, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import KEY_CHECK, Base, Instant, Key, RowId, Version


class CalendarRow(Base):
    """A calendar of shifts or of holidays: read from an address, given as text, or known by country.

    `content` is the last good copy. What it holds is worked out ahead and kept in `calendar_entries` and
    `calendar_days`: paging neither fetches nor parses. A worker that looks after a calendar sets `due_at` ahead first.
    """

    __tablename__ = "calendars"
    __table_args__ = (
        CheckConstraint(KEY_CHECK, name="key"),
        CheckConstraint("purpose IN ('shifts', 'holidays')", name="purpose"),
        CheckConstraint("source IN ('address', 'text', 'country')", name="source"),
        CheckConstraint("(source = 'country') = (country IS NOT NULL)", name="country"),
        CheckConstraint("refresh_s BETWEEN 300 AND 86400", name="refresh_s"),
        Index("ix_calendars_due_at", "due_at", postgresql_where=text("due_at IS NOT NULL")),
    )

    id: Mapped[RowId]
    key: Mapped[Key]
    name: Mapped[str]
    team_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("teams.id"), index=True)
    purpose: Mapped[str]
    source: Mapped[str]
    country: Mapped[str | None]
    subdivision: Mapped[str | None]
    time_zone: Mapped[str | None]
    people: Mapped[dict[str, Any]] = mapped_column(server_default="{}")
    """Names that the calendar uses, and the keys of the users that they mean."""
    observed_by_everybody: Mapped[bool] = mapped_column(server_default=text("false"))
    observing_teams: Mapped[list[str]] = mapped_column(server_default="{}")
    observing_users: Mapped[list[str]] = mapped_column(server_default="{}")
    """Whose days off its days are, by keys."""
    refresh_s: Mapped[int]
    sealed_address: Mapped[bytes | None] = mapped_column(LargeBinary)
    """The address holds a secret more often than not: `app.access.sealing`."""
    address_shown: Mapped[str] = mapped_column(server_default="")
    content: Mapped[str | None]
    etag: Mapped[str] = mapped_column(server_default="")
    last_modified: Mapped[str] = mapped_column(server_default="")
    due_at: Mapped[datetime | None]
    tried_at: Mapped[datetime | None]
    fetched_at: Mapped[datetime | None]
    """When the content was last known to be what the source says."""
    failing_since: Mapped[datetime | None]
    error: Mapped[str] = mapped_column(server_default="")
    unknown: Mapped[list[Any]] = mapped_column(server_default="[]")
    """Names that mean nobody: `[{"name", "count", "starts_at"}]`."""
    problems: Mapped[list[str]] = mapped_column(server_default="{}")
    changed_at: Mapped[datetime | None]
    version: Mapped[Version]
    created_at: Mapped[Instant]
    updated_at: Mapped[Instant]


class CalendarEntryRow(Base):
    """A user is named by a calendar during `[starts_at, ends_at)`; without a user somebody is named whom we do not
    know, as `said`. What is past stays as it was known then."""

    __tablename__ = "calendar_entries"
    __table_args__ = (
        CheckConstraint("starts_at < ends_at", name="bounds"),
        Index("ix_calendar_entries_calendar_id_ends_at", "calendar_id", "ends_at"),
    )

    id: Mapped[RowId]
    calendar_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("calendars.id", ondelete="CASCADE"))
    starts_at: Mapped[Instant]
    ends_at: Mapped[Instant]
    user_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("users.id", ondelete="SET NULL"), index=True)
    said: Mapped[str]


class CalendarDayRow(Base):
    """A day of a calendar of holidays: a date, on the wall clock of whoever observes it."""

    __tablename__ = "calendar_days"

    calendar_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("calendars.id", ondelete="CASCADE"), primary_key=True
    )
    day: Mapped[date] = mapped_column(Date, primary_key=True)
    name: Mapped[str]


class FeedRow(Base):
    """An address at which calendar programs read the shifts of a schedule, or those of a user. Only the SHA-256 of its
    token is kept; to delete the row is to revoke it."""

    __tablename__ = "calendar_feeds"
    __table_args__ = (CheckConstraint("(schedule_id IS NULL) <> (user_id IS NULL)", name="of_one"),)

    id: Mapped[RowId]
    schedule_id: Mapped[int | None] = mapped_column(
        BigInteger, ForeignKey("schedules.id", ondelete="CASCADE"), index=True
    )
    user_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("users.id", ondelete="CASCADE"), index=True)
    name: Mapped[str]
    token_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    hint: Mapped[str]
    created_by: Mapped[str]
    created_at: Mapped[Instant]
    rotated_at: Mapped[datetime | None]
    last_read_at: Mapped[datetime | None]


class FeedShiftRow(Base):
    """What feeds last said of a shift, so that it keeps its UID when it changes; without a user: a gap."""

    __tablename__ = "feed_shifts"

    uid: Mapped[str] = mapped_column(primary_key=True)
    schedule_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("schedules.id", ondelete="CASCADE"), index=True)
    user_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("users.id", ondelete="CASCADE"), index=True)
    starts_at: Mapped[Instant]
    ends_at: Mapped[Instant]
    because: Mapped[str]
    sequence: Mapped[int]
    changed_at: Mapped[Instant]

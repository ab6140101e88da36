"""Schedules as people edit them; `shifts.py` computes from them who is on call."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY, ExcludeConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import KEY_CHECK, Base, Instant, Key, RowId, Version


class ScheduleRow(Base):
    """What is so at once: its name, who owns it, and what people are told of its handoffs. All that decides who is on
    call is in its versions."""

    __tablename__ = "schedules"
    __table_args__ = (
        CheckConstraint(KEY_CHECK, name="key"),
        Index("ix_schedules_looked_at", text("COALESCE(looked_at, created_at)")),
    )

    id: Mapped[RowId]
    key: Mapped[Key]
    name: Mapped[str]
    team_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("teams.id"), index=True)
    looked_at: Mapped[datetime | None]
    """When a worker looked at its next 48 hours last (`app.proof`)."""
    handoff_notices: Mapped[dict[str, Any] | None]
    """A document, see `HandoffNotices`; None: nobody is told."""
    version: Mapped[Version]
    created_at: Mapped[Instant]
    updated_at: Mapped[Instant]


class ScheduleVersionRow(Base):
    """What a schedule says during `[effective_from, effective_until)`; the first one since ever, the newest for ever.

    `layers` are documents with user ids in place of keys, never edited. A planned version that was taken back is in
    force at no instant. Versions of one schedule do not overlap.
    """

    __tablename__ = "schedule_versions"
    __table_args__ = (
        UniqueConstraint("schedule_id", "number"),
        CheckConstraint("effective_from <= effective_until", name="effective"),
        CheckConstraint("(number = 1) = (effective_from IS NULL)", name="first"),
        CheckConstraint("like_schedule_id <> schedule_id", name="like"),
        ExcludeConstraint(
            (text("int8range(schedule_id, schedule_id, '[]')"), "&&"),
            (text("tstzrange(effective_from, effective_until)"), "&&"),
            name="ex_schedule_versions_overlap",
            using="gist",
        ),
    )

    id: Mapped[RowId]
    schedule_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("schedules.id", ondelete="CASCADE"))
    number: Mapped[int]
    time_zone: Mapped[str]
    layers: Mapped[list[Any]]
    like_schedule_id: Mapped[int | None] = mapped_column(
        BigInteger, ForeignKey("schedules.id", ondelete="SET NULL"), index=True
    )
    like_turns: Mapped[int] = mapped_column(server_default="0")
    effective_from: Mapped[datetime | None]
    effective_until: Mapped[datetime | None]
    undoes: Mapped[int | None]
    """The number of the version that this one took back."""
    taken_back: Mapped[bool] = mapped_column(server_default=text("false"))
    """It was planned, and undone before it came into force."""
    created_by: Mapped[str]
    created_at: Mapped[Instant]


class OverrideRow(Base):
    """For a time: a person in place of whoever the layers say (`replace`), besides them (`add`), or nobody in the place
    of one (`remove`). Two that replace everybody cannot overlap in one schedule."""

    __tablename__ = "overrides"
    __table_args__ = (
        CheckConstraint("starts_at < ends_at", name="bounds"),
        CheckConstraint(
            "CASE kind WHEN 'replace' THEN user_id IS NOT NULL WHEN 'add' THEN user_id IS NOT NULL AND"
            " replaces_user_id IS NULL WHEN 'remove' THEN user_id IS NULL AND replaces_user_id IS NOT NULL"
            " ELSE false END",
            name="kind",
        ),
        ExcludeConstraint(
            (text("int8range(schedule_id, schedule_id, '[]')"), "&&"),
            (text("tstzrange(starts_at, ends_at)"), "&&"),
            name="ex_overrides_overlap",
            using="gist",
            where=text("kind = 'replace' AND replaces_user_id IS NULL"),
        ),
    )

    id: Mapped[RowId]
    schedule_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("schedules.id", ondelete="CASCADE"), index=True)
    kind: Mapped[str] = mapped_column(server_default="replace")
    user_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("users.id"), index=True)
    replaces_user_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("users.id"))
    starts_at: Mapped[Instant]
    ends_at: Mapped[Instant]
    swap_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("swaps.id"), index=True)
    """The swap that this override carries out."""
    handshake_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("handshakes.id"), index=True)
    """The handshake for which this person stays on call."""
    created_by: Mapped[str]
    created_at: Mapped[Instant]


class SwapRow(Base):
    """A request that somebody takes a user's shifts of `[starts_at, ends_at)`; until it is taken nothing changes.

    `offered_to_user_id`: only that person may take it; nobody: whoever wants. With `return_starts_at` and
    `return_ends_at` the user takes that person's shifts of that time in return. `state`: `open` -> `taken`, `declined`,
    `withdrawn`, or `void`: the shift was edited away, `because` says how.
    """

    __tablename__ = "swaps"
    __table_args__ = (
        CheckConstraint("starts_at < ends_at", name="bounds"),
        CheckConstraint("return_starts_at < return_ends_at", name="return_bounds"),
        CheckConstraint("(return_starts_at IS NULL) = (return_ends_at IS NULL)", name="return_both"),
        CheckConstraint("return_starts_at IS NULL OR offered_to_user_id IS NOT NULL", name="return_of"),
        CheckConstraint("state IN ('open', 'taken', 'declined', 'withdrawn', 'void')", name="state"),
        CheckConstraint("(state = 'taken') = (taken_by_user_id IS NOT NULL)", name="taken_by"),
        CheckConstraint("(state = 'open') = (decided_at IS NULL)", name="decided_at"),
    )

    id: Mapped[RowId]
    schedule_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("schedules.id", ondelete="CASCADE"), index=True)
    user_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("users.id"), index=True)
    offered_to_user_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("users.id"), index=True)
    starts_at: Mapped[Instant]
    ends_at: Mapped[Instant]
    return_starts_at: Mapped[datetime | None]
    return_ends_at: Mapped[datetime | None]
    comment: Mapped[str] = mapped_column(server_default="")
    state: Mapped[str] = mapped_column(server_default="open")
    taken_by_user_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("users.id"), index=True)
    created_by: Mapped[str]
    created_at: Mapped[Instant]
    decided_by: Mapped[str | None]
    decided_at: Mapped[datetime | None]
    because: Mapped[str] = mapped_column(server_default="")


class SwapNotice(Base):
    """Somebody is to be told of a swap at `due_at`; whether and what is decided then. `kind`: `untaken` (nobody took
    it), `soon` and `return` (the shift that was taken, the one in return), `void`."""

    __tablename__ = "swap_notices"
    __table_args__ = (CheckConstraint("kind IN ('untaken', 'soon', 'return', 'void')", name="kind"),)

    swap_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("swaps.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    kind: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    due_at: Mapped[Instant] = mapped_column(index=True)


class HandoffWatch(Base):
    """When somebody must look at the handoffs of a schedule again: a worker claims it. Everything before `looked_at`
    has been told. There is one for each schedule whose handoffs somebody is told of."""

    __tablename__ = "handoff_watches"

    schedule_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("schedules.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    looked_at: Mapped[Instant]
    due_at: Mapped[Instant] = mapped_column(index=True)


class HandshakeRow(Base):
    """Whoever comes is asked to confirm the handoff at `starts_at`; until somebody does, whoever leaves stays on call
    beside them, by overrides that name this row. `state`: `open` -> `confirmed`, or `closed`: there was no such handoff
    any more, or its shift is over. `asked`: by how many contact methods so far; `told_at`: when `outgoing` were told.
    """

    __tablename__ = "handshakes"
    __table_args__ = (
        CheckConstraint("starts_at < ends_at", name="bounds"),
        CheckConstraint("state IN ('open', 'confirmed', 'closed')", name="state"),
        CheckConstraint("(state = 'open') = (decided_at IS NULL)", name="decided_at"),
        Index(
            "uq_handshakes_schedule_id_starts_at",
            "schedule_id",
            "starts_at",
            unique=True,
            postgresql_where=text("state <> 'closed'"),
        ),
    )

    id: Mapped[RowId]
    schedule_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("schedules.id", ondelete="CASCADE"), index=True)
    starts_at: Mapped[Instant]
    ends_at: Mapped[Instant]
    incoming: Mapped[list[int]] = mapped_column(ARRAY(BigInteger))
    outgoing: Mapped[list[int]] = mapped_column(ARRAY(BigInteger))
    state: Mapped[str] = mapped_column(server_default="open")
    asked: Mapped[int] = mapped_column(server_default="0")
    due_at: Mapped[datetime | None]
    told_at: Mapped[datetime | None]
    created_at: Mapped[Instant]
    decided_by: Mapped[str | None]
    decided_at: Mapped[datetime | None]


class EditNotice(Base):
    """Somebody's hours were changed by others, and they have not been told yet. `before`: the hours of `[since, until)`
    as they knew them, `[[start, end], ...]`; what they are told, if anything, is found when it is due."""

    __tablename__ = "edit_notices"

    schedule_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("schedules.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    user_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    since: Mapped[Instant]
    until: Mapped[Instant]
    before: Mapped[list[Any]]
    edited_by: Mapped[str]
    due_at: Mapped[Instant] = mapped_column(index=True)

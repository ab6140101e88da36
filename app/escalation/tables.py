"""Escalation policies as people edit them, the last resort, support tiers, who is informed by priority, webhooks; and
ladders: the progress of incidents up a policy."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    DateTime,
    ForeignKey,
    Index,
    LargeBinary,
    SmallInteger,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import KEY_CHECK, Base, Instant, Key, RoadId, RowId, Version

_ONE_TARGET = "num_nonnulls(user_id, schedule_id, team_id) = 1"
_ONE_STEP_TARGET = "num_nonnulls(user_id, schedule_id, team_id, webhook_id, tier) = 1"


class Policy(Base):
    __tablename__ = "escalation_policies"
    __table_args__ = (
        CheckConstraint(KEY_CHECK, name="key"),
        CheckConstraint("repeats BETWEEN 0 AND 20", name="repeats"),
        CheckConstraint("hand_over_to_tier IN (2, 3)", name="hand_over_to_tier"),
        CheckConstraint("num_nonnulls(hand_over_to_id, hand_over_to_tier) <= 1", name="follows"),
    )

    id: Mapped[RowId]
    key: Mapped[Key]
    name: Mapped[str]
    team_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("teams.id"), index=True)
    repeats: Mapped[int]
    """How many more rounds follow the first one before the last resort is paged."""
    hand_over_to_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("escalation_policies.id"), index=True)
    """The policy that follows its rounds, in place of the last resort. There are no cycles."""
    hand_over_to_tier: Mapped[int | None] = mapped_column(SmallInteger)
    """In its place a support tier of whatever service the incident is of."""
    version: Mapped[Version]
    created_at: Mapped[Instant]
    updated_at: Mapped[Instant]


class Step(Base):
    """One rung: its targets, and the delay before the next one."""

    __tablename__ = "escalation_steps"
    __table_args__ = (
        UniqueConstraint("policy_id", "position"),
        CheckConstraint("delay_s BETWEEN 0 AND 604800", name="delay_s"),
        CheckConstraint("whom IN ('everyone', 'round_robin')", name="whom"),
        CheckConstraint("acknowledge IN ('any', 'all')", name="acknowledge"),
    )

    id: Mapped[RowId]
    policy_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("escalation_policies.id", ondelete="CASCADE"))
    position: Mapped[int]
    delay_s: Mapped[int]
    whom: Mapped[str] = mapped_column(server_default="everyone")
    acknowledge: Mapped[str] = mapped_column(server_default="any")
    condition: Mapped[dict[str, Any]] = mapped_column(server_default="{}")
    """`policy_document.Condition` without what has its default."""


class RoundRobinTurns(Base):
    """Whose turn it is in a step that pages one person at a time: `{user id: number of the last turn}`. Without a
    foreign key: a claim must not wait for somebody who edits the policy."""

    __tablename__ = "round_robin_turns"

    policy_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    turns: Mapped[dict[str, Any]] = mapped_column(server_default="{}")


class Webhook(Base):
    """An address of another program to which steps may post. Its signing secret is derived from the installation's
    secret key, its id and `generation`, which grows when somebody wants another one."""

    __tablename__ = "webhooks"
    __table_args__ = (CheckConstraint(KEY_CHECK, name="key"),)

    id: Mapped[RowId]
    key: Mapped[Key]
    name: Mapped[str]
    url: Mapped[str | None]
    """An address from before addresses were sealed: the next start of the program seals it."""
    sealed_address: Mapped[bytes | None] = mapped_column(LargeBinary)
    """The address holds a secret more often than not: `app.access.sealing`."""
    address_shown: Mapped[str] = mapped_column(server_default="")
    request: Mapped[dict[str, Any] | None]
    """Its own request, as `webhook_documents.WebhookRequest` without what has its default; NULL: the usual one."""
    sealed_secrets: Mapped[bytes | None] = mapped_column(LargeBinary)
    """Values that its request names as `{secret.<name>}`: a JSON object."""
    generation: Mapped[int] = mapped_column(server_default="1")
    former_until: Mapped[list[datetime]] = mapped_column(ARRAY(DateTime(timezone=True)), server_default="{}")
    """Until when the generations before this one sign, too: the last is that of the one just before."""
    version: Mapped[Version]
    created_at: Mapped[Instant]
    updated_at: Mapped[Instant]


class StepTarget(Base):
    __tablename__ = "escalation_targets"
    __table_args__ = (
        UniqueConstraint("step_id", "position"),
        CheckConstraint(_ONE_STEP_TARGET, name="one"),
        CheckConstraint("tier IN (2, 3)", name="tier"),
    )

    id: Mapped[RowId]
    step_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("escalation_steps.id", ondelete="CASCADE"))
    position: Mapped[int]
    user_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("users.id"), index=True)
    schedule_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("schedules.id"), index=True)
    team_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("teams.id"), index=True)
    webhook_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("webhooks.id"), index=True)
    tier: Mapped[int | None] = mapped_column(SmallInteger)
    """A support tier of whatever service the incident is of."""


class LastResortTarget(Base):
    """Who is paged when nobody else was reached."""

    __tablename__ = "last_resort_targets"
    __table_args__ = (CheckConstraint(_ONE_TARGET, name="one"),)

    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    user_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("users.id"), index=True)
    schedule_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("schedules.id"), index=True)
    team_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("teams.id"), index=True)


class Ladder(Base):
    """One per incident and purpose. `next_step_at` NULL: parked. `policy` is the copy that was made at the start, as
    `copy_store.py` makes and `policy_copy.py` reads it."""

    __tablename__ = "ladders"
    __table_args__ = (
        UniqueConstraint("incident_id", "purpose"),
        CheckConstraint("purpose IN ('page', 'inform')", name="purpose"),
        Index("ix_ladders_next_step_at", "next_step_at", postgresql_where=text("next_step_at IS NOT NULL")),
        Index("ix_ladders_update_due_at", "update_due_at", postgresql_where=text("update_due_at IS NOT NULL")),
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
    leg: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    """Which policy of the copy it climbs: 0 its own, then those that it handed over to."""
    leg_round: Mapped[int] = mapped_column(server_default="1")
    """The round in which that policy began; rounds are counted on from policy to policy."""
    tier: Mapped[int] = mapped_column(SmallInteger, server_default="1")
    """The support tier that has it."""
    update_due_at: Mapped[datetime | None]
    """When whoever has the incident is reminded to post an update; of ladders that inform."""


class SupportTier(Base):
    """The policy of a team's or a service's higher support tier."""

    __tablename__ = "support_tiers"
    __table_args__ = (
        CheckConstraint("num_nonnulls(team_id, service_id) = 1", name="one"),
        CheckConstraint("tier IN (2, 3)", name="tier"),
        UniqueConstraint("team_id", "tier"),
        UniqueConstraint("service_id", "tier"),
    )

    id: Mapped[RowId]
    team_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("teams.id", ondelete="CASCADE"))
    service_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("services.id", ondelete="CASCADE"))
    tier: Mapped[int] = mapped_column(SmallInteger)
    policy_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("escalation_policies.id"), index=True)


class MatrixRow(Base):
    """Who is informed of incidents of a priority, and how often an update is due. `service_id` NULL: of services
    without a row of their own."""

    __tablename__ = "escalation_matrix"
    __table_args__ = (
        CheckConstraint("priority BETWEEN 1 AND 5", name="priority"),
        CheckConstraint("loudness IN ('loud', 'quiet')", name="loudness"),
        UniqueConstraint("service_id", "priority", postgresql_nulls_not_distinct=True),
    )

    id: Mapped[RowId]
    service_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("services.id", ondelete="CASCADE"))
    priority: Mapped[int] = mapped_column(SmallInteger)
    policy_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("escalation_policies.id"), index=True)
    loudness: Mapped[str]
    first_update_s: Mapped[int | None]
    update_interval_s: Mapped[int | None]


class ListVersion(Base):
    """The version of a list that is edited as a whole: `support_tiers`, `matrix`."""

    __tablename__ = "escalation_lists"

    name: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int]

"""People and things: organisation, teams, users, contact methods, notification rules, services, integrations."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    LargeBinary,
    SmallInteger,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import KEY_CHECK, Base, Instant, Key, RowId, Version


class Organisation(Base):
    """The one owner of the database. `catch_all_policy_id` is for incidents whose service has no policy."""

    __tablename__ = "organisation"
    __table_args__ = (
        CheckConstraint("id = 1", name="one_row"),
        CheckConstraint("storm_threshold >= 1", name="storm_threshold"),
    )

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    name: Mapped[str]
    time_zone: Mapped[str]
    catch_all_policy_id: Mapped[int | None] = mapped_column(
        BigInteger, ForeignKey("escalation_policies.id", name="fk_organisation_catch_all_policy_id", use_alter=True)
    )
    storm_threshold: Mapped[int] = mapped_column(server_default="20")
    """A storm is more new incidents than this in a minute."""
    banned_in_messages: Mapped[list[Any] | None]
    """None: `channels.banned.BANNED`."""
    version: Mapped[Version]
    created_at: Mapped[Instant]
    updated_at: Mapped[Instant]


class Team(Base):
    __tablename__ = "teams"
    __table_args__ = (CheckConstraint(KEY_CHECK, name="key"),)

    id: Mapped[RowId]
    key: Mapped[Key]
    name: Mapped[str]
    version: Mapped[Version]
    created_at: Mapped[Instant]
    updated_at: Mapped[Instant]


class User(Base):
    """A person with an account. `role` is the widest thing this person may do; a manager's reach is the teams in
    which `team_members.role` is `manager`. An inactive user can neither log in nor be paged."""

    __tablename__ = "users"
    __table_args__ = (
        CheckConstraint(KEY_CHECK, name="key"),
        CheckConstraint("role IN ('viewer', 'operator', 'manager', 'admin')", name="role"),
        CheckConstraint("digest_at ~ '^([01][0-9]|2[0-3]):[0-5][0-9]$'", name="digest_at"),
        Index("uq_users_email", text("lower(email)"), unique=True),
    )

    id: Mapped[RowId]
    key: Mapped[Key]
    name: Mapped[str]
    email: Mapped[str]
    role: Mapped[str]
    time_zone: Mapped[str | None]
    digest_at: Mapped[str | None]
    """When, by the person's clock (`09:00`), the quiet pages of the night go out as one; NULL: each at once."""
    password_hash: Mapped[str | None]
    active: Mapped[bool] = mapped_column(server_default=text("true"))
    version: Mapped[Version]
    created_at: Mapped[Instant]
    updated_at: Mapped[Instant]


class TeamMember(Base):
    __tablename__ = "team_members"
    __table_args__ = (CheckConstraint("role IN ('member', 'manager')", name="role"),)

    team_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("teams.id", ondelete="CASCADE"), primary_key=True)
    user_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True, index=True
    )
    role: Mapped[str]


class ContactMethod(Base):
    """An address of a user on a channel. It counts once verified and while it is not broken."""

    __tablename__ = "contact_methods"
    __table_args__ = (
        CheckConstraint(
            "channel IN ('sms', 'voice', 'mail', 'push', 'chat', 'webhook', 'ntfy', 'slack', 'apprise')",
            name="channel",
        ),
        CheckConstraint(
            "(channel IN ('push', 'ntfy', 'apprise')) = (sealed_address IS NOT NULL)", name="sealed_address"
        ),
        CheckConstraint("opted_out_at IS NULL OR broken_at IS NOT NULL", name="opted_out_at"),
        CheckConstraint("links OR channel = 'sms'", name="links"),
        UniqueConstraint("user_id", "channel", "address"),
        Index("ix_contact_methods_channel_address", "channel", "address"),
    )

    id: Mapped[RowId]
    user_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("users.id", ondelete="CASCADE"))
    channel: Mapped[str]
    address: Mapped[str]
    """Only a name of it where it is a secret: of a push subscription or an ntfy topic."""
    sealed_address: Mapped[bytes | None] = mapped_column(LargeBinary)
    """The secret, encrypted (channels/secret_addresses.py)."""
    label: Mapped[str] = mapped_column(server_default="")
    links: Mapped[bool] = mapped_column(server_default="true")
    """Whether text messages to it may carry links."""
    verified_at: Mapped[datetime | None]
    broken_at: Mapped[datetime | None]
    broken_because: Mapped[str | None]
    opted_out_at: Mapped[datetime | None]
    """Its owner texted STOP: broken until START, by which it counts again without a new verification."""
    code_hash: Mapped[bytes | None] = mapped_column(LargeBinary)
    """SHA-256 of the verification code that was sent last."""
    code_expires_at: Mapped[datetime | None]
    code_tries: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    version: Mapped[Version]
    created_at: Mapped[Instant]
    updated_at: Mapped[Instant]


class Subscription(Base):
    """A stakeholder: who is told of a service's incidents, or with NULL of all, from this priority on."""

    __tablename__ = "subscriptions"
    __table_args__ = (
        CheckConstraint("priority_at_least BETWEEN 1 AND 5", name="priority_at_least"),
        UniqueConstraint("user_id", "service_id", postgresql_nulls_not_distinct=True),
    )

    id: Mapped[RowId]
    user_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("users.id", ondelete="CASCADE"))
    service_id: Mapped[int | None] = mapped_column(
        BigInteger, ForeignKey("services.id", ondelete="CASCADE"), index=True
    )
    priority_at_least: Mapped[int] = mapped_column(SmallInteger)


class WebhookSubscription(Base):
    """A program is told of what happens to incidents: of these services or of services of these teams, both NULL: of
    all. Arrays, since every happening is matched against all rows."""

    __tablename__ = "webhook_subscriptions"
    __table_args__ = (CheckConstraint("priority_at_least BETWEEN 1 AND 5", name="priority_at_least"),)

    webhook_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("webhooks.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    happens: Mapped[list[str]] = mapped_column(ARRAY(Text))
    service_ids: Mapped[list[int] | None] = mapped_column(ARRAY(BigInteger))
    team_ids: Mapped[list[int] | None] = mapped_column(ARRAY(BigInteger))
    priority_at_least: Mapped[int | None] = mapped_column(SmallInteger)


class NotificationRule(Base):
    """For this loudness, after so many seconds, use this contact method. A user without any has the default plan."""

    __tablename__ = "notification_rules"
    __table_args__ = (
        CheckConstraint("loudness IN ('loud', 'quiet')", name="loudness"),
        CheckConstraint("delay_s BETWEEN 0 AND 86400", name="delay_s"),
        UniqueConstraint("user_id", "loudness", "contact_method_id", "delay_s"),
    )

    id: Mapped[RowId]
    user_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("users.id", ondelete="CASCADE"))
    loudness: Mapped[str]
    delay_s: Mapped[int]
    contact_method_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("contact_methods.id", ondelete="CASCADE"), index=True
    )


class Service(Base):
    """The monitored thing. `support_hours` has the shape of `app.hours.WeeklyHours`; None: always in hours."""

    __tablename__ = "services"
    __table_args__ = (
        CheckConstraint(KEY_CHECK, name="key"),
        CheckConstraint("criticality BETWEEN 1 AND 3", name="criticality"),
        CheckConstraint("recovery_delay_s BETWEEN 0 AND 86400", name="recovery_delay_s"),
        CheckConstraint("jsonb_typeof(acknowledgement_minutes) = 'object'", name="acknowledgement_minutes"),
    )

    id: Mapped[RowId]
    key: Mapped[Key]
    name: Mapped[str]
    description: Mapped[str] = mapped_column(server_default="")
    team_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("teams.id"), index=True)
    policy_id: Mapped[int | None] = mapped_column(
        BigInteger, ForeignKey("escalation_policies.id", name="fk_services_policy_id", use_alter=True), index=True
    )
    criticality: Mapped[int] = mapped_column(SmallInteger, server_default="2")
    tags: Mapped[list[str]] = mapped_column(server_default="{}")
    support_hours: Mapped[dict[str, Any] | None]
    runbook_url: Mapped[str] = mapped_column(server_default="")
    runbook_text: Mapped[str] = mapped_column(server_default="")
    recovery_delay_s: Mapped[int] = mapped_column(server_default="0")
    acknowledgement_minutes: Mapped[dict[str, Any]] = mapped_column(server_default="{}")
    """How long an acknowledgement lasts, where that differs from what is usual: `{"P1": 15, "P3": 120}`; 0: for
    ever."""
    version: Mapped[Version]
    created_at: Mapped[Instant]
    updated_at: Mapped[Instant]


class ServiceDependency(Base):
    """A service depends on another one, its upstream: when that is down, this one suffers. There are no cycles."""

    __tablename__ = "service_dependencies"
    __table_args__ = (CheckConstraint("service_id <> upstream_id", name="itself"),)

    service_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("services.id", ondelete="CASCADE"), primary_key=True)
    upstream_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("services.id", ondelete="CASCADE"), primary_key=True, index=True
    )


class Integration(Base):
    """A configured entrance: a source bound to one service. `mapping` is the generic source's."""

    __tablename__ = "integrations"
    __table_args__ = (
        CheckConstraint(KEY_CHECK, name="key"),
        CheckConstraint("resolve_timeout_s BETWEEN 30 AND 86400", name="resolve_timeout_s"),
        CheckConstraint("stale_window_s BETWEEN 0 AND 86400", name="stale_window_s"),
    )

    id: Mapped[RowId]
    key: Mapped[Key]
    name: Mapped[str]
    source: Mapped[str]
    service_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("services.id"), index=True)
    ignored_labels: Mapped[list[str]] = mapped_column(server_default="{}")
    resolve_timeout_s: Mapped[int] = mapped_column(server_default="300")
    stale_window_s: Mapped[int] = mapped_column(server_default="300")
    """How long after an explicit resolve was received an older firing event counts as stale (behaviour.md 2)."""
    mapping: Mapped[dict[str, Any] | None]
    enabled: Mapped[bool] = mapped_column(server_default=text("true"))
    version: Mapped[Version]
    created_at: Mapped[Instant]
    updated_at: Mapped[Instant]


class RoutingKey(Base):
    """The secret that names an integration, as SHA-256. Two are valid during a rotation, hence `expires_at`."""

    __tablename__ = "routing_keys"

    id: Mapped[RowId]
    integration_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("integrations.id", ondelete="CASCADE"), index=True
    )
    key_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    hint: Mapped[str]
    """The last four characters, so that people can tell two keys apart."""
    created_at: Mapped[Instant]
    expires_at: Mapped[datetime | None]

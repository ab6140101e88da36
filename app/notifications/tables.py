"""Notifications and the attempts to send them. Status only moves forward."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    LargeBinary,
    Numeric,
    SmallInteger,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import Base, Instant, RoadId


class Notification(Base):
    """One message for one contact method. `key` makes it unique: for a page (ladder, epoch, round, step, user,
    notification rule, contact method). `state`: `pending` -> `sending` -> `sent` (the provider took it) -> `delivered`;
    or `cancelled`, `failed` (tried and given up), `undelivered` (the provider took it and could not deliver)."""

    __tablename__ = "notifications"
    __table_args__ = (
        CheckConstraint(
            "state IN ('pending', 'sending', 'sent', 'delivered', 'undelivered', 'failed', 'cancelled')", name="state"
        ),
        CheckConstraint(
            "purpose IN ('page', 'nudge', 'update', 'notice', 'verification', 'digest', 'drill')", name="purpose"
        ),
        CheckConstraint("num_nonnulls(user_id, webhook_id) = 1", name="whom"),
        Index("ix_notifications_due_at", "due_at", postgresql_where=text("state = 'pending'")),
        Index("ix_notifications_claimed_at", "claimed_at", postgresql_where=text("state = 'sending'")),
        Index("ix_notifications_incident_id_id", "incident_id", "id"),
        Index("ix_notifications_user_id_id", "user_id", "id"),
        Index("ix_notifications_waiting", "contact_method_id", "due_at", postgresql_where=text("state = 'pending'")),
        Index("ix_notifications_carried_by_id", "carried_by_id", postgresql_where=text("carried_by_id IS NOT NULL")),
    )

    id: Mapped[RoadId]
    key: Mapped[str] = mapped_column(unique=True)
    purpose: Mapped[str]
    loudness: Mapped[str]
    state: Mapped[str]
    because: Mapped[str] = mapped_column(server_default="")
    """Why it waits, was cancelled, failed; in words."""
    user_id: Mapped[int | None] = mapped_column(BigInteger)
    webhook_id: Mapped[int | None] = mapped_column(BigInteger)
    contact_method_id: Mapped[int | None] = mapped_column(BigInteger)
    """What is written 10,000 times in a second looks nothing up; one that was removed is not found when it is sent."""
    channel: Mapped[str]
    address: Mapped[str]
    incident_id: Mapped[UUID | None]
    ladder_id: Mapped[UUID | None]
    epoch: Mapped[int | None]
    round: Mapped[int | None]
    step: Mapped[int | None]
    content: Mapped[dict[str, Any]]
    """What is not derived from the incident: the code of a verification, the text of a notice; and why this person."""
    created_at: Mapped[Instant]
    due_at: Mapped[Instant]
    claimed_at: Mapped[datetime | None]
    tries: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    repeated: Mapped[bool] = mapped_column(server_default=text("false"))
    """It may have been sent before a crash: the text says "(repeat)"."""
    finished_at: Mapped[datetime | None]
    carried_by_id: Mapped[UUID | None]
    """It went out in the message of this other notification to the same contact method, and fares as that one does."""


class Pacing(Base):
    """How much of its limit a contact method has used (`limits.py`). Without a foreign key: a claim that holds pages
    must not wait for somebody who removes their contact method, who waits for them."""

    __tablename__ = "pacing"

    contact_method_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    spent_until: Mapped[Instant]
    sent_at: Mapped[Instant]


class Attempt(Base):
    """One try to send a notification, with the provider's id and answer."""

    __tablename__ = "attempts"
    __table_args__ = (
        Index("ix_attempts_notification_id", "notification_id"),
        Index("uq_attempts_callback_hash", "callback_hash", unique=True),
        Index("ix_attempts_provider_id", "provider_id", postgresql_where=text("provider_id IS NOT NULL")),
        Index("ix_attempts_ask_at", "ask_at", postgresql_where=text("ask_at IS NOT NULL")),
    )

    id: Mapped[RoadId]
    notification_id: Mapped[UUID] = mapped_column(ForeignKey("notifications.id", ondelete="CASCADE"))
    number: Mapped[int] = mapped_column(SmallInteger)
    callback_hash: Mapped[bytes] = mapped_column(LargeBinary)
    """SHA-256 of the token in the status callback's address."""
    started_at: Mapped[Instant]
    finished_at: Mapped[datetime | None]
    provider: Mapped[str] = mapped_column(server_default="")
    provider_id: Mapped[str | None]
    status: Mapped[str] = mapped_column(server_default="")
    """The provider's own word, latest first wins only forward."""
    code: Mapped[str] = mapped_column(server_default="")
    error: Mapped[str] = mapped_column(server_default="")
    permanent: Mapped[bool | None]
    prefix: Mapped[str] = mapped_column(server_default="")
    """Of the number: what `ProviderHealth` is kept for. Empty where the channel has just one provider."""
    ask_at: Mapped[datetime | None]
    """When its provider is asked what became of it, or what it cost; NULL: there is nothing more to find out."""
    asks: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    price: Mapped[Decimal | None] = mapped_column(Numeric)
    """What the provider takes for it, in `currency`; NULL where it does not say."""
    currency: Mapped[str | None]


class ProviderHealth(Base):
    """How a provider fares with numbers of one prefix, as all workers know it (`health.py`). A row whose `over_until`
    is NULL works."""

    __tablename__ = "provider_health"
    __table_args__ = (
        CheckConstraint("fault IN ('', 'taking', 'delivering')", name="fault"),
        CheckConstraint("(over_until IS NULL) = (fault = '')", name="over"),
    )

    channel: Mapped[str] = mapped_column(primary_key=True)
    provider: Mapped[str] = mapped_column(primary_key=True)
    prefix: Mapped[str] = mapped_column(primary_key=True)
    outcomes: Mapped[str] = mapped_column(server_default="")
    over_until: Mapped[datetime | None]
    over_since: Mapped[datetime | None]
    fault: Mapped[str] = mapped_column(server_default="")
    pauses: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    code: Mapped[str] = mapped_column(server_default="")
    because: Mapped[str] = mapped_column(server_default="")
    changed_at: Mapped[Instant]


class ChatMessage(Base):
    """A message in a chat that follows its incident until that is over (`chat_updates.py`)."""

    __tablename__ = "chat_messages"
    __table_args__ = (Index("ix_chat_messages_due_at", "due_at"),)

    attempt_id: Mapped[UUID] = mapped_column(ForeignKey("attempts.id", ondelete="CASCADE"), primary_key=True)
    incident_id: Mapped[UUID]
    shown: Mapped[str]
    """How it stands, as the message says it: state, who has it, until when, what was told."""
    told: Mapped[str] = mapped_column(server_default="")
    """What its reader is told about the button that was pressed last."""
    told_for: Mapped[str] = mapped_column(server_default="")
    """How it stood then: what was told holds no longer than that."""
    asks: Mapped[bool] = mapped_column(server_default=text("false"))
    """Alerts still fire: a button resolves it anyway."""
    due_at: Mapped[Instant]
    tries: Mapped[int] = mapped_column(SmallInteger, server_default="0")


class ReplyCode(Base):
    """The code by which the owner of a phone answers texts about one incident: it counts only when it comes from the
    number that it was sent to. Codes go round: one is given anew long after it was given last (`reply_codes.py`)."""

    __tablename__ = "reply_codes"
    __table_args__ = (
        CheckConstraint("code BETWEEN 1 AND 999", name="code"),
        UniqueConstraint("address", "user_id", "incident_id"),
    )

    address: Mapped[str] = mapped_column(primary_key=True)
    code: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    user_id: Mapped[int] = mapped_column(BigInteger)
    contact_method_id: Mapped[int] = mapped_column(BigInteger)
    """Without a foreign key, as in `pacing`: a claim must not wait for somebody who removes their contact method."""
    incident_id: Mapped[UUID]
    notification_id: Mapped[UUID]
    """The page that named it last."""
    given_at: Mapped[Instant]


class Reply(Base):
    """A text message that came from a number we know: acted on once, however often the provider hands it over. What it
    said is kept as a hash, by which an autoresponder is noticed."""

    __tablename__ = "replies"
    __table_args__ = (Index("ix_replies_address_at", "address", "at"), Index("ix_replies_at", "at"))

    provider_id: Mapped[str] = mapped_column(primary_key=True)
    address: Mapped[str]
    at: Mapped[Instant]
    verb: Mapped[str]
    text_hash: Mapped[bytes] = mapped_column(LargeBinary)
    answered: Mapped[bool] = mapped_column(server_default=text("false"))

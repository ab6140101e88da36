"""Who may come in: sessions, API keys, links from messages, one-time links, idempotency keys, signing secrets. What we
only compare is hashed; what we must use is sealed."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, LargeBinary, SmallInteger
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import KEY_CHECK, Base, Instant, Key, RowId, Version


class Session(Base):
    """A browser that logged in. The cookie holds 256 random bits, the row their SHA-256."""

    __tablename__ = "sessions"

    token_hash: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    user_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("users.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[Instant]
    expires_at: Mapped[Instant] = mapped_column(index=True)
    user_agent: Mapped[str] = mapped_column(server_default="")


class ApiKey(Base):
    __tablename__ = "api_keys"
    __table_args__ = (CheckConstraint(KEY_CHECK, name="key"),)

    id: Mapped[RowId]
    key: Mapped[Key]
    name: Mapped[str]
    secret_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    hint: Mapped[str]
    scopes: Mapped[list[str]]
    user_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("users.id", ondelete="CASCADE"), index=True)
    """The person on whose behalf the key acts; None: a machine of the organisation."""
    created_at: Mapped[Instant]
    expires_at: Mapped[datetime | None]
    version: Mapped[Version]


class LinkToken(Base):
    """The link in one message to one person about one incident (behaviour.md 6): 128 random bits, kept as SHA-256."""

    __tablename__ = "link_tokens"

    token_hash: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    incident_id: Mapped[UUID]
    user_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("users.id", ondelete="CASCADE"))
    notification_id: Mapped[UUID]
    expires_at: Mapped[Instant] = mapped_column(index=True)


class OneTimeLink(Base):
    """Sets a password once: the first admin's, an invited user's, a forgotten one."""

    __tablename__ = "one_time_links"

    token_hash: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    user_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("users.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[Instant]
    expires_at: Mapped[Instant]
    used_at: Mapped[datetime | None]


class IdempotencyKey(Base):
    """What was answered to a create, so that the same request sent again gets the same answer for 24 hours."""

    __tablename__ = "idempotency_keys"

    caller: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    request_hash: Mapped[bytes] = mapped_column(LargeBinary)
    status: Mapped[int | None] = mapped_column(SmallInteger)
    headers: Mapped[dict[str, Any] | None]
    body: Mapped[bytes | None] = mapped_column(LargeBinary)
    created_at: Mapped[Instant] = mapped_column(index=True)


class SigningSecret(Base):
    """What a sender signs with, sealed (`app.access.sealing`). Two are valid during a rotation, hence `expires_at`."""

    __tablename__ = "signing_secrets"

    id: Mapped[RowId]
    integration_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("integrations.id", ondelete="CASCADE"), index=True
    )
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[Instant]
    expires_at: Mapped[datetime | None]

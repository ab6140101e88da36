"""Published rule sets: ordered, versioned, immutable. The highest version of a kind and scope is the one in force."""

from __future__ import annotations

from typing import Any

from sqlalchemy import UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import Base, Instant, RowId


class RuleSetVersion(Base):
    __tablename__ = "rule_set_versions"
    __table_args__ = (UniqueConstraint("kind", "scope", "version"),)

    id: Mapped[RowId]
    kind: Mapped[str]
    """`routing`, `correlation` or `priority`."""
    scope: Mapped[str] = mapped_column(server_default="")
    """The key of the service that it belongs to; empty: the organisation."""
    version: Mapped[int]
    rules: Mapped[list[Any]]
    published_at: Mapped[Instant]
    published_by: Mapped[str]

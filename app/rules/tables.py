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


class RuleDraft(Base):
    """Rules that somebody is writing, for a kind and scope. They may be unfinished: only publishing insists."""

    __tablename__ = "rule_drafts"
    __table_args__ = (UniqueConstraint("kind", "scope", "name"),)

    id: Mapped[RowId]
    kind: Mapped[str]
    scope: Mapped[str] = mapped_column(server_default="")
    name: Mapped[str]
    base_version: Mapped[int]
    """The version in force that it was made from, or was last compared with."""
    rules: Mapped[list[Any]]
    version: Mapped[int] = mapped_column(server_default="1")
    created_at: Mapped[Instant]
    edited_at: Mapped[Instant]
    edited_by: Mapped[str]

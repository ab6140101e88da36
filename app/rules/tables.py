"""Published rule sets: ordered, versioned, immutable. The highest version of a kind is the one in force."""

from __future__ import annotations

from typing import Any

from sqlalchemy import UniqueConstraint
from sqlalchemy.orm import Mapped

from app.db.base import Base, Instant, RowId


class RuleSetVersion(Base):
    __tablename__ = "rule_set_versions"
    __table_args__ = (UniqueConstraint("kind", "version"),)

    id: Mapped[RowId]
    kind: Mapped[str]
    """`priority`; later `routing` and `correlation`."""
    version: Mapped[int]
    rules: Mapped[list[Any]]
    published_at: Mapped[Instant]
    published_by: Mapped[str]

"""Who changed what configuration. Append-only: a trigger refuses UPDATE and DELETE."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, Index
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import Base, Instant, RoadId


class AuditRecord(Base):
    __tablename__ = "audit_records"
    __table_args__ = (Index("ix_audit_records_entity_entity_key_id", "entity", "entity_key", "id"),)

    id: Mapped[RoadId]
    at: Mapped[Instant]
    actor: Mapped[str]
    """`user:ana`, `api_key:ci`, `cli`, `system`."""
    action: Mapped[str]
    """`service.created`, `schedule.edited`, ..."""
    entity: Mapped[str]
    entity_key: Mapped[str]
    before: Mapped[dict[str, Any] | None]
    after: Mapped[dict[str, Any] | None]


class ConfigurationVersion(Base):
    """One row that grows with every audit record: what processes compare their cached configuration against."""

    __tablename__ = "configuration_version"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    version: Mapped[int] = mapped_column(BigInteger)

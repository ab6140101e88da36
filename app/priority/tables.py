"""The impact x urgency matrix, versioned like a rule set; the highest version is the one in force."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import Base, Instant


class MatrixVersion(Base):
    __tablename__ = "priority_matrix_versions"

    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    matrix: Mapped[list[Any]]
    """`[[1, 2, 3], [2, 3, 4], [3, 4, 5]]`: rows are impact 1 to 3, columns urgency 1 to 3."""
    published_at: Mapped[Instant]
    published_by: Mapped[str]

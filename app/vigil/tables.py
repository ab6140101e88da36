"""What is done in rounds, by one of all workers at a time, whichever comes first."""

from __future__ import annotations

from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import Base, Instant


class Round(Base):
    """One thing that is done every so often: `peer` is asked, a canary (`canary/<contact method>`) is sent, the paper
    is mailed. `state` is what it remembers from one time to the next."""

    __tablename__ = "vigil_rounds"

    key: Mapped[str] = mapped_column(primary_key=True)
    taken_at: Mapped[Instant]
    state: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))

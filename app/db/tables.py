"""Bookkeeping of the database itself."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, Double, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import Base, Instant


class ClockControl(Base):
    """Shifts and scales `tocsin_now()`: virtual = anchor_virtual + (real - anchor_real) * speed.

    Only tests and the demo write this row; `serve` refuses to start with it elsewhere (behaviour.md 9)."""

    __tablename__ = "clock_control"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"), CheckConstraint("speed >= 0", name="speed"))

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    anchor_real: Mapped[Instant]
    anchor_virtual: Mapped[Instant]
    speed: Mapped[float] = mapped_column(Double)


class Housekeeping(Base):
    """When the tick last did its slow chores, so that one worker of many does them."""

    __tablename__ = "housekeeping"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False, server_default=text("1"))
    done_at: Mapped[datetime | None]

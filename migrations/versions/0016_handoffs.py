"""Handoffs: who is told of them, handshakes, and edits that somebody has not been told of.

Revision ID: 0016
Revises: 0015
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

JSONB = postgresql.JSONB(astext_type=sa.Text())
NUMBERS = postgresql.ARRAY(sa.BigInteger())


def instant(name: str, *, nullable: bool = False) -> sa.Column:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def number(name: str, *, nullable: bool = False) -> sa.Column:
    return sa.Column(name, sa.BigInteger(), nullable=nullable)


def upgrade() -> None:
    op.add_column("schedules", sa.Column("handoff_notices", JSONB, nullable=True))
    op.create_table(
        "handoff_watches",
        number("schedule_id"),
        instant("looked_at"),
        instant("due_at"),
        sa.ForeignKeyConstraint(
            ["schedule_id"], ["schedules.id"], name="fk_handoff_watches_schedule_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("schedule_id", name="pk_handoff_watches"),
    )
    op.create_index("ix_handoff_watches_due_at", "handoff_watches", ["due_at"])
    _handshakes()
    op.add_column("overrides", number("handshake_id", nullable=True))
    op.create_foreign_key("fk_overrides_handshake_id", "overrides", "handshakes", ["handshake_id"], ["id"])
    op.create_index("ix_overrides_handshake_id", "overrides", ["handshake_id"])
    op.create_table(
        "edit_notices",
        number("schedule_id"),
        number("user_id"),
        instant("since"),
        instant("until"),
        sa.Column("before", JSONB, nullable=False),
        sa.Column("edited_by", sa.Text(), nullable=False),
        instant("due_at"),
        sa.ForeignKeyConstraint(
            ["schedule_id"], ["schedules.id"], name="fk_edit_notices_schedule_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_edit_notices_user_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("schedule_id", "user_id", name="pk_edit_notices"),
    )
    op.create_index("ix_edit_notices_due_at", "edit_notices", ["due_at"])


def _handshakes() -> None:
    op.create_table(
        "handshakes",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        number("schedule_id"),
        instant("starts_at"),
        instant("ends_at"),
        sa.Column("incoming", NUMBERS, nullable=False),
        sa.Column("outgoing", NUMBERS, nullable=False),
        sa.Column("state", sa.Text(), server_default="open", nullable=False),
        sa.Column("asked", sa.Integer(), server_default="0", nullable=False),
        instant("due_at", nullable=True),
        instant("told_at", nullable=True),
        instant("created_at"),
        sa.Column("decided_by", sa.Text(), nullable=True),
        instant("decided_at", nullable=True),
        sa.CheckConstraint("starts_at < ends_at", name=op.f("ck_handshakes_bounds")),
        sa.CheckConstraint("state IN ('open', 'confirmed', 'closed')", name=op.f("ck_handshakes_state")),
        sa.CheckConstraint("(state = 'open') = (decided_at IS NULL)", name=op.f("ck_handshakes_decided_at")),
        sa.ForeignKeyConstraint(["schedule_id"], ["schedules.id"], name="fk_handshakes_schedule_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_handshakes"),
    )
    op.create_index("ix_handshakes_schedule_id", "handshakes", ["schedule_id"])
    op.create_index(
        "uq_handshakes_schedule_id_starts_at",
        "handshakes",
        ["schedule_id", "starts_at"],
        unique=True,
        postgresql_where=sa.text("state <> 'closed'"),
    )


def downgrade() -> None:
    """Who stays on call because a handoff is not confirmed stays so by a plain override."""
    op.drop_table("edit_notices")
    op.drop_index("ix_overrides_handshake_id", "overrides")
    op.drop_constraint("fk_overrides_handshake_id", "overrides")
    op.drop_column("overrides", "handshake_id")
    op.drop_table("handshakes")
    op.drop_table("handoff_watches")
    op.drop_column("schedules", "handoff_notices")

"""Reminders of swaps are decided when they fall due; a swap whose shift was edited away is void.

Revision ID: 0024
Revises: 0023
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

# What was queued for a day before: `swap:7:reminder`, and so on.
QUEUED = """
    INSERT INTO swap_notices (swap_id, kind, user_id, due_at)
    SELECT w.id, CASE split_part(n.key, ':', 3) WHEN 'reminder' THEN 'soon' ELSE split_part(n.key, ':', 3) END,
           n.user_id, n.due_at
    FROM notifications n JOIN swaps w ON 'swap:' || w.id || ':' || split_part(n.key, ':', 3) = n.key
    WHERE n.state = 'pending' AND n.key LIKE 'swap:%' AND n.user_id IS NOT NULL
      AND split_part(n.key, ':', 3) IN ('untaken', 'reminder', 'return')
    ON CONFLICT DO NOTHING
"""
QUEUED_NO_MORE = """
    DELETE FROM notifications
    WHERE state = 'pending' AND key LIKE 'swap:%' AND split_part(key, ':', 3) IN ('untaken', 'reminder', 'return')
"""


def upgrade() -> None:
    op.add_column("swaps", sa.Column("because", sa.Text(), server_default="", nullable=False))
    _states("'open', 'taken', 'declined', 'withdrawn', 'void'")
    op.create_table(
        "swap_notices",
        sa.Column("swap_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("kind IN ('untaken', 'soon', 'return', 'void')", name=op.f("ck_swap_notices_kind")),
        sa.ForeignKeyConstraint(["swap_id"], ["swaps.id"], name="fk_swap_notices_swap_id", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_swap_notices_user_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("swap_id", "kind", "user_id", name="pk_swap_notices"),
    )
    op.create_index("ix_swap_notices_due_at", "swap_notices", ["due_at"])
    op.execute(QUEUED)
    op.execute(QUEUED_NO_MORE)


def downgrade() -> None:
    """Reminders that were to come are lost; what was void was withdrawn."""
    op.drop_table("swap_notices")
    op.execute("UPDATE swaps SET state = 'withdrawn' WHERE state = 'void'")
    _states("'open', 'taken', 'declined', 'withdrawn'")
    op.drop_column("swaps", "because")


def _states(states: str) -> None:
    op.drop_constraint(op.f("ck_swaps_state"), "swaps")
    op.create_check_constraint(op.f("ck_swaps_state"), "swaps", f"state IN ({states})")

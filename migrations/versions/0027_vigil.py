"""What Tocsin notices about itself and its peer, and what is done in rounds.

Revision ID: 0027
Revises: 0026
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "own_signs",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("integration_id", sa.BigInteger(), nullable=False),
        sa.Column("wrong", sa.Text(), nullable=False),
        sa.Column("told", sa.Text(), server_default="", nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("severity", sa.Text(), nullable=False),
        sa.Column("labels", postgresql.JSONB(), nullable=False),
        sa.Column("since", INSTANT, nullable=False),
        sa.Column("due_at", INSTANT, nullable=True),
        sa.ForeignKeyConstraint(
            ["integration_id"], ["integrations.id"], name=op.f("fk_own_signs_integration_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_own_signs")),
    )
    op.create_index("ix_own_signs_due_at", "own_signs", ["due_at"], postgresql_where=sa.text("due_at IS NOT NULL"))
    op.create_table(
        "vigil_rounds",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("taken_at", INSTANT, nullable=False),
        sa.Column("state", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_vigil_rounds")),
    )


def downgrade() -> None:
    op.drop_table("vigil_rounds")
    op.drop_table("own_signs")

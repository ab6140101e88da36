"""Changes: what somebody changed about a service, as sources tell it, shown beside the incidents that follow.

Revision ID: 0004
Revises: 0003
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "changes",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("receipt_id", sa.UUID(), nullable=False),
        sa.Column("integration_id", sa.BigInteger(), nullable=False),
        sa.Column("service_id", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=True),
        sa.Column("links", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("details", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_changes")),
        postgresql_partition_by="RANGE (id)",
    )
    op.create_index("ix_changes_service_id_id", "changes", ["service_id", "id"], unique=False)
    op.create_index("ix_changes_service_id_at", "changes", ["service_id", "at"], unique=False)
    op.execute("CREATE TABLE changes_p_default PARTITION OF changes DEFAULT")


def downgrade() -> None:
    op.drop_table("changes")

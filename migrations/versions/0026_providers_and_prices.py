"""Providers: who is asked again about a message and when, what it cost, and how each provider fares by number prefix.

Revision ID: 0026
Revises: 0025
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("attempts", sa.Column("prefix", sa.Text(), server_default="", nullable=False))
    op.add_column("attempts", sa.Column("ask_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("attempts", sa.Column("asks", sa.SmallInteger(), server_default="0", nullable=False))
    op.add_column("attempts", sa.Column("price", sa.Numeric(), nullable=True))
    op.add_column("attempts", sa.Column("currency", sa.Text(), nullable=True))
    op.create_index("ix_attempts_ask_at", "attempts", ["ask_at"], postgresql_where=sa.text("ask_at IS NOT NULL"))
    op.create_table(
        "provider_health",
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("prefix", sa.Text(), nullable=False),
        sa.Column("outcomes", sa.Text(), server_default="", nullable=False),
        sa.Column("over_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("over_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("fault", sa.Text(), server_default="", nullable=False),
        sa.Column("pauses", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("code", sa.Text(), server_default="", nullable=False),
        sa.Column("because", sa.Text(), server_default="", nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("fault IN ('', 'taking', 'delivering')", name="fault"),
        sa.CheckConstraint("(over_until IS NULL) = (fault = '')", name="over"),
        sa.PrimaryKeyConstraint("channel", "provider", "prefix", name="pk_provider_health"),
    )


def downgrade() -> None:
    op.drop_table("provider_health")
    op.drop_index("ix_attempts_ask_at", "attempts")
    for column in ("currency", "price", "asks", "ask_at", "prefix"):
        op.drop_column("attempts", column)

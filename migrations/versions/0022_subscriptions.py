"""Stakeholders: who is told of incidents of a service and need not respond.

Revision ID: 0022
Revises: 0021
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "subscriptions",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("service_id", sa.BigInteger(), nullable=True),
        sa.Column("priority_at_least", sa.SmallInteger(), nullable=False),
        sa.CheckConstraint("priority_at_least BETWEEN 1 AND 5", name=op.f("ck_subscriptions_priority_at_least")),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_subscriptions_user_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["service_id"], ["services.id"], name=op.f("fk_subscriptions_service_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_subscriptions")),
        sa.UniqueConstraint(
            "user_id", "service_id", name=op.f("uq_subscriptions_user_id_service_id"), postgresql_nulls_not_distinct=True
        ),
    )
    op.create_index(op.f("ix_subscriptions_service_id"), "subscriptions", ["service_id"])


def downgrade() -> None:
    op.drop_table("subscriptions")

"""Templates of messages, and what an organisation does not send.

Revision ID: 0029
Revises: 0028
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)
PARTS = "part IN ('sms', 'voice', 'mail-subject', 'mail-text', 'push-title', 'push-body')"


def upgrade() -> None:
    op.create_table(
        "message_templates",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("part", sa.Text(), nullable=False),
        sa.Column("service_id", sa.BigInteger(), nullable=True),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("updated_at", INSTANT, nullable=False),
        sa.CheckConstraint(PARTS, name=op.f("ck_message_templates_part")),
        sa.ForeignKeyConstraint(
            ["service_id"], ["services.id"], name=op.f("fk_message_templates_service_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_message_templates")),
        sa.UniqueConstraint(
            "part", "service_id", name=op.f("uq_message_templates_part_service_id"), postgresql_nulls_not_distinct=True
        ),
    )
    op.create_index("ix_message_templates_service_id", "message_templates", ["service_id"])
    op.add_column("organisation", sa.Column("banned_in_messages", postgresql.JSONB(), nullable=True))


def downgrade() -> None:
    """Messages say what Tocsin says itself again."""
    op.drop_column("organisation", "banned_in_messages")
    op.drop_table("message_templates")

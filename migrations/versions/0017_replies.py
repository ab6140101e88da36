"""Answers by text message: reply codes, the texts that came in, and numbers whose owners texted STOP.

Revision ID: 0017
Revises: 0016
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "reply_codes",
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("code", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("contact_method_id", sa.BigInteger(), nullable=False),
        sa.Column("incident_id", sa.Uuid(), nullable=False),
        sa.Column("notification_id", sa.Uuid(), nullable=False),
        sa.Column("given_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("code BETWEEN 1 AND 999", name=op.f("ck_reply_codes_code")),
        sa.PrimaryKeyConstraint("address", "code", name="pk_reply_codes"),
        sa.UniqueConstraint("address", "user_id", "incident_id", name="uq_reply_codes_address_user_id_incident_id"),
    )
    op.create_table(
        "replies",
        sa.Column("provider_id", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("verb", sa.Text(), nullable=False),
        sa.Column("text_hash", sa.LargeBinary(), nullable=False),
        sa.Column("answered", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.PrimaryKeyConstraint("provider_id", name="pk_replies"),
    )
    op.create_index("ix_replies_address_at", "replies", ["address", "at"])
    op.create_index("ix_replies_at", "replies", ["at"])
    op.add_column("contact_methods", sa.Column("opted_out_at", sa.DateTime(timezone=True), nullable=True))
    op.create_check_constraint(
        op.f("ck_contact_methods_opted_out_at"), "contact_methods", "opted_out_at IS NULL OR broken_at IS NOT NULL"
    )


def downgrade() -> None:
    """A number whose owner texted STOP stays out of use, as a broken one."""
    op.drop_constraint(op.f("ck_contact_methods_opted_out_at"), "contact_methods")
    op.drop_column("contact_methods", "opted_out_at")
    op.drop_table("replies")
    op.drop_table("reply_codes")

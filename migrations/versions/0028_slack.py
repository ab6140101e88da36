"""Slack as a channel, and messages that are updated in place.

Revision ID: 0028
Revises: 0027
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)
BEFORE = "channel IN ('sms', 'voice', 'mail', 'push', 'chat', 'webhook', 'ntfy')"
AFTER = "channel IN ('sms', 'voice', 'mail', 'push', 'chat', 'webhook', 'ntfy', 'slack')"


def upgrade() -> None:
    op.drop_constraint(op.f("ck_contact_methods_channel"), "contact_methods")
    op.create_check_constraint(op.f("ck_contact_methods_channel"), "contact_methods", AFTER)
    op.create_table(
        "chat_messages",
        sa.Column("attempt_id", sa.Uuid(), nullable=False),
        sa.Column("incident_id", sa.Uuid(), nullable=False),
        sa.Column("shown", sa.Text(), nullable=False),
        sa.Column("told", sa.Text(), server_default="", nullable=False),
        sa.Column("told_for", sa.Text(), server_default="", nullable=False),
        sa.Column("asks", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("due_at", INSTANT, nullable=False),
        sa.Column("tries", sa.SmallInteger(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(
            ["attempt_id"], ["attempts.id"], name=op.f("fk_chat_messages_attempt_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("attempt_id", name=op.f("pk_chat_messages")),
    )
    op.create_index("ix_chat_messages_due_at", "chat_messages", ["due_at"])


def downgrade() -> None:
    """Takes the contact methods with it that the version before cannot use."""
    op.drop_table("chat_messages")
    op.execute("DELETE FROM contact_methods WHERE channel = 'slack'")
    op.drop_constraint(op.f("ck_contact_methods_channel"), "contact_methods")
    op.create_check_constraint(op.f("ck_contact_methods_channel"), "contact_methods", BEFORE)

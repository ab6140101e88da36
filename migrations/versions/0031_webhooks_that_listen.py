"""Webhooks with requests of their own, and webhooks that are told of what happens to incidents; Apprise as a channel.

Revision ID: 0031
Revises: 0030
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None

CHANNELS = "'sms', 'voice', 'mail', 'push', 'chat', 'webhook', 'ntfy', 'slack'"
SEALED = "'push', 'ntfy'"
INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column("webhooks", sa.Column("request", postgresql.JSONB(), nullable=True))
    op.add_column("webhooks", sa.Column("sealed_secrets", sa.LargeBinary(), nullable=True))
    op.create_table(
        "webhook_subscriptions",
        sa.Column("webhook_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("happens", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("service_ids", sa.ARRAY(sa.BigInteger()), nullable=True),
        sa.Column("team_ids", sa.ARRAY(sa.BigInteger()), nullable=True),
        sa.Column("priority_at_least", sa.SmallInteger(), nullable=True),
        sa.CheckConstraint(
            "priority_at_least BETWEEN 1 AND 5", name=op.f("ck_webhook_subscriptions_priority_at_least")
        ),
        sa.ForeignKeyConstraint(
            ["webhook_id"], ["webhooks.id"], name=op.f("fk_webhook_subscriptions_webhook_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("webhook_id", name=op.f("pk_webhook_subscriptions")),
    )
    op.create_table(
        "webhook_calls",
        sa.Column("webhook_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("entry_id", sa.Uuid(), nullable=False),
        sa.Column("incident_id", sa.Uuid(), nullable=False),
        sa.Column("happening", sa.Text(), nullable=False),
        sa.Column("because", sa.Text(), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("state", sa.Text(), server_default="pending", nullable=False),
        sa.Column("due_at", INSTANT, nullable=False),
        sa.Column("tries", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("facts", postgresql.JSONB(), nullable=True),
        sa.Column("said", sa.Text(), server_default="", nullable=False),
        sa.Column("finished_at", INSTANT, nullable=True),
        sa.CheckConstraint(
            "state IN ('pending', 'sending', 'delivered', 'failed')", name=op.f("ck_webhook_calls_state")
        ),
        sa.CheckConstraint(
            "(state IN ('delivered', 'failed')) = (finished_at IS NOT NULL)", name=op.f("ck_webhook_calls_finished_at")
        ),
        sa.PrimaryKeyConstraint("webhook_id", "entry_id", name=op.f("pk_webhook_calls")),
    )
    op.create_index(
        "ix_webhook_calls_due_at", "webhook_calls", ["webhook_id", "due_at"],
        postgresql_where=sa.text("finished_at IS NULL"),
    )  # fmt: skip
    op.create_index("ix_webhook_calls_incident_id", "webhook_calls", ["incident_id", "webhook_id", "entry_id"])
    op.create_index(
        "ix_webhook_calls_finished_at", "webhook_calls", ["finished_at"],
        postgresql_where=sa.text("finished_at IS NOT NULL"),
    )  # fmt: skip


    _allow(f"{CHANNELS}, 'apprise'", f"{SEALED}, 'apprise'")


def _allow(channels: str, sealed: str) -> None:
    """Contact methods of these channels; the addresses of some are sealed."""
    for name, rule in (
        ("channel", f"channel IN ({channels})"),
        ("sealed_address", f"(channel IN ({sealed})) = (sealed_address IS NOT NULL)"),
    ):
        op.drop_constraint(op.f(f"ck_contact_methods_{name}"), "contact_methods")
        op.create_check_constraint(op.f(f"ck_contact_methods_{name}"), "contact_methods", rule)


def downgrade() -> None:
    """What waits to be sent is forgotten; requests of webhooks and their secrets have to be given again. Contact
    methods that the version before cannot use are removed."""
    op.execute("DELETE FROM contact_methods WHERE channel = 'apprise'")
    _allow(CHANNELS, SEALED)
    op.drop_table("webhook_calls")
    op.drop_table("webhook_subscriptions")
    op.drop_column("webhooks", "sealed_secrets")
    op.drop_column("webhooks", "request")

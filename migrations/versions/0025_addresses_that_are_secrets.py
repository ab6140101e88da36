"""Contact methods whose address is a secret: push subscriptions and ntfy topics.

Revision ID: 0025
Revises: 0024
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

BEFORE = "channel IN ('sms', 'voice', 'mail', 'push', 'chat', 'webhook')"
AFTER = "channel IN ('sms', 'voice', 'mail', 'push', 'chat', 'webhook', 'ntfy')"


def upgrade() -> None:
    op.add_column("contact_methods", sa.Column("sealed_address", sa.LargeBinary(), nullable=True))
    # what no version so far could send to, and what nobody can be reached by without its secret
    op.execute("DELETE FROM contact_methods WHERE channel = 'push'")
    op.drop_constraint(op.f("ck_contact_methods_channel"), "contact_methods")
    op.create_check_constraint(op.f("ck_contact_methods_channel"), "contact_methods", AFTER)
    op.create_check_constraint(
        op.f("ck_contact_methods_sealed_address"),
        "contact_methods",
        "(channel IN ('push', 'ntfy')) = (sealed_address IS NOT NULL)",
    )


def downgrade() -> None:
    """Takes the contact methods with it that the version before cannot use."""
    op.execute("DELETE FROM contact_methods WHERE channel IN ('push', 'ntfy')")
    op.drop_constraint(op.f("ck_contact_methods_sealed_address"), "contact_methods")
    op.drop_constraint(op.f("ck_contact_methods_channel"), "contact_methods")
    op.create_check_constraint(op.f("ck_contact_methods_channel"), "contact_methods", BEFORE)
    op.drop_column("contact_methods", "sealed_address")

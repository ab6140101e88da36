"""Addresses of webhooks are sealed; a policy hands over to a support tier.

An address that is there already is sealed by the next start of the program, which has the secret key; what is shown of
it is known from now on, also in the messages that were sent there.

Revision ID: 0023
Revises: 0022
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

SHOWN = "regexp_replace(url, '^(https?://[^/?#]+).*$', '\\1/…')"


def upgrade() -> None:
    op.add_column("webhooks", sa.Column("sealed_address", sa.LargeBinary(), nullable=True))
    op.add_column("webhooks", sa.Column("address_shown", sa.Text(), server_default="", nullable=False))
    op.alter_column("webhooks", "url", nullable=True)
    op.execute(f"UPDATE webhooks SET address_shown = {SHOWN}")
    op.execute("""
        UPDATE notifications SET address = regexp_replace(address, '^(https?://[^/?#]+).*$', '\\1/…')
        WHERE webhook_id IS NOT NULL
    """)
    op.add_column("escalation_policies", sa.Column("hand_over_to_tier", sa.SmallInteger(), nullable=True))
    op.create_check_constraint(op.f("ck_escalation_policies_hand_over_to_tier"), "escalation_policies",
                               "hand_over_to_tier IN (2, 3)")  # fmt: skip
    op.create_check_constraint(op.f("ck_escalation_policies_follows"), "escalation_policies",
                               "num_nonnulls(hand_over_to_id, hand_over_to_tier) <= 1")  # fmt: skip


def downgrade() -> None:
    """A sealed address is lost but for what is shown of it: it has to be given again."""
    op.drop_constraint(op.f("ck_escalation_policies_follows"), "escalation_policies")
    op.drop_constraint(op.f("ck_escalation_policies_hand_over_to_tier"), "escalation_policies")
    op.drop_column("escalation_policies", "hand_over_to_tier")
    op.execute("UPDATE webhooks SET url = address_shown WHERE url IS NULL")
    op.alter_column("webhooks", "url", nullable=False)
    op.drop_column("webhooks", "address_shown")
    op.drop_column("webhooks", "sealed_address")

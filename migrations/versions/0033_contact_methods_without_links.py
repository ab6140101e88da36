"""A phone number may say that text messages to it carry no links.

Revision ID: 0033
Revises: 0032
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("contact_methods", sa.Column("links", sa.Boolean(), server_default=sa.true(), nullable=False))
    op.create_check_constraint(op.f("ck_contact_methods_links"), "contact_methods", "links OR channel = 'sms'")


def downgrade() -> None:
    """Every text has its link again, as far as its country allows."""
    op.drop_constraint(op.f("ck_contact_methods_links"), "contact_methods")
    op.drop_column("contact_methods", "links")

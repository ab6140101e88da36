"""The signing secrets of a webhook before its newest count for a while.

Revision ID: 0034
Revises: 0033
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None


def upgrade() -> None:
    instants = postgresql.ARRAY(sa.DateTime(timezone=True))
    op.add_column("webhooks", sa.Column("former_until", instants, server_default="{}", nullable=False))


def downgrade() -> None:
    """Only the newest secret counts again."""
    op.drop_column("webhooks", "former_until")

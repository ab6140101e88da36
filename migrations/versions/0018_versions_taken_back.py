"""Which planned versions of a schedule were taken back, and which merely gave way to a later one of the same instant.

Revision ID: 0018
Revises: 0017
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("schedule_versions", sa.Column("taken_back", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.execute("UPDATE schedule_versions SET taken_back = true WHERE effective_from = effective_until")


def downgrade() -> None:
    op.drop_column("schedule_versions", "taken_back")

"""When somebody wants the quiet pages of a night, as one message.

Revision ID: 0032
Revises: 0031
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("users", sa.Column("digest_at", sa.Text(), nullable=True))
    op.create_check_constraint(op.f("ck_users_digest_at"), "users", "digest_at ~ '^([01][0-9]|2[0-3]):[0-5][0-9]$'")


def downgrade() -> None:
    """What waits for a morning goes out then, bundled as any other page."""
    op.drop_constraint(op.f("ck_users_digest_at"), "users")
    op.drop_column("users", "digest_at")

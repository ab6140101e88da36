"""Notifications do without two foreign keys: incident and user were read in the transaction that queues them, and neither
is ever deleted before them. Checking each row again took a third of writing it.

Revision ID: 0002
Revises: 0001
"""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_constraint("fk_notifications_incident_id", "notifications", type_="foreignkey")
    op.drop_constraint("fk_notifications_user_id", "notifications", type_="foreignkey")


def downgrade() -> None:
    op.create_foreign_key(
        "fk_notifications_incident_id", "notifications", "incidents", ["incident_id"], ["id"], ondelete="CASCADE"
    )
    op.create_foreign_key("fk_notifications_user_id", "notifications", "users", ["user_id"], ["id"])

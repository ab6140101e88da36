"""Notifications that are written without looking their contact method up, and one index less to keep.

Revision ID: 0020
Revises: 0019
"""

from __future__ import annotations

from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_constraint(op.f("fk_notifications_contact_method_id"), "notifications")
    op.drop_index(op.f("ix_notifications_contact_method_id"), "notifications")


def downgrade() -> None:
    """What names a contact method that was removed since names none, as it would have."""
    op.execute("""
        UPDATE notifications n SET contact_method_id = NULL
        WHERE contact_method_id IS NOT NULL
          AND NOT EXISTS (SELECT 1 FROM contact_methods m WHERE m.id = n.contact_method_id)
    """)
    op.create_index(op.f("ix_notifications_contact_method_id"), "notifications", ["contact_method_id"])
    op.create_foreign_key(
        op.f("fk_notifications_contact_method_id"),
        "notifications",
        "contact_methods",
        ["contact_method_id"],
        ["id"],
        ondelete="SET NULL",
    )

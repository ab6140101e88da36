"""How long acknowledgements last may be said by service.

Revision ID: 0030
Revises: 0029
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "services",
        sa.Column("acknowledgement_minutes", postgresql.JSONB(), server_default="{}", nullable=False),
    )
    op.create_check_constraint(
        op.f("ck_services_acknowledgement_minutes"), "services", "jsonb_typeof(acknowledgement_minutes) = 'object'"
    )


def downgrade() -> None:
    """Acknowledgements last as long as everywhere again."""
    op.drop_constraint(op.f("ck_services_acknowledgement_minutes"), "services")
    op.drop_column("services", "acknowledgement_minutes")

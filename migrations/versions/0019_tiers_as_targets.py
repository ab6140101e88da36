"""Steps that name a support tier.

Revision ID: 0019
Revises: 0018
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

_FOUR = "num_nonnulls(user_id, schedule_id, team_id, webhook_id) = 1"
_FIVE = "num_nonnulls(user_id, schedule_id, team_id, webhook_id, tier) = 1"


def upgrade() -> None:
    op.add_column("escalation_targets", sa.Column("tier", sa.SmallInteger(), nullable=True))
    op.create_check_constraint(op.f("ck_escalation_targets_tier"), "escalation_targets", "tier IN (2, 3)")
    op.drop_constraint(op.f("ck_escalation_targets_one"), "escalation_targets")
    op.create_check_constraint(op.f("ck_escalation_targets_one"), "escalation_targets", _FIVE)


def downgrade() -> None:
    """A step that named nothing but support tiers names the last resort: without targets it could not be read."""
    op.execute("""
        INSERT INTO escalation_targets (step_id, position, user_id, schedule_id, team_id)
        SELECT s.id, 1000 + l.position, l.user_id, l.schedule_id, l.team_id
        FROM escalation_steps s CROSS JOIN last_resort_targets l
        WHERE EXISTS (SELECT 1 FROM escalation_targets g WHERE g.step_id = s.id)
          AND NOT EXISTS (SELECT 1 FROM escalation_targets g WHERE g.step_id = s.id AND g.tier IS NULL)
    """)
    op.execute("DELETE FROM escalation_targets WHERE tier IS NOT NULL")
    op.drop_constraint(op.f("ck_escalation_targets_one"), "escalation_targets")
    op.create_check_constraint(op.f("ck_escalation_targets_one"), "escalation_targets", _FOUR)
    op.drop_constraint(op.f("ck_escalation_targets_tier"), "escalation_targets")
    op.drop_column("escalation_targets", "tier")

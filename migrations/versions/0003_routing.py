"""Rule sets of services beside the organisation's; what routing did to an occurrence, and when to look at it again.

Revision ID: 0003
Revises: 0002
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("rule_set_versions", sa.Column("scope", sa.Text(), server_default="", nullable=False))
    op.drop_constraint("uq_rule_set_versions_kind_version", "rule_set_versions")
    op.create_unique_constraint(
        "uq_rule_set_versions_kind_scope_version", "rule_set_versions", ["kind", "scope", "version"]
    )
    op.add_column("occurrences", sa.Column("routed", postgresql.JSONB(astext_type=sa.Text()), nullable=True))
    op.add_column("occurrences", sa.Column("recheck_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("occurrences", sa.Column("held_key", sa.Text(), nullable=True))
    op.create_index(
        "ix_occurrences_recheck_at", "occurrences", ["recheck_at"], postgresql_where=sa.text("recheck_at IS NOT NULL")
    )
    op.create_index(
        "ix_occurrences_held_key_id", "occurrences", ["held_key", "id"], postgresql_where=sa.text("held_key IS NOT NULL")
    )
    op.create_index(
        "ix_occurrences_suppressed",
        "occurrences",
        ["id"],
        postgresql_where=sa.text("suppressed IS NOT NULL AND ended_at IS NULL"),
    )
    op.add_column("alerts", sa.Column("flips", sa.SmallInteger(), server_default="0", nullable=False))
    op.add_column("alerts", sa.Column("flipped_at", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    op.drop_column("alerts", "flipped_at")
    op.drop_column("alerts", "flips")
    op.drop_index("ix_occurrences_suppressed", "occurrences")
    op.drop_index("ix_occurrences_held_key_id", "occurrences")
    op.drop_index("ix_occurrences_recheck_at", "occurrences")
    op.drop_column("occurrences", "held_key")
    op.drop_column("occurrences", "recheck_at")
    op.drop_column("occurrences", "routed")
    op.execute("DELETE FROM rule_set_versions WHERE scope <> ''")
    op.drop_constraint("uq_rule_set_versions_kind_scope_version", "rule_set_versions")
    op.create_unique_constraint("uq_rule_set_versions_kind_version", "rule_set_versions", ["kind", "version"])
    op.drop_column("rule_set_versions", "scope")

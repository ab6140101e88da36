"""What people decided about correlation and how to undo it; services that depend on services; symptoms.

Revision ID: 0009
Revises: 0008
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

OPEN = "state IN ('triggered', 'acknowledged', 'mitigated')"


def upgrade() -> None:
    op.create_table(
        "service_dependencies",
        sa.Column("service_id", sa.BigInteger(), nullable=False),
        sa.Column("upstream_id", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("service_id <> upstream_id", name=op.f("ck_service_dependencies_itself")),
        sa.ForeignKeyConstraint(
            ["service_id"], ["services.id"], name=op.f("fk_service_dependencies_service_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["upstream_id"], ["services.id"], name=op.f("fk_service_dependencies_upstream_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("service_id", "upstream_id", name=op.f("pk_service_dependencies")),
    )
    op.create_index("ix_service_dependencies_upstream_id", "service_dependencies", ["upstream_id"])
    op.add_column("incidents", sa.Column("merged_into_id", sa.Uuid(), nullable=True))
    op.add_column("incidents", sa.Column("symptoms_due_at", sa.DateTime(timezone=True), nullable=True))
    op.create_foreign_key(op.f("fk_incidents_merged_into_id"), "incidents", "incidents", ["merged_into_id"], ["id"])
    op.create_check_constraint(
        op.f("ck_incidents_merged_into_id"), "incidents", "merged_into_id IS NULL OR state IN ('resolved', 'closed')"
    )
    op.create_index(
        "ix_incidents_merged_into_id",
        "incidents",
        ["merged_into_id"],
        postgresql_where=sa.text("merged_into_id IS NOT NULL"),
    )
    op.create_index(
        "ix_incidents_symptoms_due_at",
        "incidents",
        ["symptoms_due_at"],
        postgresql_where=sa.text("symptoms_due_at IS NOT NULL"),
    )
    op.create_index("ix_incidents_open_service_id", "incidents", ["service_id"], postgresql_where=sa.text(OPEN))
    op.add_column("alerts", sa.Column("decided", postgresql.JSONB(astext_type=sa.Text()), nullable=True))
    op.add_column("alerts", sa.Column("earlier_ended_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("occurrences", sa.Column("symptom", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    op.create_table(
        "correlation_acts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("from_id", sa.Uuid(), nullable=False),
        sa.Column("to_id", sa.Uuid(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("before", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("undone_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("kind IN ('merge', 'split', 'move', 'symptom')", name=op.f("ck_correlation_acts_kind")),
        sa.ForeignKeyConstraint(
            ["from_id"], ["incidents.id"], name=op.f("fk_correlation_acts_from_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["to_id"], ["incidents.id"], name=op.f("fk_correlation_acts_to_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_correlation_acts")),
    )
    op.create_index("ix_correlation_acts_from_id_id", "correlation_acts", ["from_id", "id"])
    op.create_index("ix_correlation_acts_to_id_id", "correlation_acts", ["to_id", "id"])


def downgrade() -> None:
    op.drop_table("correlation_acts")
    op.drop_column("occurrences", "symptom")
    op.drop_column("alerts", "earlier_ended_at")
    op.drop_column("alerts", "decided")
    op.drop_index("ix_incidents_open_service_id", "incidents")
    op.drop_index("ix_incidents_symptoms_due_at", "incidents")
    op.drop_index("ix_incidents_merged_into_id", "incidents")
    op.drop_constraint(op.f("ck_incidents_merged_into_id"), "incidents")
    op.drop_constraint(op.f("fk_incidents_merged_into_id"), "incidents")
    op.drop_column("incidents", "symptoms_due_at")
    op.drop_column("incidents", "merged_into_id")
    op.drop_table("service_dependencies")

"""Storms and their children; limits per contact method, and pages that went out in the message of another one.

Revision ID: 0010
Revises: 0009
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "storms",
        sa.Column("id", postgresql.UUID(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("threshold", sa.Integer(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("calm_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("look_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("priority", sa.SmallInteger(), nullable=False),
        sa.Column("incident_id", postgresql.UUID(), nullable=False),
        sa.Column("labels", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("incidents", sa.Integer(), nullable=False),
        sa.Column("alerts", sa.Integer(), nullable=False),
        sa.Column("withheld", sa.Integer(), server_default="0", nullable=False),
        sa.Column("report", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.CheckConstraint("(ended_at IS NULL) = (look_at IS NOT NULL)", name=op.f("ck_storms_look_at")),
        sa.CheckConstraint("priority BETWEEN 1 AND 5", name=op.f("ck_storms_priority")),
        sa.PrimaryKeyConstraint("id", name="pk_storms"),
        sa.UniqueConstraint("key", name="uq_storms_key"),
    )
    op.create_index(
        "uq_storms_one_lasts",
        "storms",
        [sa.text("(ended_at IS NULL)")],
        unique=True,
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.add_column("incidents", sa.Column("storm_id", postgresql.UUID(), nullable=True))
    op.create_foreign_key("fk_incidents_storm_id", "incidents", "storms", ["storm_id"], ["id"])
    op.create_index(
        "ix_incidents_storm_id_id", "incidents", ["storm_id", "id"], postgresql_where=sa.text("storm_id IS NOT NULL")
    )
    op.add_column("organisation", sa.Column("storm_threshold", sa.Integer(), server_default="20", nullable=False))
    op.create_check_constraint(op.f("ck_organisation_storm_threshold"), "organisation", "storm_threshold >= 1")
    op.create_table(
        "pacing",
        sa.Column("contact_method_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("spent_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("contact_method_id", name="pk_pacing"),
    )
    op.add_column("notifications", sa.Column("carried_by_id", postgresql.UUID(), nullable=True))
    op.create_index(
        "ix_notifications_waiting",
        "notifications",
        ["contact_method_id", "due_at"],
        postgresql_where=sa.text("state = 'pending'"),
    )
    op.create_index(
        "ix_notifications_carried_by_id",
        "notifications",
        ["carried_by_id"],
        postgresql_where=sa.text("carried_by_id IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_index("ix_notifications_carried_by_id", "notifications")
    op.drop_index("ix_notifications_waiting", "notifications")
    op.drop_column("notifications", "carried_by_id")
    op.drop_table("pacing")
    op.drop_constraint(op.f("ck_organisation_storm_threshold"), "organisation")
    op.drop_column("organisation", "storm_threshold")
    op.drop_index("ix_incidents_storm_id_id", "incidents")
    op.drop_constraint("fk_incidents_storm_id", "incidents")
    op.drop_column("incidents", "storm_id")
    op.drop_table("storms")

"""Silences; maintenance windows, inhibition rules and time intervals; the alerts that inhibit others; how much was
suppressed by what.

Revision ID: 0008
Revises: 0007
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "silences",
        sa.Column("id", postgresql.UUID(as_uuid=True), nullable=False),
        sa.Column("matchers", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("comment", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=True),
        sa.Column("service_id", sa.BigInteger(), nullable=True),
        sa.Column("expired_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("expired_by", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "ends_at >= starts_at AND ends_at <= starts_at + interval '30 days'", name=op.f("ck_silences_span")
        ),
        sa.CheckConstraint("jsonb_array_length(matchers) > 0", name=op.f("ck_silences_matchers")),
        sa.ForeignKeyConstraint(
            ["service_id"], ["services.id"], name=op.f("fk_silences_service_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_silences")),
    )
    op.create_index(op.f("ix_silences_ends_at"), "silences", ["ends_at"])
    op.create_table(
        "suppression_rules",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("document", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "kind IN ('maintenance_window', 'inhibition_rule', 'time_interval')", name=op.f("ck_suppression_rules_kind")
        ),
        sa.CheckConstraint("key ~ '^[a-z0-9][a-z0-9_-]{0,63}$'", name=op.f("ck_suppression_rules_key")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_suppression_rules")),
        sa.UniqueConstraint("kind", "key", name=op.f("uq_suppression_rules_kind_key")),
    )
    op.create_table(
        "inhibition_sources",
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("alert_id", postgresql.UUID(as_uuid=True), nullable=False),
        sa.Column("equal_values", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("both_sides", sa.Boolean(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("rule", "alert_id", name=op.f("pk_inhibition_sources")),
    )
    op.create_index(op.f("ix_inhibition_sources_alert_id"), "inhibition_sources", ["alert_id"])
    op.create_table(
        "suppression_counts",
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("occurrences", sa.BigInteger(), nullable=False),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("by", "name", name=op.f("pk_suppression_counts")),
        postgresql_with={"fillfactor": "85"},
    )


def downgrade() -> None:
    op.drop_table("suppression_counts")
    op.drop_table("inhibition_sources")
    op.drop_table("suppression_rules")
    op.drop_table("silences")

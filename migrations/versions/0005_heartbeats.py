"""Heartbeats, their pings, and sources that fell silent.

Revision ID: 0005
Revises: 0004
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "heartbeats",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("integration_id", sa.BigInteger(), nullable=False),
        sa.Column("interval_s", sa.Integer(), nullable=True),
        sa.Column("cron", sa.Text(), nullable=True),
        sa.Column("time_zone", sa.Text(), nullable=True),
        sa.Column("grace_s", sa.Integer(), nullable=False),
        sa.Column("severity", sa.Text(), nullable=False),
        sa.Column("fed_by_id", sa.BigInteger(), nullable=True),
        sa.Column("fed_by_matchers", sa.Text(), nullable=True),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("token_hint", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("updated_at", INSTANT, nullable=False),
        sa.Column("state", sa.Text(), server_default="new", nullable=False),
        sa.Column("due_at", INSTANT, nullable=True),
        sa.Column("expected_at", INSTANT, nullable=True),
        sa.Column("runs", postgresql.JSONB(), server_default="{}", nullable=False),
        sa.Column("last_ping_at", INSTANT, nullable=True),
        sa.Column("last_kind", sa.Text(), nullable=True),
        sa.Column("last_exit_status", sa.SmallInteger(), nullable=True),
        sa.Column("last_duration_ms", sa.BigInteger(), nullable=True),
        sa.Column("last_success_at", INSTANT, nullable=True),
        sa.Column("down_since", INSTANT, nullable=True),
        sa.Column("down_because", sa.Text(), server_default="", nullable=False),
        sa.Column("firing", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.CheckConstraint("key ~ '^[a-z0-9][a-z0-9_-]{0,63}$'", name=op.f("ck_heartbeats_key")),
        sa.CheckConstraint("(interval_s IS NULL) <> (cron IS NULL)", name=op.f("ck_heartbeats_rhythm")),
        sa.CheckConstraint("interval_s BETWEEN 1 AND 31622400", name=op.f("ck_heartbeats_interval_s")),
        sa.CheckConstraint("grace_s BETWEEN 0 AND 2678400", name=op.f("ck_heartbeats_grace_s")),
        sa.CheckConstraint("severity IN ('critical', 'error', 'warning', 'info')", name=op.f("ck_heartbeats_severity")),
        sa.CheckConstraint("state IN ('new', 'up', 'down', 'paused')", name=op.f("ck_heartbeats_state")),
        sa.CheckConstraint("(fed_by_id IS NULL) = (fed_by_matchers IS NULL)", name=op.f("ck_heartbeats_fed_by")),
        sa.ForeignKeyConstraint(
            ["integration_id"], ["integrations.id"], name=op.f("fk_heartbeats_integration_id")
        ),
        sa.ForeignKeyConstraint(["fed_by_id"], ["integrations.id"], name=op.f("fk_heartbeats_fed_by_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_heartbeats")),
        sa.UniqueConstraint("key", name=op.f("uq_heartbeats_key")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_heartbeats_token_hash")),
    )
    op.create_index(op.f("ix_heartbeats_integration_id"), "heartbeats", ["integration_id"])
    op.create_index(op.f("ix_heartbeats_fed_by_id"), "heartbeats", ["fed_by_id"])
    op.create_index(
        "ix_heartbeats_due_at", "heartbeats", ["due_at"], postgresql_where=sa.text("due_at IS NOT NULL")
    )
    op.create_table(
        "heartbeat_pings",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("heartbeat_id", sa.BigInteger(), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("exit_status", sa.SmallInteger(), nullable=True),
        sa.Column("run", sa.UUID(), nullable=True),
        sa.Column("duration_ms", sa.BigInteger(), nullable=True),
        sa.Column("via", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint("kind IN ('success', 'start', 'fail', 'log')", name=op.f("ck_heartbeat_pings_kind")),
        sa.ForeignKeyConstraint(
            ["heartbeat_id"], ["heartbeats.id"], name=op.f("fk_heartbeat_pings_heartbeat_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_heartbeat_pings")),
    )
    op.create_index("ix_heartbeat_pings_heartbeat_id_id", "heartbeat_pings", ["heartbeat_id", "id"])
    op.create_table(
        "silent_sources",
        sa.Column("integration_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("receipt_id", sa.UUID(), nullable=False),
        sa.Column("heard_at", INSTANT, nullable=False),
        sa.Column("noticed_at", INSTANT, nullable=False),
        sa.Column("told", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.ForeignKeyConstraint(
            ["integration_id"], ["integrations.id"], name=op.f("fk_silent_sources_integration_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("integration_id", name=op.f("pk_silent_sources")),
    )


def downgrade() -> None:
    op.drop_table("silent_sources")
    op.drop_table("heartbeat_pings")
    op.drop_table("heartbeats")

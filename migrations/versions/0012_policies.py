"""Steps with conditions, round robin, webhooks and acknowledgements by all; policies that hand over; support tiers; who
is informed by priority, and when an update is due.

Revision ID: 0012
Revises: 0011
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_THREE = "num_nonnulls(user_id, schedule_id, team_id) = 1"
_FOUR = "num_nonnulls(user_id, schedule_id, team_id, webhook_id) = 1"


def upgrade() -> None:
    _policies()
    _webhooks()
    _acknowledgements()
    _tiers_and_matrix()


def _policies() -> None:
    op.add_column("escalation_policies", sa.Column("hand_over_to_id", sa.BigInteger(), nullable=True))
    op.create_foreign_key(
        op.f("fk_escalation_policies_hand_over_to_id"),
        "escalation_policies",
        "escalation_policies",
        ["hand_over_to_id"],
        ["id"],
    )
    op.create_index(op.f("ix_escalation_policies_hand_over_to_id"), "escalation_policies", ["hand_over_to_id"])
    op.add_column("escalation_steps", sa.Column("whom", sa.Text(), server_default="everyone", nullable=False))
    op.add_column("escalation_steps", sa.Column("acknowledge", sa.Text(), server_default="any", nullable=False))
    op.add_column(
        "escalation_steps",
        sa.Column("condition", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
    )
    op.create_check_constraint(
        op.f("ck_escalation_steps_whom"), "escalation_steps", "whom IN ('everyone', 'round_robin')"
    )
    op.create_check_constraint(
        op.f("ck_escalation_steps_acknowledge"), "escalation_steps", "acknowledge IN ('any', 'all')"
    )
    op.create_table(
        "round_robin_turns",
        sa.Column("policy_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("turns", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
        sa.PrimaryKeyConstraint("policy_id", "position", name="pk_round_robin_turns"),
    )
    op.add_column("ladders", sa.Column("leg", sa.SmallInteger(), server_default="0", nullable=False))
    op.add_column("ladders", sa.Column("leg_round", sa.Integer(), server_default="1", nullable=False))
    op.add_column("ladders", sa.Column("tier", sa.SmallInteger(), server_default="1", nullable=False))
    op.add_column("ladders", sa.Column("update_due_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index(
        "ix_ladders_update_due_at",
        "ladders",
        ["update_due_at"],
        postgresql_where=sa.text("update_due_at IS NOT NULL"),
    )


def _webhooks() -> None:
    op.create_table(
        "webhooks",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("generation", sa.Integer(), server_default="1", nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("key ~ '^[a-z0-9][a-z0-9_-]{0,63}$'", name=op.f("ck_webhooks_key")),
        sa.PrimaryKeyConstraint("id", name="pk_webhooks"),
        sa.UniqueConstraint("key", name="uq_webhooks_key"),
    )
    op.add_column("escalation_targets", sa.Column("webhook_id", sa.BigInteger(), nullable=True))
    op.create_foreign_key(
        op.f("fk_escalation_targets_webhook_id"), "escalation_targets", "webhooks", ["webhook_id"], ["id"]
    )
    op.create_index(op.f("ix_escalation_targets_webhook_id"), "escalation_targets", ["webhook_id"])
    op.drop_constraint(op.f("ck_escalation_targets_one"), "escalation_targets")
    op.create_check_constraint(op.f("ck_escalation_targets_one"), "escalation_targets", _FOUR)
    op.add_column("notifications", sa.Column("webhook_id", sa.BigInteger(), nullable=True))
    op.alter_column("notifications", "user_id", nullable=True)
    op.create_check_constraint(op.f("ck_notifications_whom"), "notifications", "num_nonnulls(user_id, webhook_id) = 1")


def _acknowledgements() -> None:
    op.create_table(
        "required_acknowledgements",
        sa.Column("incident_id", postgresql.UUID(), nullable=False),
        sa.Column("epoch", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("user_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.ForeignKeyConstraint(
            ["incident_id"],
            ["incidents.id"],
            name=op.f("fk_required_acknowledgements_incident_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("incident_id", "epoch", "user_id", name="pk_required_acknowledgements"),
    )


def _tiers_and_matrix() -> None:
    op.create_table(
        "support_tiers",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("team_id", sa.BigInteger(), nullable=True),
        sa.Column("service_id", sa.BigInteger(), nullable=True),
        sa.Column("tier", sa.SmallInteger(), nullable=False),
        sa.Column("policy_id", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("num_nonnulls(team_id, service_id) = 1", name=op.f("ck_support_tiers_one")),
        sa.CheckConstraint("tier IN (2, 3)", name=op.f("ck_support_tiers_tier")),
        sa.ForeignKeyConstraint(["team_id"], ["teams.id"], name=op.f("fk_support_tiers_team_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["service_id"], ["services.id"], name=op.f("fk_support_tiers_service_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["policy_id"], ["escalation_policies.id"], name=op.f("fk_support_tiers_policy_id")),
        sa.PrimaryKeyConstraint("id", name="pk_support_tiers"),
        sa.UniqueConstraint("team_id", "tier", name=op.f("uq_support_tiers_team_id_tier")),
        sa.UniqueConstraint("service_id", "tier", name=op.f("uq_support_tiers_service_id_tier")),
    )
    op.create_index(op.f("ix_support_tiers_policy_id"), "support_tiers", ["policy_id"])
    op.create_table(
        "escalation_matrix",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("service_id", sa.BigInteger(), nullable=True),
        sa.Column("priority", sa.SmallInteger(), nullable=False),
        sa.Column("policy_id", sa.BigInteger(), nullable=True),
        sa.Column("loudness", sa.Text(), nullable=False),
        sa.Column("first_update_s", sa.Integer(), nullable=True),
        sa.Column("update_interval_s", sa.Integer(), nullable=True),
        sa.CheckConstraint("priority BETWEEN 1 AND 5", name=op.f("ck_escalation_matrix_priority")),
        sa.CheckConstraint("loudness IN ('loud', 'quiet')", name=op.f("ck_escalation_matrix_loudness")),
        sa.ForeignKeyConstraint(
            ["service_id"], ["services.id"], name=op.f("fk_escalation_matrix_service_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["policy_id"], ["escalation_policies.id"], name=op.f("fk_escalation_matrix_policy_id")),
        sa.PrimaryKeyConstraint("id", name="pk_escalation_matrix"),
        sa.UniqueConstraint(
            "service_id",
            "priority",
            name=op.f("uq_escalation_matrix_service_id_priority"),
            postgresql_nulls_not_distinct=True,
        ),
    )
    op.create_index(op.f("ix_escalation_matrix_policy_id"), "escalation_matrix", ["policy_id"])
    op.create_table(
        "escalation_lists",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_escalation_lists"),
    )
    op.execute("INSERT INTO escalation_lists (name, version) VALUES ('support_tiers', 0), ('matrix', 0)")


def downgrade() -> None:
    for table in ("escalation_lists", "escalation_matrix", "support_tiers", "required_acknowledgements"):
        op.drop_table(table)
    op.drop_constraint(op.f("ck_notifications_whom"), "notifications")
    op.execute("DELETE FROM notifications WHERE user_id IS NULL")
    op.alter_column("notifications", "user_id", nullable=False)
    op.drop_column("notifications", "webhook_id")
    op.execute("DELETE FROM escalation_targets WHERE webhook_id IS NOT NULL")
    op.drop_constraint(op.f("ck_escalation_targets_one"), "escalation_targets")
    op.create_check_constraint(op.f("ck_escalation_targets_one"), "escalation_targets", _THREE)
    op.drop_column("escalation_targets", "webhook_id")
    op.drop_table("webhooks")
    op.execute("DELETE FROM ladders WHERE purpose = 'inform'")
    for column in ("update_due_at", "tier", "leg_round", "leg"):
        op.drop_column("ladders", column)
    op.drop_table("round_robin_turns")
    for column in ("condition", "acknowledge", "whom"):
        op.drop_column("escalation_steps", column)
    op.drop_column("escalation_policies", "hand_over_to_id")

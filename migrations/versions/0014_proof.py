"""Warnings about the next 48 hours, weekly mails about lint, drills.

Revision ID: 0014
Revises: 0013
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

JSON = postgresql.JSONB(astext_type=sa.Text())


def instant(name: str, *, nullable: bool = False) -> sa.Column:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def number(name: str, *, nullable: bool = False, default: str | None = None) -> sa.Column:
    return sa.Column(name, sa.BigInteger(), server_default=default, nullable=nullable, autoincrement=False)


def words(name: str, *, nullable: bool = False, default: str | None = None) -> sa.Column:
    return sa.Column(name, sa.Text(), server_default=default, nullable=nullable)


def upgrade() -> None:
    op.add_column("incidents", sa.Column("drill", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    op.add_column("schedules", instant("looked_at", nullable=True))
    op.create_index("ix_schedules_looked_at", "schedules", [sa.text("COALESCE(looked_at, created_at)")])
    _warnings()
    op.create_table(
        "lint_weeks",
        sa.Column("week", sa.Date(), nullable=False),
        instant("planned_at"),
        sa.PrimaryKeyConstraint("week", name="pk_lint_weeks"),
    )
    op.create_table(
        "lint_mails",
        number("user_id"),
        sa.Column("week", sa.Date(), nullable=False),
        instant("due_at"),
        number("after_id", default="0"),
        sa.Column("found", JSON, server_default="[]", nullable=False),
        instant("done_at", nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_lint_mails_user_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("user_id", "week", name="pk_lint_mails"),
    )
    op.create_index("ix_lint_mails_due_at", "lint_mails", ["due_at"], postgresql_where=sa.text("done_at IS NULL"))
    _drills()


def _warnings() -> None:
    op.create_table(
        "schedule_warnings",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        number("schedule_id"),
        words("code"),
        number("user_id", nullable=True),
        instant("starts_at"),
        instant("ends_at"),
        words("state", default="open"),
        instant("found_at"),
        instant("over_at", nullable=True),
        number("repeats_id", nullable=True),
        instant("told_at", nullable=True),
        sa.Column("told", JSON, server_default="[]", nullable=False),
        words("notice", nullable=True),
        sa.CheckConstraint("code IN ('gap', 'unreachable')", name=op.f("ck_schedule_warnings_code")),
        sa.CheckConstraint(
            "(code = 'unreachable') = (user_id IS NOT NULL)", name=op.f("ck_schedule_warnings_user_id")
        ),
        sa.CheckConstraint("state IN ('open', 'mended', 'passed')", name=op.f("ck_schedule_warnings_state")),
        sa.CheckConstraint("(state = 'open') = (over_at IS NULL)", name=op.f("ck_schedule_warnings_over_at")),
        sa.CheckConstraint("starts_at < ends_at", name=op.f("ck_schedule_warnings_bounds")),
        sa.ForeignKeyConstraint(
            ["schedule_id"], ["schedules.id"], name="fk_schedule_warnings_schedule_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_schedule_warnings_user_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_schedule_warnings"),
    )
    op.create_index("ix_schedule_warnings_schedule_id_id", "schedule_warnings", ["schedule_id", "id"])
    op.create_index("ix_schedule_warnings_user_id", "schedule_warnings", ["user_id"])


def _drills() -> None:
    op.create_table(
        "drills",
        sa.Column("id", sa.UUID(), nullable=False),
        words("target_type"),
        number("target_id"),
        words("target_key"),
        words("target_name"),
        sa.Column("incident_id", sa.UUID(), nullable=False),
        words("loudness"),
        sa.Column("last_resort", sa.Boolean(), nullable=False),
        words("note"),
        words("started_by"),
        instant("started_at"),
        instant("look_at", nullable=True),
        instant("ended_at", nullable=True),
        words("outcome", nullable=True),
        sa.Column("score", JSON, nullable=True),
        sa.CheckConstraint("target_type IN ('user', 'schedule', 'service')", name=op.f("ck_drills_target_type")),
        sa.CheckConstraint("outcome IN ('acknowledged', 'unanswered', 'ended')", name=op.f("ck_drills_outcome")),
        sa.CheckConstraint("(ended_at IS NULL) = (outcome IS NULL)", name=op.f("ck_drills_ended_at")),
        sa.CheckConstraint("(ended_at IS NULL) = (look_at IS NOT NULL)", name=op.f("ck_drills_look_at")),
        sa.ForeignKeyConstraint(["incident_id"], ["incidents.id"], name="fk_drills_incident_id"),
        sa.PrimaryKeyConstraint("id", name="pk_drills"),
    )
    op.create_index(
        "uq_drills_open", "drills", ["target_type", "target_id"], unique=True,
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_index("ix_drills_look_at", "drills", ["look_at"], postgresql_where=sa.text("look_at IS NOT NULL"))
    op.create_index("ix_drills_incident_id", "drills", ["incident_id"])


def downgrade() -> None:
    """Incidents of drills stay: nothing can tell them from others any more, so those still open are ended."""
    op.execute("""
        UPDATE incidents SET state = 'resolved', resolved_at = triggered_at, open_key = NULL, wakes_at = NULL,
               wakes_because = NULL, paging_due_at = NULL
        WHERE drill AND state IN ('triggered', 'acknowledged', 'mitigated')
    """)
    for table in ("drills", "lint_mails", "lint_weeks", "schedule_warnings"):
        op.drop_table(table)
    op.drop_column("schedules", "looked_at")
    op.drop_column("incidents", "drill")

"""Calendars that somebody else keeps, holidays, and feeds of shifts.

Revision ID: 0015
Revises: 0014
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

KEY_CHECK = "key ~ '^[a-z0-9][a-z0-9_-]{0,63}$'"


def instant(name: str, *, nullable: bool = False) -> sa.Column:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def number(name: str, *, nullable: bool = False) -> sa.Column:
    return sa.Column(name, sa.BigInteger(), nullable=nullable)


def words(name: str, *, nullable: bool = False, default: str | None = None) -> sa.Column:
    return sa.Column(name, sa.Text(), server_default=default, nullable=nullable)


def identity() -> sa.Column:
    return sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False)


def several(name: str) -> sa.Column:
    return sa.Column(name, postgresql.ARRAY(sa.Text()), server_default="{}", nullable=False)


def document(name: str, default: str) -> sa.Column:
    return sa.Column(name, postgresql.JSONB(astext_type=sa.Text()), server_default=default, nullable=False)


def upgrade() -> None:
    op.create_table(
        "calendars",
        identity(),
        words("key"),
        words("name"),
        number("team_id", nullable=True),
        words("purpose"),
        words("source"),
        words("country", nullable=True),
        words("subdivision", nullable=True),
        words("time_zone", nullable=True),
        document("people", "{}"),
        sa.Column("observed_by_everybody", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        several("observing_teams"),
        several("observing_users"),
        sa.Column("refresh_s", sa.Integer(), nullable=False),
        sa.Column("sealed_address", sa.LargeBinary(), nullable=True),
        words("address_shown", default=""),
        words("content", nullable=True),
        words("etag", default=""),
        words("last_modified", default=""),
        instant("due_at", nullable=True),
        instant("tried_at", nullable=True),
        instant("fetched_at", nullable=True),
        instant("failing_since", nullable=True),
        words("error", default=""),
        document("unknown", "[]"),
        several("problems"),
        instant("changed_at", nullable=True),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        instant("created_at"),
        instant("updated_at"),
        sa.CheckConstraint(KEY_CHECK, name=op.f("ck_calendars_key")),
        sa.CheckConstraint("purpose IN ('shifts', 'holidays')", name=op.f("ck_calendars_purpose")),
        sa.CheckConstraint("source IN ('address', 'text', 'country')", name=op.f("ck_calendars_source")),
        sa.CheckConstraint("(source = 'country') = (country IS NOT NULL)", name=op.f("ck_calendars_country")),
        sa.CheckConstraint("refresh_s BETWEEN 300 AND 86400", name=op.f("ck_calendars_refresh_s")),
        sa.ForeignKeyConstraint(["team_id"], ["teams.id"], name="fk_calendars_team_id"),
        sa.PrimaryKeyConstraint("id", name="pk_calendars"),
        sa.UniqueConstraint("key", name="uq_calendars_key"),
    )
    op.create_index("ix_calendars_team_id", "calendars", ["team_id"])
    op.create_index("ix_calendars_due_at", "calendars", ["due_at"], postgresql_where=sa.text("due_at IS NOT NULL"))
    op.create_table(
        "calendar_entries",
        identity(),
        number("calendar_id"),
        instant("starts_at"),
        instant("ends_at"),
        number("user_id", nullable=True),
        words("said"),
        sa.CheckConstraint("starts_at < ends_at", name=op.f("ck_calendar_entries_bounds")),
        sa.ForeignKeyConstraint(
            ["calendar_id"], ["calendars.id"], name="fk_calendar_entries_calendar_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_calendar_entries_user_id", ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("id", name="pk_calendar_entries"),
    )
    op.create_index("ix_calendar_entries_calendar_id_ends_at", "calendar_entries", ["calendar_id", "ends_at"])
    op.create_index("ix_calendar_entries_user_id", "calendar_entries", ["user_id"])
    op.create_table(
        "calendar_days",
        number("calendar_id"),
        sa.Column("day", sa.Date(), nullable=False),
        words("name"),
        sa.ForeignKeyConstraint(
            ["calendar_id"], ["calendars.id"], name="fk_calendar_days_calendar_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("calendar_id", "day", name="pk_calendar_days"),
    )
    _feeds()


def _feeds() -> None:
    op.create_table(
        "calendar_feeds",
        identity(),
        number("schedule_id", nullable=True),
        number("user_id", nullable=True),
        words("name"),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        words("hint"),
        words("created_by"),
        instant("created_at"),
        instant("rotated_at", nullable=True),
        instant("last_read_at", nullable=True),
        sa.CheckConstraint("(schedule_id IS NULL) <> (user_id IS NULL)", name=op.f("ck_calendar_feeds_of_one")),
        sa.ForeignKeyConstraint(
            ["schedule_id"], ["schedules.id"], name="fk_calendar_feeds_schedule_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_calendar_feeds_user_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_calendar_feeds"),
        sa.UniqueConstraint("token_hash", name="uq_calendar_feeds_token_hash"),
    )
    op.create_index("ix_calendar_feeds_schedule_id", "calendar_feeds", ["schedule_id"])
    op.create_index("ix_calendar_feeds_user_id", "calendar_feeds", ["user_id"])
    op.create_table(
        "feed_shifts",
        words("uid"),
        number("schedule_id"),
        number("user_id", nullable=True),
        instant("starts_at"),
        instant("ends_at"),
        words("because"),
        sa.Column("sequence", sa.Integer(), nullable=False),
        instant("changed_at"),
        sa.ForeignKeyConstraint(
            ["schedule_id"], ["schedules.id"], name="fk_feed_shifts_schedule_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_feed_shifts_user_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("uid", name="pk_feed_shifts"),
    )
    op.create_index("ix_feed_shifts_schedule_id", "feed_shifts", ["schedule_id"])
    op.create_index("ix_feed_shifts_user_id", "feed_shifts", ["user_id"])


# Layers that take their shifts from a calendar, and conditions on holidays, are more than the older program can say.
PLAIN = """
    UPDATE schedule_versions SET layers = coalesce((
        SELECT jsonb_agg(l.layer - 'holidays' ORDER BY l.position)
        FROM jsonb_array_elements(layers) WITH ORDINALITY AS l (layer, position) WHERE NOT l.layer ? 'calendar'), '[]')
    WHERE jsonb_path_exists(layers, '$[*] ? (exists (@.calendar) || exists (@.holidays))')
"""


def downgrade() -> None:
    """What the older program cannot say is lost."""
    op.execute(PLAIN)
    op.execute("UPDATE services SET support_hours = support_hours - 'holidays' - 'days_off'")
    for table in ("feed_shifts", "calendar_feeds", "calendar_days", "calendar_entries", "calendars"):
        op.drop_table(table)

"""Schedules have versions, which take effect at an instant; overrides that add or remove; swaps.

Revision ID: 0013
Revises: 0012
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

# What layers said until now, they are taken to have said since ever: nobody knows better.
VERSIONS = """
    INSERT INTO schedule_versions (schedule_id, number, time_zone, layers, created_by, created_at)
    SELECT s.id, 1, s.time_zone, coalesce((
        SELECT jsonb_agg(jsonb_build_object(
            'name', l.name, 'unit', l.unit, 'length', l.length,
            'anchor', to_char(l.anchor, 'YYYY-MM-DD"T"HH24:MI'), 'members', l.members, 'restrictions', l.restrictions,
            'starts_at', to_char(l.starts_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
            'ends_at', to_char(l.ends_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
        ) ORDER BY l.position) FROM layers l WHERE l.schedule_id = s.id), '[]'), 'migration', s.updated_at
    FROM schedules s
"""
# The newest version, without what layers could not say.
LAYERS = """
    INSERT INTO layers (schedule_id, position, name, unit, length, anchor, members, restrictions, starts_at, ends_at)
    SELECT v.schedule_id, t.position, l.name, l.unit, l.length, l.anchor, l.members, l.restrictions, l.starts_at,
           l.ends_at
    FROM schedule_versions v, jsonb_array_elements(v.layers) WITH ORDINALITY AS t (layer, position),
         jsonb_to_record(t.layer) AS l (
             name text, unit text, length int, anchor timestamp, members jsonb, restrictions jsonb,
             starts_at timestamptz, ends_at timestamptz)
    WHERE v.effective_until IS NULL
"""
KINDS = (
    "CASE kind WHEN 'replace' THEN user_id IS NOT NULL WHEN 'add' THEN user_id IS NOT NULL AND"
    " replaces_user_id IS NULL WHEN 'remove' THEN user_id IS NULL AND replaces_user_id IS NOT NULL"
    " ELSE false END"
)


def instant(name: str, *, nullable: bool = False) -> sa.Column:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def number(name: str, *, nullable: bool = False) -> sa.Column:
    return sa.Column(name, sa.BigInteger(), nullable=nullable)


def words(name: str, *, nullable: bool = False, default: str | None = None) -> sa.Column:
    return sa.Column(name, sa.Text(), server_default=default, nullable=nullable)


def upgrade() -> None:
    op.create_table(
        "schedule_versions",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        number("schedule_id"),
        sa.Column("number", sa.Integer(), nullable=False),
        words("time_zone"),
        sa.Column("layers", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        number("like_schedule_id", nullable=True),
        sa.Column("like_turns", sa.Integer(), server_default="0", nullable=False),
        instant("effective_from", nullable=True),
        instant("effective_until", nullable=True),
        sa.Column("undoes", sa.Integer(), nullable=True),
        words("created_by"),
        instant("created_at"),
        sa.CheckConstraint("effective_from <= effective_until", name=op.f("ck_schedule_versions_effective")),
        sa.CheckConstraint("(number = 1) = (effective_from IS NULL)", name=op.f("ck_schedule_versions_first")),
        sa.CheckConstraint("like_schedule_id <> schedule_id", name=op.f("ck_schedule_versions_like")),
        sa.ForeignKeyConstraint(
            ["schedule_id"], ["schedules.id"], name="fk_schedule_versions_schedule_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["like_schedule_id"], ["schedules.id"], name="fk_schedule_versions_like_schedule_id", ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_schedule_versions"),
        sa.UniqueConstraint("schedule_id", "number", name="uq_schedule_versions_schedule_id_number"),
    )
    op.execute("""
        ALTER TABLE schedule_versions ADD CONSTRAINT ex_schedule_versions_overlap EXCLUDE USING gist
            (int8range(schedule_id, schedule_id, '[]') WITH &&, tstzrange(effective_from, effective_until) WITH &&)
    """)
    op.create_index("ix_schedule_versions_like_schedule_id", "schedule_versions", ["like_schedule_id"])
    op.execute(VERSIONS)
    op.drop_table("layers")
    op.drop_column("schedules", "time_zone")
    _swaps()
    op.add_column("overrides", words("kind", default="replace"))
    op.add_column("overrides", number("swap_id", nullable=True))
    op.alter_column("overrides", "user_id", nullable=True)
    op.create_foreign_key("fk_overrides_swap_id", "overrides", "swaps", ["swap_id"], ["id"])
    op.create_index("ix_overrides_swap_id", "overrides", ["swap_id"])
    op.create_check_constraint(op.f("ck_overrides_kind"), "overrides", KINDS)
    _exclude("kind = 'replace' AND replaces_user_id IS NULL")


def _swaps() -> None:
    op.create_table(
        "swaps",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        number("schedule_id"),
        number("user_id"),
        number("offered_to_user_id", nullable=True),
        instant("starts_at"),
        instant("ends_at"),
        instant("return_starts_at", nullable=True),
        instant("return_ends_at", nullable=True),
        words("comment", default=""),
        words("state", default="open"),
        number("taken_by_user_id", nullable=True),
        words("created_by"),
        instant("created_at"),
        words("decided_by", nullable=True),
        instant("decided_at", nullable=True),
        sa.CheckConstraint("starts_at < ends_at", name=op.f("ck_swaps_bounds")),
        sa.CheckConstraint("return_starts_at < return_ends_at", name=op.f("ck_swaps_return_bounds")),
        sa.CheckConstraint("(return_starts_at IS NULL) = (return_ends_at IS NULL)", name=op.f("ck_swaps_return_both")),
        sa.CheckConstraint(
            "return_starts_at IS NULL OR offered_to_user_id IS NOT NULL", name=op.f("ck_swaps_return_of")
        ),
        sa.CheckConstraint("state IN ('open', 'taken', 'declined', 'withdrawn')", name=op.f("ck_swaps_state")),
        sa.CheckConstraint("(state = 'taken') = (taken_by_user_id IS NOT NULL)", name=op.f("ck_swaps_taken_by")),
        sa.CheckConstraint("(state = 'open') = (decided_at IS NULL)", name=op.f("ck_swaps_decided_at")),
        sa.ForeignKeyConstraint(["schedule_id"], ["schedules.id"], name="fk_swaps_schedule_id", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_swaps_user_id"),
        sa.ForeignKeyConstraint(["offered_to_user_id"], ["users.id"], name="fk_swaps_offered_to_user_id"),
        sa.ForeignKeyConstraint(["taken_by_user_id"], ["users.id"], name="fk_swaps_taken_by_user_id"),
        sa.PrimaryKeyConstraint("id", name="pk_swaps"),
    )
    for column in ("schedule_id", "user_id", "offered_to_user_id", "taken_by_user_id"):
        op.create_index(f"ix_swaps_{column}", "swaps", [column])


def _exclude(where: str) -> None:
    op.drop_constraint("ex_overrides_overlap", "overrides")
    op.execute(f"""
        ALTER TABLE overrides ADD CONSTRAINT ex_overrides_overlap EXCLUDE USING gist
            (int8range(schedule_id, schedule_id, '[]') WITH &&, tstzrange(starts_at, ends_at) WITH &&) WHERE ({where})
    """)


def downgrade() -> None:
    """What the older program cannot say is lost: versions before the newest, overrides that add or remove, swaps."""
    op.execute("DELETE FROM overrides WHERE kind <> 'replace'")
    _exclude("replaces_user_id IS NULL")
    op.drop_constraint(op.f("ck_overrides_kind"), "overrides")
    op.drop_index("ix_overrides_swap_id", "overrides")
    op.drop_constraint("fk_overrides_swap_id", "overrides")
    op.alter_column("overrides", "user_id", nullable=False)
    op.drop_column("overrides", "swap_id")
    op.drop_column("overrides", "kind")
    op.drop_table("swaps")
    op.add_column("schedules", words("time_zone", nullable=True))
    op.execute("""
        UPDATE schedules s SET time_zone = v.time_zone
        FROM schedule_versions v WHERE v.schedule_id = s.id AND v.effective_until IS NULL
    """)
    op.alter_column("schedules", "time_zone", nullable=False)
    op.create_table(
        "layers",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        number("schedule_id"),
        sa.Column("position", sa.Integer(), nullable=False),
        words("name"),
        words("unit"),
        sa.Column("length", sa.Integer(), nullable=False),
        sa.Column("anchor", sa.DateTime(), nullable=False),
        sa.Column("members", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("restrictions", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        instant("starts_at", nullable=True),
        instant("ends_at", nullable=True),
        sa.CheckConstraint(
            "ends_at IS NULL OR starts_at IS NULL OR starts_at < ends_at", name=op.f("ck_layers_bounds")
        ),
        sa.CheckConstraint("length BETWEEN 1 AND 1000", name=op.f("ck_layers_length")),
        sa.CheckConstraint("unit IN ('hour', 'day', 'week', 'month')", name=op.f("ck_layers_unit")),
        sa.ForeignKeyConstraint(["schedule_id"], ["schedules.id"], name="fk_layers_schedule_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_layers"),
        sa.UniqueConstraint("schedule_id", "position", name="uq_layers_schedule_id_position"),
    )
    op.execute(LAYERS)
    op.drop_table("schedule_versions")

"""Up, down, up again, with data; models and migrations agree; replicas that start together do not trip over another."""

from __future__ import annotations

import asyncio
import importlib
from pathlib import Path

import asyncpg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app import clock
from app.db import migrate
from app.db.base import Base

HERE = Path(__file__).parent
ROOMS_WITH_TABLES = [p.parent.name for p in (HERE.parents[1] / "app").glob("*/tables.py")]
FIRST = "0001"

SCHEMA = {
    "columns": """
        SELECT a.attrelid::regclass::text, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity,
               pg_get_expr(d.adbin, d.adrelid)
        FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
        LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
          AND a.attnum > 0 AND NOT a.attisdropped""",
    "constraints": """
        SELECT c.conrelid::regclass::text, c.conname, pg_get_constraintdef(c.oid) FROM pg_constraint c
        JOIN pg_class t ON t.oid = c.conrelid
        WHERE c.connamespace = 'public'::regnamespace AND NOT t.relispartition AND c.contype <> 'n'""",
    "indexes": """
        SELECT c.relname, pg_get_indexdef(c.oid) FROM pg_class c
        JOIN pg_index i ON i.indexrelid = c.oid JOIN pg_class t ON t.oid = i.indrelid
        WHERE c.relnamespace = 'public'::regnamespace AND NOT t.relispartition""",
    "tables": """
        SELECT c.relname, pg_get_partkeydef(c.oid), c.reloptions FROM pg_class c
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition""",
}
LEFT_BEHIND = """
    SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace
    UNION ALL SELECT p.proname FROM pg_proc p WHERE p.pronamespace = 'public'::regnamespace
    UNION ALL SELECT t.typname FROM pg_type t WHERE t.typnamespace = 'public'::regnamespace
"""


async def schema(conn: AsyncConnection) -> dict[str, set[tuple[str, ...]]]:
    """What PostgreSQL itself says the schema is, without Alembic's own table."""
    found = {}
    for kind, query in SCHEMA.items():
        rows = await conn.execute(text(query))
        found[kind] = {tuple(str(v) for v in r) for r in rows if "alembic_version" not in str(r[0])}
    return found


async def names_left(engine: AsyncEngine) -> set[str]:
    async with engine.connect() as conn:
        names = {r[0] for r in await conn.execute(text(LEFT_BEHIND))}
    return {n for n in names if "alembic_version" not in n}


async def fill(engine: AsyncEngine) -> None:
    async with engine.begin() as conn:
        raw = await conn.get_raw_connection()
        driver = raw.driver_connection
        assert isinstance(driver, asyncpg.Connection)
        await driver.execute((HERE / f"rows_{FIRST}.sql").read_text())


async def counts(engine: AsyncEngine) -> dict[str, int]:
    async with engine.connect() as conn:
        tables = [row[0] for row in await conn.execute(text(SCHEMA["tables"])) if row[0] != "alembic_version"]
        return {t: (await conn.execute(text(f'SELECT count(*) FROM "{t}"'))).scalar_one() for t in tables}


def revisions() -> list[str]:
    """Oldest first."""
    return [s.revision for s in ScriptDirectory.from_config(migrate.config()).walk_revisions()][::-1]


async def test_up_down_and_up_again(new_database):
    engine = await new_database()
    assert await migrate.upgrade(engine) == (None, migrate.head())
    async with engine.connect() as conn:
        first = await schema(conn)
    assert await migrate.downgrade(engine, "base") == (migrate.head(), None)
    assert await names_left(engine) == set()
    assert await migrate.upgrade(engine) == (None, migrate.head())
    async with engine.connect() as conn:
        assert await schema(conn) == first


async def test_up_when_there_already_changes_nothing(new_database):
    engine = await new_database()
    await migrate.upgrade(engine)
    assert await migrate.upgrade(engine) == (migrate.head(), migrate.head())


async def test_every_table_of_the_first_revision_takes_part_with_data(new_database):
    """Otherwise a migration may be right on empty tables only."""
    engine = await new_database()
    await migrate.upgrade(engine, FIRST)
    await fill(engine)
    assert [table for table, rows in (await counts(engine)).items() if not rows] == []


async def test_data_survives_the_way_to_head_and_every_step_back(new_database):
    engine = await new_database()
    await migrate.upgrade(engine, FIRST)
    await fill(engine)
    before = await counts(engine)
    await migrate.upgrade(engine)
    after = await counts(engine)
    assert {table: rows for table, rows in before.items() if after.get(table, rows) < rows} == {}
    for revision in revisions()[:-1][::-1]:
        await migrate.downgrade(engine, revision)
    assert await counts(engine) == before
    await migrate.downgrade(engine, "base")
    assert await names_left(engine) == set()


async def test_models_and_migrations_agree_for_alembic(new_database):
    """What `alembic revision --autogenerate` would write: nothing."""
    _register_models()

    def differences(connection: Connection) -> list[object]:
        options = {"compare_type": True, "include_object": _without_partitions}
        return list(compare_metadata(MigrationContext.configure(connection, opts=options), Base.metadata))

    engine = await new_database()
    await migrate.upgrade(engine)
    async with engine.connect() as conn:
        assert await conn.run_sync(differences) == []


async def test_models_and_migrations_agree_for_postgresql(new_database):
    """Alembic does not look at CHECKs, exclusion constraints, defaults, storage: the catalogs of both tell."""
    _register_models()
    migrated, made = await new_database(), await new_database()
    await migrate.upgrade(migrated)
    async with made.begin() as conn:
        await conn.run_sync(Base.metadata.create_all)
        by_models = await schema(conn)
    async with migrated.connect() as conn:
        by_migrations = await schema(conn)
    for kind in SCHEMA:
        assert by_migrations[kind] - by_models[kind] == set(), kind
        assert by_models[kind] - by_migrations[kind] == set(), kind


def _register_models() -> None:
    for room in ROOMS_WITH_TABLES:
        importlib.import_module(f"app.{room}.tables")


def _without_partitions(obj: object, name: str | None, kind: str, reflected: bool, compare_to: object) -> bool:
    return not (kind == "table" and reflected and compare_to is None and name is not None and "_p_" in name)


def test_the_environment_of_alembic_knows_every_room_with_tables():
    environment = (migrate.scripts() / "env.py").read_text()
    assert [room for room in ROOMS_WITH_TABLES if f"import app.{room}.tables" not in environment] == []


async def test_replicas_that_start_together_wait_for_another(new_database):
    engine = await new_database()
    done = await asyncio.gather(*(migrate.upgrade(engine) for _ in range(3)))
    assert sorted(str(before) for before, _ in done) == [migrate.head(), migrate.head(), "None"]
    assert {after for _, after in done} == {migrate.head()}


async def test_a_table_that_is_in_use_makes_a_migration_give_up_instead_of_blocking_everybody(
    new_database, monkeypatch
):
    """What waits for a lock makes everybody behind it wait: better no migration than no intake."""
    monkeypatch.setattr(migrate, "_LOCK_TIMEOUT", text("SET LOCAL lock_timeout = '100ms'"))
    engine = await new_database()
    await migrate.upgrade(engine)
    async with engine.begin() as conn:
        await conn.execute(text("SELECT count(*) FROM incidents"))
        with pytest.raises(DBAPIError) as refused:
            await migrate.downgrade(engine, "base")
    assert getattr(refused.value.orig, "sqlstate", "") == "55P03"
    assert await migrate.upgrade(engine) == (migrate.head(), migrate.head())


async def test_a_migration_that_fails_leaves_nothing_behind(new_database):
    engine = await new_database()
    async with engine.begin() as conn:
        await conn.execute(text("CREATE TABLE users (id integer)"))
    with pytest.raises(DBAPIError):
        await migrate.upgrade(engine)
    assert await names_left(engine) == {"users", "_users"}


async def test_the_clock_of_a_new_database_is_real_time(new_database):
    engine = await new_database()
    await migrate.upgrade(engine)
    async with engine.connect() as conn:
        now = await clock.read(conn)
        real = (await conn.execute(text("SELECT statement_timestamp()"))).scalar_one()
    assert abs((real - now).total_seconds()) < 5


@pytest.mark.parametrize(("speed", "expected"), [(0, 0), (60, 3600)])
async def test_the_clock_is_shifted_and_scaled_by_its_row(new_database, speed, expected):
    engine = await new_database()
    await migrate.upgrade(engine)
    async with engine.begin() as conn:
        a_minute_ago = "statement_timestamp() - interval '1 minute'"
        row = text(f"INSERT INTO clock_control VALUES (1, {a_minute_ago}, '2030-01-01 00:00Z', :speed)")
        await conn.execute(row, {"speed": speed})
        seconds = (
            await conn.execute(text("SELECT extract(epoch FROM tocsin_now() - '2030-01-01 00:00Z')"))
        ).scalar_one()
    assert expected <= seconds < expected + 60 * speed + 1


async def test_audit_records_stay_as_they_were_written(new_database):
    engine = await new_database()
    await migrate.upgrade(engine, FIRST)
    await fill(engine)
    await migrate.upgrade(engine)
    for change in ("UPDATE audit_records SET actor = 'nobody'", "DELETE FROM audit_records"):
        async with engine.connect() as conn:
            with pytest.raises(DBAPIError, match="append-only"):
                await conn.execute(text(change))

"""Migrations. Run on start under an advisory lock: concurrent replicas wait for one another instead of crashing."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncEngine

_LOCK = text("SELECT pg_advisory_xact_lock(7028441)")
_LOCK_TIMEOUT = text("SET LOCAL lock_timeout = '10s'")


def scripts() -> Path:
    """Where the migrations are: beside `app` in a clone, inside it in a wheel."""
    here = Path(__file__).resolve().parent.parent
    beside = here.parent / "migrations"
    return beside if (beside / "env.py").exists() else here / "_migrations"


def config() -> Config:
    """Alembic's configuration without its file."""
    cfg = Config()
    cfg.set_main_option("script_location", str(scripts()).replace("%", "%%"))
    return cfg


async def upgrade(engine: AsyncEngine, revision: str = "head") -> tuple[str | None, str | None]:
    """Brings the schema to `revision` in one transaction. Returns the revisions before and after."""
    async with engine.begin() as conn:
        await conn.execute(_LOCK)
        await conn.execute(_LOCK_TIMEOUT)
        return await conn.run_sync(_move, command.upgrade, revision)


async def downgrade(engine: AsyncEngine, revision: str) -> tuple[str | None, str | None]:
    """Brings the schema back to `revision`; the data of what is dropped is lost."""
    async with engine.begin() as conn:
        await conn.execute(_LOCK)
        await conn.execute(_LOCK_TIMEOUT)
        return await conn.run_sync(_move, command.downgrade, revision)


def _move(connection: Connection, how: object, revision: str) -> tuple[str | None, str | None]:
    cfg = config()
    cfg.attributes["connection"] = connection
    before = MigrationContext.configure(connection).get_current_revision()
    how(cfg, revision)  # type: ignore[operator]  # one of the two commands above
    return before, MigrationContext.configure(connection).get_current_revision()


def head() -> str | None:
    """The newest revision this program knows."""
    return ScriptDirectory.from_config(config()).get_current_head()

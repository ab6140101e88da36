"""Migrations. Run on start under an advisory lock: concurrent replicas wait for one another instead of crashing.

Alembic is imported when there is something to do: nearly every start finds the schema as it should be.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.errors import Invalid

if TYPE_CHECKING:
    from alembic.config import Config

_LOCK = text("SELECT pg_advisory_xact_lock(7028441)")
_LOCK_TIMEOUT = text("SET LOCAL lock_timeout = '10s'")


def scripts() -> Path:
    """Where the migrations are: beside `app` in a clone, inside it in a wheel."""
    here = Path(__file__).resolve().parent.parent
    beside = here.parent / "migrations"
    return beside if (beside / "env.py").exists() else here / "_migrations"


def config() -> Config:
    """Alembic's configuration without its file."""
    from alembic.config import Config  # noqa: PLC0415  # see above

    cfg = Config()
    cfg.set_main_option("script_location", str(scripts()).replace("%", "%%"))
    return cfg


async def upgrade(engine: AsyncEngine, revision: str = "head") -> tuple[str | None, str | None]:
    """Brings the schema to `revision` in one transaction. Returns the revisions before and after.
    Raises Invalid where a newer version has been."""
    async with engine.begin() as conn:
        await conn.execute(_LOCK)
        await conn.execute(_LOCK_TIMEOUT)
        here = await _current(conn)
        if revision == "head" and here == head():
            return head(), head()
        if is_newer(here):
            raise Invalid(
                f"the database is at revision {here}, which a newer version of Tocsin made; this one knows {head()}."
                " Start the newer version, or restore a backup of before"
            )
        return await conn.run_sync(_move, "upgrade", revision)


async def downgrade(engine: AsyncEngine, revision: str) -> tuple[str | None, str | None]:
    """Brings the schema back to `revision`; the data of what is dropped is lost."""
    async with engine.begin() as conn:
        await conn.execute(_LOCK)
        await conn.execute(_LOCK_TIMEOUT)
        return await conn.run_sync(_move, "downgrade", revision)


async def _current(conn: AsyncConnection) -> str | None:
    if (await conn.execute(text("SELECT to_regclass('alembic_version')"))).scalar_one() is None:
        return None
    return (await conn.execute(text("SELECT version_num FROM alembic_version"))).scalar_one_or_none()


def _move(connection: Connection, how: Literal["upgrade", "downgrade"], revision: str) -> tuple[str | None, str | None]:
    from alembic import command  # noqa: PLC0415  # see above
    from alembic.runtime.migration import MigrationContext  # noqa: PLC0415  # see above

    cfg = config()
    cfg.attributes["connection"] = connection
    before = MigrationContext.configure(connection).get_current_revision()
    (command.upgrade if how == "upgrade" else command.downgrade)(cfg, revision)
    return before, MigrationContext.configure(connection).get_current_revision()


def is_newer(revision: str | None) -> bool:
    """This program does not know it."""
    return revision is not None and revision > head()


@cache
def head() -> str:
    """The newest revision this program knows: the number that the name of its file begins with."""
    return max(file.name.split("_")[0] for file in (scripts() / "versions").glob("[0-9]*_*.py"))

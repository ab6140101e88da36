"""Alembic's environment. `tocsin migrate` passes a connection; by hand, TOCSIN_DATABASE_URL says where."""

from __future__ import annotations

import asyncio

from alembic import context
from sqlalchemy import Connection

import app.access.tables
import app.alerts.tables
import app.audit.tables
import app.calendars.tables
import app.db.tables
import app.directory.tables
import app.escalation.tables
import app.heartbeats.tables
import app.incidents.tables
import app.ingest.tables
import app.notifications.tables
import app.oncall.tables
import app.priority.tables
import app.proof.tables
import app.rules.tables
import app.vigil.tables  # noqa: F401  (each registers its tables)
from app import settings
from app.db import engine as db_engine
from app.db.base import Base


def include(obj: object, name: str | None, kind: str, reflected: bool, compare_to: object) -> bool:
    """Partitions are made by the program as time goes on; they are not in the models."""
    return not (kind == "table" and reflected and compare_to is None and name is not None and "_p_" in name)


def run(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        include_object=include,
        compare_type=True,
        compare_server_default=False,
        transaction_per_migration=False,
    )
    with context.begin_transaction():
        context.run_migrations()


async def by_hand() -> None:
    engine = db_engine.create(settings.read().database_url)
    async with engine.begin() as connection:
        await connection.run_sync(run)
    await engine.dispose()


given = context.config.attributes.get("connection")
if given is not None:
    run(given)
else:
    asyncio.run(by_hand())

"""SQL of the matrix."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db.engine import dumps
from app.priority import matrix
from app.priority.matrix import Matrix


@dataclass(frozen=True, slots=True)
class PublishedMatrix:
    """The matrix in force. Version 0 is the built-in one, before anybody published another."""

    version: int
    matrix: Matrix
    published_at: datetime | None = None
    published_by: str | None = None


_NEWEST = text("""
    SELECT version, matrix, published_at, published_by FROM priority_matrix_versions ORDER BY version DESC LIMIT 1
""")
_LOCK = text("LOCK TABLE priority_matrix_versions IN SHARE ROW EXCLUSIVE MODE")
_INSERT = text("""
    INSERT INTO priority_matrix_versions (version, matrix, published_at, published_by)
    VALUES (:version, CAST(:matrix AS jsonb), :now, :actor)
""")


async def current(conn: AsyncConnection) -> PublishedMatrix:
    """The matrix in force."""
    row = (await conn.execute(_NEWEST)).first()
    if row is None:
        return PublishedMatrix(0, matrix.DEFAULT)
    return PublishedMatrix(row.version, matrix.check(row.matrix), row.published_at, row.published_by)


async def lock(conn: AsyncConnection) -> None:
    """Who publishes waits for whoever else does; readers do not."""
    await conn.execute(_LOCK)


async def insert(conn: AsyncConnection, now: datetime, published: PublishedMatrix) -> None:
    values = {"version": published.version, "matrix": dumps(published.matrix.document())}
    await conn.execute(_INSERT, values | {"now": now, "actor": published.published_by})

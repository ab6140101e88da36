"""What people do with the matrix."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from app.audit import commands as audit
from app.errors import Conflict
from app.priority import matrix, store
from app.priority.store import PublishedMatrix


async def set_matrix(
    conn: AsyncConnection, now: datetime, document: object, *, actor: str, version: int | None = None
) -> PublishedMatrix:
    """Puts a matrix in force; open incidents keep their priority until something about them changes.

    `version` is the one that the caller saw; None: whatever there is. A matrix that is in force already makes no new
    version. Raises `Invalid` naming the cells, and `Conflict` (`outdated`).
    """
    wanted = matrix.check(document)
    await store.lock(conn)
    before = await store.current(conn)
    if version is not None and version != before.version:
        raise Conflict("the matrix was edited meanwhile", code="outdated", current_version=before.version)
    if wanted == before.matrix:
        return before
    after = PublishedMatrix(before.version + 1, wanted, now, actor)
    await store.insert(conn, now, after)
    await audit.record(
        conn,
        now,
        actor=actor,
        action="priority_matrix.published",
        entity="priority_matrix",
        entity_key="priority",
        before={"version": before.version, "matrix": before.matrix.document()},
        after={"version": after.version, "matrix": after.matrix.document()},
    )
    return after

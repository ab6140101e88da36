"""`/priority-matrix`: what is in force, and publishing another."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Response

from app.priority import commands as priority
from app.priority import store as priority_store
from app.priority.documents import MatrixEdit
from app.priority.store import PublishedMatrix
from app.web.auth import Caller, needs, permission
from app.web.dependencies import Tx
from app.web.models import Answer
from app.web.versions import IfMatch, set_etag

router = APIRouter(tags=["priority rules"])


class MatrixAnswer(Answer):
    """Impact x urgency. Version 0: the built-in matrix."""

    version: int
    matrix: list[list[int]]
    published_at: datetime | None
    published_by: str | None


def _matrix(published: PublishedMatrix) -> MatrixAnswer:
    return MatrixAnswer(
        version=published.version,
        matrix=published.matrix.document(),
        published_at=published.published_at,
        published_by=published.published_by,
    )


@router.get("/priority-matrix", dependencies=[permission("priority_rules.read")])
async def read_matrix(response: Response, tx: Tx) -> MatrixAnswer:
    """The matrix in force."""
    published = await priority_store.current(tx.conn)
    set_etag(response, published.version)
    return _matrix(published)


@router.put("/priority-matrix")
async def set_matrix(
    body: MatrixEdit,
    response: Response,
    tx: Tx,
    expected: IfMatch,
    caller: Annotated[Caller, needs("priority_rules.edit")],
) -> MatrixAnswer:
    """Puts a matrix in force. A wider impact or a nearer urgency can never be less important."""
    published = await priority.set_matrix(
        tx.conn, tx.now, [list(row) for row in body.matrix], actor=caller.actor, version=expected
    )
    set_etag(response, published.version)
    return _matrix(published)

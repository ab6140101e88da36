"""`/priority-rules` and `/priority-matrix`: what is in force, its versions, publishing and rolling back."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path, Response

from app.errors import NotFound
from app.priority import commands as priority
from app.priority import store as priority_store
from app.priority.assign import PRIORITY_RULES
from app.priority.documents import MatrixEdit, PriorityRule, PriorityRulesEdit
from app.priority.store import PublishedMatrix
from app.rules import commands, store
from app.rules.store import Published
from app.web.auth import Caller, needs, permission
from app.web.dependencies import Tx
from app.web.models import Answer
from app.web.pages import Listed, Page
from app.web.versions import IfMatch, set_etag

router = APIRouter(tags=["priority rules"])

Number = Annotated[int, Path(ge=1, lt=2**31)]


class RulesAnswer(Answer):
    """Priority rules, in order. Version 0: nobody has published any. `published_by` as in audit records."""

    version: int
    rules: list[PriorityRule]
    published_at: datetime | None
    published_by: str | None


class VersionAnswer(Answer):
    """One version, without its rules."""

    version: int
    rules: int
    published_at: datetime
    published_by: str


class MatrixAnswer(Answer):
    """Impact x urgency. Version 0: the built-in matrix."""

    version: int
    matrix: list[list[int]]
    published_at: datetime | None
    published_by: str | None


def _rules(published: Published) -> RulesAnswer:
    return RulesAnswer.model_validate(published)


def _matrix(published: PublishedMatrix) -> MatrixAnswer:
    return MatrixAnswer(
        version=published.version,
        matrix=published.matrix.document(),
        published_at=published.published_at,
        published_by=published.published_by,
    )


@router.get("/priority-rules", dependencies=[permission("priority_rules.read")])
async def read_priority_rules(response: Response, tx: Tx) -> RulesAnswer:
    """The priority rules in force."""
    published = await store.newest(tx.conn, PRIORITY_RULES)
    set_etag(response, published.version)
    return _rules(published)


@router.put("/priority-rules")
async def publish_priority_rules(
    body: PriorityRulesEdit,
    response: Response,
    tx: Tx,
    expected: IfMatch,
    caller: Annotated[Caller, needs("priority_rules.edit")],
) -> RulesAnswer:
    """Puts these rules in force as the next version. `errors` names every rule that cannot be right and says where in
    its condition. Try a draft with `POST /priority-rules/try`."""
    published = await commands.publish(
        tx.conn, tx.now, PRIORITY_RULES, body.plain(), actor=caller.actor, version=expected
    )
    set_etag(response, published.version)
    return _rules(published)


@router.get("/priority-rules/versions", dependencies=[permission("priority_rules.read")])
async def list_versions(tx: Tx, page: Page) -> Listed[VersionAnswer]:
    """All versions ever published, newest first."""
    before = 2**31 - 1 if page.after_int is None else page.after_int
    found = await store.versions(tx.conn, PRIORITY_RULES, before=before, limit=page.fetch)
    answers = [
        VersionAnswer(
            version=p.version,
            rules=len(p.rules),
            published_at=p.published_at or tx.now,
            published_by=p.published_by or "",
        )
        for p in found
    ]
    return page.of(answers, lambda published: published.version)


@router.get("/priority-rules/versions/{version}", dependencies=[permission("priority_rules.read")])
async def read_version(version: Number, tx: Tx) -> RulesAnswer:
    """One version as it was published."""
    found = await store.one(tx.conn, PRIORITY_RULES, version)
    if found is None:
        raise NotFound(f"there is no version {version} of the priority rules", version=version)
    return _rules(found)


@router.post("/priority-rules/versions/{version}/rollback")
async def roll_back(
    version: Number,
    response: Response,
    tx: Tx,
    expected: IfMatch,
    caller: Annotated[Caller, needs("priority_rules.edit")],
) -> RulesAnswer:
    """Publishes a copy of an older version; nothing is lost. `If-Match` names the version in force."""
    published = await commands.roll_back(tx.conn, tx.now, PRIORITY_RULES, version, actor=caller.actor, version=expected)
    set_etag(response, published.version)
    return _rules(published)


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

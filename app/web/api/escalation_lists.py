"""`/support-tiers` and `/escalation-matrix`: short lists, edited as a whole."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Response

from app.escalation import list_store, lists
from app.escalation.list_documents import EscalationMatrixEdit, MatrixRow, SupportTier, SupportTiersEdit
from app.web.auth import Caller, needs, permission
from app.web.dependencies import Tx
from app.web.models import Answer
from app.web.versions import IfMatch, set_etag

router = APIRouter(tags=["escalation policies"])


class SupportTiersAnswer(Answer):
    """All higher support tiers; `version` is the ETag."""

    version: int
    tiers: list[SupportTier]


class EscalationMatrixAnswer(Answer):
    """Who is informed by priority, and how often an update is due; `version` is the ETag."""

    version: int
    rows: list[MatrixRow]


@router.get("/support-tiers", dependencies=[permission("policies.read")])
async def read_support_tiers(response: Response, tx: Tx) -> SupportTiersAnswer:
    """The policies of tiers 2 and 3, of teams and of services."""
    version = await list_store.version(tx.conn, "support_tiers")
    set_etag(response, version)
    return SupportTiersAnswer(version=version, tiers=await list_store.tiers(tx.conn))


@router.put("/support-tiers")
async def set_support_tiers(
    body: SupportTiersEdit,
    response: Response,
    tx: Tx,
    expected: IfMatch,
    caller: Annotated[Caller, needs("support_tiers.edit")],
) -> SupportTiersAnswer:
    """Puts these in place of all support tiers."""
    tiers, version = await lists.set_tiers(tx.conn, tx.now, body, actor=caller.actor, version=expected)
    set_etag(response, version)
    return SupportTiersAnswer(version=version, tiers=tiers)


@router.get("/escalation-matrix", dependencies=[permission("policies.read")])
async def read_escalation_matrix(response: Response, tx: Tx) -> EscalationMatrixAnswer:
    """Who is informed of incidents of which priority, and when updates are due."""
    version = await list_store.version(tx.conn, "matrix")
    set_etag(response, version)
    return EscalationMatrixAnswer(version=version, rows=await list_store.matrix(tx.conn))


@router.put("/escalation-matrix")
async def set_escalation_matrix(
    body: EscalationMatrixEdit,
    response: Response,
    tx: Tx,
    expected: IfMatch,
    caller: Annotated[Caller, needs("escalation_matrix.edit")],
) -> EscalationMatrixAnswer:
    """Puts these in place of all rows; who is being informed already goes on as it was."""
    rows, version = await lists.set_matrix(tx.conn, tx.now, body, actor=caller.actor, version=expected)
    set_etag(response, version)
    return EscalationMatrixAnswer(version=version, rows=rows)

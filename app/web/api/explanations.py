"""`/explanation` of a receipt, an alert or an incident: what each stage decided, and because of which rule."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path

from app.rehearsal import explanation
from app.rehearsal.explanation import Explanation
from app.rehearsal.stages import StageName
from app.web.auth import permission
from app.web.dependencies import Tx
from app.web.models import Answer

router = APIRouter()

Number = Annotated[int, Path(ge=1, lt=2**63)]


class StageAnswer(Answer):
    """One decision. `decided` and `because` are sentences. `rule` (its key), `scope` (`organisation`,
    `service:checkout`) and `version` (of the rule set) are null where no rule decided."""

    stage: StageName
    at: datetime
    decided: str
    because: str
    rule: str | None
    scope: str | None
    version: int | None
    alert: UUID | None
    incident: int | None


class ExplanationAnswer(Answer):
    """In the order in which it happened. `complete` false: there was more than is told here."""

    stages: list[StageAnswer]
    complete: bool


def _answer(explained: Explanation) -> ExplanationAnswer:
    return ExplanationAnswer.model_validate(explained)


@router.get("/receipts/{receipt_id}/explanation", tags=["receipts"], dependencies=[permission("receipts.read")])
async def explain_receipt(receipt_id: UUID, tx: Tx) -> ExplanationAnswer:
    """What became of a request and why, up to who was paged."""
    return _answer(await explanation.of_receipt(tx.conn, receipt_id))


@router.get("/alerts/{alert_id}/explanation", tags=["incidents"], dependencies=[permission("incidents.read")])
async def explain_alert(alert_id: UUID, tx: Tx) -> ExplanationAnswer:
    """Why an alert was counted, kept quiet, joined to an incident, paged for. Its newest 50 occurrences."""
    return _answer(await explanation.of_alert(tx.conn, alert_id))


@router.get("/incidents/{number}/explanation", tags=["incidents"], dependencies=[permission("incidents.read")])
async def explain_incident(number: Number, tx: Tx) -> ExplanationAnswer:
    """Why there is this incident, with this priority, and why these people were paged."""
    return _answer(await explanation.of_incident(tx.conn, number))

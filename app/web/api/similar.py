"""What incidents were and what fixed them, said when they are over; and which others are like one."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Response
from pydantic import Field

from app.incidents import explaining
from app.incidents.similar import similar
from app.web.api.incident_models import ActionAnswer, Said, incident_answer
from app.web.api.incidents import Number, Responding, detail_of, incident_id, responder
from app.web.auth import permission
from app.web.dependencies import Tx
from app.web.models import Answer, Body, example
from app.web.pages import Listed
from app.web.versions import IfMatch, set_etag

router = APIRouter(prefix="/incidents", tags=["incidents"])


class SimilarAnswer(Answer):
    """Another incident that is like this one. `why`: reasons, the strongest first."""

    number: int
    title: str
    state: Literal["triggered", "acknowledged", "mitigated", "resolved", "closed"]
    priority: Annotated[int, Field(ge=1, le=5)]
    service: str
    opened_at: datetime
    resolved_at: datetime | None
    cause: str
    fix: str
    why: list[str]
    score: float
    """Only ranks; what counts how much may change."""


class CauseAndFixBody(Body):
    model_config = example(cause="disk full", fix="rotating the logs") | {"extra": "forbid", "strict": True}

    cause: Said
    fix: Said


@router.get("/{number}/similar", dependencies=[permission("incidents.read")])
async def read_similar(number: Number, tx: Tx) -> Listed[SimilarAnswer]:
    """At most five other incidents that are like it, opened 90 days before it to 90 days after, the most similar
    first; with what they were and what fixed them, where somebody said."""
    found = await similar(tx.conn, await incident_id(tx.conn, number))
    return Listed(items=[SimilarAnswer.model_validate(one) for one in found], next=None)


@router.put("/{number}/cause-and-fix")
async def put_cause_and_fix(
    number: Number, body: CauseAndFixBody, tx: Tx, caller: Responding, expected: IfMatch, response: Response
) -> ActionAnswer:
    """Says, or corrects, what an incident that is over was and what fixed it; empty: nobody knows. 409 `not_resolved`
    while it is open."""
    found_id = await incident_id(tx.conn, number)
    await explaining.explain(
        tx.conn, tx.now, found_id, responder(caller), cause=body.cause, fix=body.fix, version=expected
    )
    incident = incident_answer(await detail_of(tx.conn, number))
    set_etag(response, incident.version)
    return ActionAnswer(result="done", incident=incident)

"""`/drills`: marked test pages along the real path, and what they showed."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request, Response

from app.incidents.commands import Responder
from app.proof import drill_store, drills
from app.proof.drill_document import DrillDocument
from app.proof.drill_store import StoredDrill
from app.web.api.on_call_answers import Person
from app.web.auth import Caller, needs, permission
from app.web.dependencies import Transaction, Tx
from app.web.idempotency import Route, idempotent
from app.web.models import Answer, Key
from app.web.pages import Listed, Page

router = APIRouter(prefix="/drills", tags=["reachability"], route_class=Route)

DrillId = Annotated[UUID, Path()]
Starting = Annotated[Caller, needs("drills.start")]


class DrilledTarget(Answer):
    """As it was called when the drill began."""

    type: Literal["user", "schedule", "service"]
    key: str
    name: str


class DrilledPerson(Answer):
    """`result`: `acknowledged`; `delivered`, as the provider says; `sent`, where nobody can say more, as with mail;
    `missed`; `spared`, when it was over before a message was due. Seconds count from the first message to them."""

    user: Person
    step: int | None
    result: Literal["acknowledged", "delivered", "sent", "missed", "spared"]
    by: str | None
    reached_after_s: float | None
    acknowledged_after_s: float | None
    because: str


class DrillAnswer(Answer):
    """A drill. `incident` is the number of its incident, flagged `drill`. `outcome` is null while it is under way:
    `acknowledged`, `unanswered` (its ladder ended), `ended` (by a person). `unreachable`: whom no message could be made
    for. `missed` counts these, too. Score and people are final once it is over."""

    id: UUID
    target: DrilledTarget
    incident: int
    loudness: Literal["loud", "quiet"]
    last_resort: bool
    note: str
    started_by: str
    started_at: datetime
    ended_at: datetime | None
    outcome: Literal["acknowledged", "unanswered", "ended"] | None
    paged: int
    reached: int
    acknowledged: int
    missed: int
    first_answer_s: float | None
    unreachable: list[str]
    people: list[DrilledPerson]


async def answer(tx: Transaction, drill: StoredDrill) -> DrillAnswer:
    score = await drills.scored(tx.conn, drill)
    people = [{**p, "user": {"key": p["user"], "name": p["name"]}} for p in score.pop("people")]
    target = {"type": drill.target_type, "key": drill.target_key, "name": drill.target_name}
    shown = {
        name: getattr(drill, name) for name in StoredDrill.__dataclass_fields__ if name in DrillAnswer.model_fields
    }
    return DrillAnswer.model_validate(shown | score | {"people": people, "target": target})


@router.get("", dependencies=[permission("drills.read")])
async def list_drills(
    tx: Tx,
    page: Page,
    target_type: Annotated[Literal["user", "schedule", "service"] | None, Query()] = None,
    target: Annotated[Key | None, Query(description="The key of what it was for.")] = None,
) -> Listed[DrillAnswer]:
    """The newest first."""
    found = await drill_store.drills(tx.conn, type_=target_type, key=target, before=page.after_uuid, limit=page.fetch)
    return page.of([await answer(tx, drill) for drill in found], lambda drill: str(drill.id))


@router.post("", status_code=201, dependencies=[idempotent])
async def start_drill(
    body: DrillDocument, request: Request, response: Response, tx: Tx, caller: Starting
) -> DrillAnswer:
    """Pages a person, whoever is on call in a schedule, or along the policy of a service, with messages that say that
    they are a drill. An acknowledgement ends it. Managers of the team, and admins. 409 `drill_under_way`, `no_service`,
    `no_policy`."""
    drill = await drills.start(tx.conn, tx.now, body, caller, tx.channels)
    tx.after_commit(request.app.state.wake)
    response.headers["Location"] = f"/api/v1/drills/{drill.id}"
    return await answer(tx, drill)


@router.get("/{drill_id}", dependencies=[permission("drills.read")])
async def read_drill(drill_id: DrillId, tx: Tx) -> DrillAnswer:
    """One drill, with how it stands while it is under way."""
    return await answer(tx, await drills.read(tx.conn, drill_id))


@router.post("/{drill_id}/end")
async def end_drill(drill_id: DrillId, tx: Tx, caller: Starting) -> DrillAnswer:
    """Ends a drill that is under way; one that is over stays as it is."""
    who = Responder(caller.user_id, caller.user_key or caller.actor.partition(":")[2], caller.name, "api")
    return await answer(tx, await drills.end(tx.conn, tx.now, drill_id, who, caller))

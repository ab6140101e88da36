"""`/policies` and `/last-resort`: escalation policies, and who is paged when nobody else was reached."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Response

from app.escalation import last_resort, policies, policy_store
from app.escalation.policy_document import LastResort, PolicyDocument, PolicyEdit, Target
from app.escalation.policy_store import StoredPolicy
from app.web.auth import Caller, needs, permission
from app.web.dependencies import ChannelsGiven, Transaction, Tx
from app.web.idempotency import Route, idempotent
from app.web.models import Answer, Key
from app.web.pages import Listed, Page
from app.web.versions import IfMatch, set_etag

router = APIRouter(tags=["escalation policies"], route_class=Route)


class PolicyAnswer(PolicyDocument):
    """A policy as it is now; `version` is its ETag."""

    version: int
    created_at: datetime
    updated_at: datetime


class LastResortAnswer(Answer):
    """Whom the last resort pages; nobody before somebody has said so."""

    targets: list[Target]


class ReachedAnswer(Answer):
    """Somebody who would be paged now, why, and by which channels."""

    name: str
    because: str
    channels: list[str]


class LastResortPreview(Answer):
    """`not_reached`: why others of it cannot be paged now; `findings`: what is wrong with it, in sentences."""

    reached: list[ReachedAnswer]
    not_reached: str
    findings: list[str]


def _answer(stored: StoredPolicy) -> PolicyAnswer:
    return PolicyAnswer(
        **stored.document.model_dump(),
        version=stored.version,
        created_at=stored.created_at,
        updated_at=stored.updated_at,
    )


async def require_team(tx: Transaction, caller: Caller, *keys: str | None) -> None:
    caller.require_team(*[await policy_store.find_team(tx.conn, key) if key else None for key in keys])


@router.get("/policies", dependencies=[permission("policies.read")])
async def list_policies(tx: Tx, page: Page) -> Listed[PolicyAnswer]:
    """Escalation policies in the order of their keys."""
    found = await policy_store.policies(tx.conn, after=page.after_text, limit=page.fetch)
    return page.of([_answer(stored) for stored in found], lambda policy: policy.key)


@router.post("/policies", status_code=201, dependencies=[idempotent])
async def create_policy(
    body: PolicyDocument, response: Response, tx: Tx, caller: Annotated[Caller, needs("policies.edit")]
) -> PolicyAnswer:
    """Makes a policy. A step's `delay_s` (30 seconds or more) is the wait before the next step; people who should be
    paged at the same time are targets of the same step."""
    await require_team(tx, caller, body.team)
    stored = await policies.create(tx.conn, tx.now, body, actor=caller.actor)
    response.headers["Location"] = f"/api/v1/policies/{body.key}"
    set_etag(response, stored.version)
    return _answer(stored)


@router.get("/policies/{key}", dependencies=[permission("policies.read")])
async def read_policy(key: Key, response: Response, tx: Tx) -> PolicyAnswer:
    """One policy."""
    stored = await policies.read(tx.conn, key)
    set_etag(response, stored.version)
    return _answer(stored)


@router.put("/policies/{key}")
async def edit_policy(
    key: Key,
    body: PolicyEdit,
    response: Response,
    tx: Tx,
    expected: IfMatch,
    caller: Annotated[Caller, needs("policies.edit")],
) -> PolicyAnswer:
    """Puts a whole policy in place. Incidents that escalate now keep the copy they began with."""
    before = await policies.read(tx.conn, key)
    await require_team(tx, caller, before.document.team, body.team)
    stored = await policies.edit(tx.conn, tx.now, key, body, actor=caller.actor, version=expected)
    set_etag(response, stored.version)
    return _answer(stored)


@router.delete("/policies/{key}", status_code=204)
async def delete_policy(key: Key, tx: Tx, expected: IfMatch, caller: Annotated[Caller, needs("policies.edit")]) -> None:
    """Removes a policy that nothing uses; 409 `in_use` lists in `used_by` what does."""
    before = await policies.read(tx.conn, key)
    await require_team(tx, caller, before.document.team)
    await policies.delete(tx.conn, tx.now, key, actor=caller.actor, version=expected)


@router.get("/last-resort", dependencies=[permission("policies.read")])
async def read_last_resort(tx: Tx) -> LastResortAnswer:
    """Who is paged when nobody else was reached."""
    return LastResortAnswer(targets=await policy_store.last_resort_by_key(tx.conn))


@router.post("/last-resort/preview", dependencies=[permission("policies.read")])
async def preview_last_resort(body: LastResort, tx: Tx, channels: ChannelsGiven) -> LastResortPreview:
    """What a last resort would be, without a change: who of it can be reached now, and what is wrong with it."""
    found = await last_resort.look(tx.conn, body.targets, list(channels), tx.now)
    people = [ReachedAnswer(name=r.name, because=r.because, channels=list(r.channels)) for r in found.reached]
    return LastResortPreview(reached=people, not_reached=found.because, findings=list(found.findings))


@router.put("/last-resort")
async def set_last_resort(body: LastResort, tx: Tx, caller: Annotated[Caller, needs("last_resort.edit")]) -> LastResort:
    """Says who is paged when nobody else was reached. It cannot be nobody."""
    return await policies.set_last_resort(tx.conn, tx.now, body, actor=caller.actor)

"""`/receipts` and `/quarantine`: what became of every request of a sender, and what could not be processed."""

from __future__ import annotations

from base64 import b64encode
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from app.access.identify import API_KEY_PREFIX, hashed
from app.errors import NotFound
from app.ingest import commands, store
from app.web.auth import COOKIE, identify, permission, public
from app.web.dependencies import Transaction, Tx
from app.web.models import Answer, Key
from app.web.pages import Listed, Page
from app.web.problems import Unauthenticated

router = APIRouter(tags=["receipts"])

_bearer = HTTPBearer(auto_error=False, scheme_name="routing_key", description="The routing key that sent the request.")


class OutcomeAnswer(Answer):
    """What one event came to. `alert` is null for what went to quarantine."""

    index: int
    outcome: str
    alert: UUID | None


class ReceiptAnswer(Answer):
    """One authenticated request. `status` is what was answered; `error` why something of it was refused or kept,
    or what its sender waits for."""

    id: UUID
    at: datetime
    integration: str
    source: str
    status: int
    size: int
    error: str | None
    events: list[OutcomeAnswer]


class QuarantinedAnswer(Answer):
    """`kind`: `body` could not be parsed at all, `event` was refused alone, `batch` failed while it was processed."""

    id: UUID
    integration: str
    source: str
    receipt_id: UUID | None
    kind: Literal["body", "event", "batch"]
    state: Literal["waiting", "replayed", "discarded"]
    at: datetime
    last_at: datetime
    count: int
    error: str
    replayed_at: datetime | None
    replay_receipt_id: UUID | None


class QuarantinedBodyAnswer(QuarantinedAnswer):
    """With the bytes: as text where they are UTF-8, else in base64."""

    headers: dict[str, str]
    body: str
    encoding: Literal["text", "base64"]


class ReplayAnswer(Answer):
    """What the replayed events came to."""

    receipt: UUID
    events: dict[str, int]


@router.get("/receipts", dependencies=[permission("receipts.read")])
async def list_receipts(
    tx: Tx, page: Page, integration: Annotated[Key, Query(description="The key of an integration.")]
) -> Listed[ReceiptAnswer]:
    """What an integration was sent, newest first: the place to look when a sender is being set up."""
    named = {"integration": integration, "before": page.after_uuid, "limit": page.fetch}
    rows = (await tx.conn.execute(store.RECEIPTS_PAGE, named)).mappings()
    return page.of([_receipt(row) for row in rows], lambda item: item.id)


@router.get("/receipts/{receipt_id}", dependencies=[public("a routing key may read its own receipts: checked inside")])
async def read_receipt(
    receipt_id: UUID,
    request: Request,
    tx: Tx,
    bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)] = None,
) -> ReceiptAnswer:
    """What became of each event of a request, and why. For callers who may read receipts, and for the routing key that
    sent it."""
    row = (await tx.conn.execute(store.RECEIPT, {"id": receipt_id})).mappings().first()
    if bearer is not None and not bearer.credentials.startswith(API_KEY_PREFIX):
        integration_id = await _integration_of(tx, bearer.credentials)
        if row is not None and row["integration_id"] != integration_id:
            row = None  # a routing key need not learn which receipts others have
    else:
        caller = await identify(request, tx, bearer, request.cookies.get(COOKIE))
        if caller is None:
            raise Unauthenticated
        caller.require("receipts.read")
    if row is None:
        raise NotFound("there is no such receipt", id=str(receipt_id))
    return _receipt(row)


def _receipt(row: Any) -> ReceiptAnswer:
    events = [{"index": i, "outcome": code, "alert": alert} for i, code, alert in row["outcomes"]]
    return ReceiptAnswer.model_validate(dict(row) | {"events": events})


async def _integration_of(tx: Transaction, routing_key: str) -> int:
    named = {"hash": hashed(routing_key), "now": tx.now}
    found: int | None = (await tx.conn.execute(store.INTEGRATION_OF_KEY, named)).scalar_one_or_none()
    if found is None:
        raise Unauthenticated("this routing key is not known")
    return found


@router.get("/quarantine", dependencies=[permission("quarantine.read")])
async def list_quarantine(
    tx: Tx,
    page: Page,
    state: Annotated[Literal["waiting", "replayed", "discarded", "all"], Query()] = "waiting",
    integration: Annotated[Key | None, Query()] = None,
) -> Listed[QuarantinedAnswer]:
    """What could not be processed, newest first."""
    named = {
        "before": page.after_uuid,
        "state": None if state == "all" else state,
        "integration": integration,
        "limit": page.fetch,
    }
    rows = (await tx.conn.execute(store.QUARANTINE_PAGE, named)).mappings()
    return page.of([QuarantinedAnswer.model_validate(row) for row in rows], lambda item: item.id)


@router.get("/quarantine/{quarantined_id}", dependencies=[permission("quarantine.read")])
async def read_quarantined(quarantined_id: UUID, tx: Tx) -> QuarantinedBodyAnswer:
    """One, with its bytes."""
    row = (await tx.conn.execute(store.QUARANTINED, {"id": quarantined_id})).mappings().first()
    if row is None:
        raise NotFound("there is no such quarantined body", id=str(quarantined_id))
    raw = bytes(row["body"])
    body: dict[str, Any]
    try:
        body = {"body": raw.decode(), "encoding": "text"}
    except UnicodeDecodeError:
        body = {"body": b64encode(raw).decode(), "encoding": "base64"}
    return QuarantinedBodyAnswer.model_validate(dict(row) | body)


@router.post("/quarantine/{quarantined_id}/replay", dependencies=[permission("quarantine.replay")])
async def replay(quarantined_id: UUID, request: Request, tx: Tx) -> ReplayAnswer:
    """Runs it along the road once more, after a fix. 409 `still_refused` when it still cannot be processed."""
    received = await request.app.state.replay(tx.conn, quarantined_id)
    tx.after_commit(request.app.state.wake)
    answer = received.answers[0]
    return ReplayAnswer(receipt=answer.receipt_id, events=commands.counted(answer.outcomes))


@router.post("/quarantine/{quarantined_id}/discard", status_code=204, dependencies=[permission("quarantine.replay")])
async def discard(quarantined_id: UUID, tx: Tx) -> None:
    """A person decided that it is not worth a replay."""
    await commands.discard(tx.conn, tx.now, quarantined_id)

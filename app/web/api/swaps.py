"""`/schedules/{schedule}/swaps`: somebody else is asked to take shifts; taken, it becomes overrides."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path, Query, Response

from app.notifications import swap_notices
from app.oncall import commands, swap_store, swaps
from app.oncall.override_document import SwapDocument
from app.oncall.swap_store import State, StoredSwap
from app.web.auth import Caller, needs, permission
from app.web.dependencies import ChannelsGiven, Tx
from app.web.idempotency import Route, idempotent
from app.web.models import Answer, Key
from app.web.pages import Listed, Page

router = APIRouter(prefix="/schedules/{schedule}/swaps", tags=["schedules"], route_class=Route)

SwapId = Annotated[int, Path(ge=1, lt=2**63)]
Responder = Annotated[Caller, needs("overrides.edit")]


class SwapAnswer(Answer):
    """`user` asks for somebody to take the shifts of `[starts_at, ends_at)`; `to`: only this person, who then gives
    those of `[return_starts_at, return_ends_at)` where there are any. `overrides` carry it out once it is taken.
    `void`: the shift was edited away, `because` says how."""

    id: int
    schedule: str
    user: str
    to: str | None
    starts_at: datetime
    ends_at: datetime
    return_starts_at: datetime | None
    return_ends_at: datetime | None
    comment: str
    state: State
    taken_by: str | None
    overrides: list[int]
    created_by: str
    created_at: datetime
    decided_by: str | None
    decided_at: datetime | None
    because: str


@router.get("", dependencies=[permission("schedules.read")])
async def list_swaps(
    schedule: Key,
    tx: Tx,
    page: Page,
    state: Annotated[State | None, Query()] = None,
) -> Listed[SwapAnswer]:
    """The swaps of a schedule, the newest first."""
    await commands.read(tx.conn, schedule)
    found = await swap_store.swaps(tx.conn, schedule, state=state, before=page.after_int, limit=page.fetch)
    return page.of([_answer(swap) for swap in found], lambda swap: swap.id)


@router.post("", status_code=201, dependencies=[idempotent])
async def ask_for_a_swap(
    schedule: Key, body: SwapDocument, response: Response, tx: Tx, channels: ChannelsGiven, caller: Responder
) -> SwapAnswer:
    """Asks for somebody to take your shifts of a time (as an admin: anybody's). Whom it is offered to is told, and
    you a day before when nobody took it. Until it is taken nothing changes. 409 `asked_already`."""
    swap = await swaps.ask(tx.conn, tx.now, schedule, body, caller)
    await swap_notices.offered(tx.conn, tx.now, swap, await commands.read(tx.conn, schedule), channels)
    response.headers["Location"] = f"/api/v1/schedules/{schedule}/swaps/{swap.id}"
    return _answer(swap)


@router.get("/{swap_id}", dependencies=[permission("schedules.read")])
async def read_swap(schedule: Key, swap_id: SwapId, tx: Tx) -> SwapAnswer:
    """One swap."""
    return _answer(await swaps.read(tx.conn, schedule, swap_id))


@router.post("/{swap_id}/take")
async def take_swap(schedule: Key, swap_id: SwapId, tx: Tx, channels: ChannelsGiven, caller: Responder) -> SwapAnswer:
    """Whoever it was offered to takes it, or whoever wants: overrides carry it out. Whoever asked is told, and you are
    reminded a day before. 409 `decided`, `over`, `own`, `no_shift`."""
    swap = await swaps.take(tx.conn, tx.now, schedule, swap_id, caller)
    await swap_notices.taken(tx.conn, tx.now, swap, await commands.read(tx.conn, schedule), channels)
    return _answer(swap)


@router.post("/{swap_id}/decline")
async def decline_swap(
    schedule: Key, swap_id: SwapId, tx: Tx, channels: ChannelsGiven, caller: Responder
) -> SwapAnswer:
    """Whoever it was offered to will not take it. Whoever asked is told."""
    swap = await swaps.decline(tx.conn, tx.now, schedule, swap_id, caller)
    await swap_notices.declined(tx.conn, tx.now, swap, await commands.read(tx.conn, schedule), channels)
    return _answer(swap)


@router.post("/{swap_id}/withdraw")
async def withdraw_swap(schedule: Key, swap_id: SwapId, tx: Tx, caller: Responder) -> SwapAnswer:
    """Whoever asked needs nobody any more. A swap that is taken is undone by withdrawing its overrides."""
    swap = await swaps.withdraw(tx.conn, tx.now, schedule, swap_id, caller)
    await swap_notices.decided(tx.conn, tx.now, swap)
    return _answer(swap)


def _answer(swap: StoredSwap) -> SwapAnswer:
    return SwapAnswer.model_validate(swap)

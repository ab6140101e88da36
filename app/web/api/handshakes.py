"""`/schedules/{schedule}/handshakes`: handoffs that whoever comes on call must confirm."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Request

from app.oncall import commands, handoff_store, handshakes, store
from app.oncall.handoff_store import StoredHandshake
from app.web.api.on_call_answers import Person, person
from app.web.auth import Caller, needs, permission
from app.web.dependencies import Transaction, Tx
from app.web.idempotency import Route
from app.web.models import Answer, Key
from app.web.pages import Listed, Page

router = APIRouter(prefix="/schedules/{schedule}/handshakes", tags=["schedules"], route_class=Route)

HandshakeId = Annotated[int, Path(ge=1, lt=2**63)]


class HandshakeAnswer(Answer):
    """Whether the handoff at `starts_at` is confirmed. While it is `open`, `outgoing` stay on call beside `incoming`
    until somebody confirms, at most until `ends_at`. It is `closed` when there is no such handoff any more, or its
    shift is over. `told_at`: when `outgoing` were told that they stay."""

    id: int
    schedule: str
    state: Literal["open", "confirmed", "closed"]
    starts_at: datetime
    ends_at: datetime
    incoming: list[Person]
    outgoing: list[Person]
    told_at: datetime | None
    decided_by: str | None
    decided_at: datetime | None


async def handshake_answers(tx: Transaction, found: Sequence[StoredHandshake]) -> list[HandshakeAnswer]:
    names = await store.names(tx.conn, {user for h in found for user in (*h.incoming, *h.outgoing)})
    return [
        HandshakeAnswer(
            id=h.id,
            schedule=h.schedule,
            state=h.state,
            starts_at=h.starts_at,
            ends_at=h.ends_at,
            incoming=[person(user, names) for user in h.incoming],
            outgoing=[person(user, names) for user in h.outgoing],
            told_at=h.told_at,
            decided_by=h.decided_by,
            decided_at=h.decided_at,
        )
        for h in found
    ]


@router.get("", dependencies=[permission("schedules.read")])
async def list_handshakes(schedule: Key, tx: Tx, page: Page) -> Listed[HandshakeAnswer]:
    """The handshakes of a schedule, the newest first."""
    await commands.read(tx.conn, schedule)
    found = await handoff_store.listed(tx.conn, schedule, before=page.after_int, limit=page.fetch)
    return page.of(await handshake_answers(tx, found), lambda handshake: handshake.id)


@router.post("/{handshake_id}/confirm")
async def confirm_handshake(
    schedule: Key,
    handshake_id: HandshakeId,
    request: Request,
    tx: Tx,
    caller: Annotated[Caller, needs("overrides.edit")],
) -> HandshakeAnswer:
    """Whoever comes on call has it (an admin may say so for them). Confirming again changes nothing. 403 `not_yours`,
    409 `over`."""
    answered = await handshakes.confirm_as(tx.conn, tx.now, schedule, handshake_id, caller)
    tx.after_commit(request.app.state.wake)
    return (await handshake_answers(tx, [answered.handshake]))[0]

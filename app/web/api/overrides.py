"""`/schedules/{schedule}/overrides`: a person put in place of whoever is on call."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path, Response

from app.oncall import commands, override_store, overriding
from app.oncall.override_document import OverrideDocument, OverrideKind
from app.web.api.on_call_answers import WindowWanted
from app.web.auth import Caller, needs, permission
from app.web.dependencies import Tx
from app.web.idempotency import Route, idempotent
from app.web.models import Answer, Key
from app.web.pages import Listed, Page

router = APIRouter(prefix="/schedules/{schedule}/overrides", tags=["schedules"], route_class=Route)


class OverrideAnswer(Answer):
    """`user` in place of everybody, or of `replaces`; besides them (`add`); nobody in the place of `replaces`
    (`remove`): during `[starts_at, ends_at)`. `swap`: the one it carries out."""

    id: int
    schedule: str
    kind: OverrideKind
    user: str | None
    replaces: str | None
    starts_at: datetime
    ends_at: datetime
    swap: int | None
    created_by: str
    created_at: datetime


@router.get("", dependencies=[permission("schedules.read")])
async def list_overrides(schedule: Key, tx: Tx, page: Page, window: WindowWanted) -> Listed[OverrideAnswer]:
    """The overrides that touch a window (28 days from now if left out), oldest first."""
    await commands.read(tx.conn, schedule)
    found = await override_store.overrides(
        tx.conn, schedule, (window.t0, window.t1), after=page.after_int or 0, limit=page.fetch
    )
    return page.of([OverrideAnswer.model_validate(o) for o in found], lambda override: override.id)


@router.post("", status_code=201, dependencies=[idempotent])
async def create_override(
    schedule: Key,
    body: OverrideDocument,
    response: Response,
    tx: Tx,
    caller: Annotated[Caller, needs("overrides.edit")],
) -> OverrideAnswer:
    """Puts a person in place, or besides whoever is on call, or takes one away, from now at the earliest: the past is
    not rewritten. 409 `overlapping` when another override replaces everybody at that time."""
    stored = await overriding.override(tx.conn, tx.now, schedule, body, actor=caller.actor)
    response.headers["Location"] = f"/api/v1/schedules/{schedule}/overrides/{stored.id}"
    return OverrideAnswer.model_validate(stored)


@router.delete("/{override_id}", status_code=204)
async def withdraw_override(
    schedule: Key,
    override_id: Annotated[int, Path(ge=1, lt=2**63)],
    tx: Tx,
    caller: Annotated[Caller, needs("overrides.edit")],
) -> None:
    """Removes an override to come, ends one that runs; one that is over stays on record (409 `over`)."""
    await overriding.withdraw_override(tx.conn, tx.now, schedule, override_id, actor=caller.actor)

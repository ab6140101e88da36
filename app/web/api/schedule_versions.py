"""`/schedules/{schedule}/versions`: what it said before, what is planned, and undo."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Response

from app.errors import NotFound
from app.oncall import commands, store, version_store
from app.oncall.schedule_document import AnyLayer, Like
from app.oncall.version_store import StoredVersion
from app.oncall.versions import layer_document
from app.web.api.schedules import ScheduleAnswer, require_team, schedule_answer
from app.web.auth import Caller, needs, permission
from app.web.dependencies import Tx
from app.web.idempotency import Route
from app.web.models import Answer, Key
from app.web.pages import Listed, Page
from app.web.versions import set_etag

router = APIRouter(prefix="/schedules/{schedule}/versions", tags=["schedules"], route_class=Route)

State = Literal["planned", "in_force", "past", "taken_back", "replaced"]
Number = Annotated[int, Path(ge=1, lt=2**31)]


class ScheduleVersionAnswer(Answer):
    """What a schedule says during `[effective_from, effective_until)` (null: since ever, until it is followed), who
    wrote it and when. `state`: `planned`, `in_force`, `past`; in force at no instant are `taken_back`, and
    `replaced` by an edit for the same instant. `undoes`: the version that it took back."""

    number: int
    state: State
    effective_from: datetime | None
    effective_until: datetime | None
    time_zone: str
    layers: list[AnyLayer]
    like: Like | None
    undoes: int | None
    created_by: str
    created_at: datetime


@router.get("", dependencies=[permission("schedules.read")])
async def list_versions(schedule: Key, tx: Tx, page: Page) -> Listed[ScheduleVersionAnswer]:
    """Its versions, the newest first."""
    found = await commands.versions(tx.conn, schedule, before=page.after_int, limit=page.fetch)
    return page.of(await _answers(tx, found), lambda version: version.number)


@router.get("/{number}", dependencies=[permission("schedules.read")])
async def read_version(schedule: Key, number: Number, tx: Tx) -> ScheduleVersionAnswer:
    """One version of it."""
    found = await commands.versions(tx.conn, schedule, before=number + 1, limit=1)
    if not found or found[0].number != number:
        raise NotFound(f"schedule {schedule!r} has no version {number}", key=schedule)
    return (await _answers(tx, found))[0]


@router.post("/{number}/undo")
async def undo_version(
    schedule: Key, number: Number, response: Response, tx: Tx, caller: Annotated[Caller, needs("schedules.edit")]
) -> ScheduleAnswer:
    """Takes the newest version back, when it is planned or has been in force for less than 15 minutes. Who was on call
    meanwhile stays on record. 409: `not_last`, `too_late`, `nothing_to_undo`."""
    before = await commands.read(tx.conn, schedule)
    await require_team(tx, caller, before.document.team)
    stored = await commands.undo(tx.conn, tx.now, schedule, number, actor=caller.actor)
    set_etag(response, stored.version)
    return schedule_answer(stored)


async def _answers(tx: Tx, found: list[StoredVersion]) -> list[ScheduleVersionAnswer]:
    layers: list[dict[str, Any]] = [layer for version in found for layer in version.layers]
    members = {user for layer in layers for turn in layer["members"] for user in turn}
    users = {user_id: key for user_id, (key, _) in (await store.names(tx.conn, members)).items()}
    calendars = await version_store.calendar_keys(tx.conn, layers)
    return [
        ScheduleVersionAnswer(
            number=version.number,
            state=_state(version, tx.now),
            effective_from=version.effective_from,
            effective_until=version.effective_until if version.was_ever else None,
            time_zone=version.time_zone,
            layers=[layer_document(layer, users, calendars) for layer in version.layers],
            like=Like(schedule=version.like, turns=version.like_turns) if version.like else None,
            undoes=version.undoes,
            created_by=version.created_by,
            created_at=version.created_at,
        )
        for version in found
    ]


def _state(version: StoredVersion, now: datetime) -> State:
    if not version.was_ever:
        return "taken_back" if version.taken_back else "replaced"
    if version.effective_from is not None and version.effective_from > now:
        return "planned"
    return "in_force" if version.effective_until is None or version.effective_until > now else "past"

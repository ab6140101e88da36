"""What a schedule said before: who was on call at an instant and why, its versions with who wrote them, undo."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final

from fastapi import APIRouter, Path, Query, Response
from fastapi.responses import RedirectResponse

from app import hours
from app.directory import store as directory
from app.oncall import commands
from app.oncall.commands import UNDO_WITHIN
from app.web.api import schedule_versions as api
from app.web.api.on_call import OnCallAnswer, who_is_on_call
from app.web.api.on_call_answers import this_era
from app.web.api.schedule_versions import ScheduleVersionAnswer
from app.web.models import Key
from app.web.pages import Page
from app.web.screens.entered import LOCAL_TIME, local_instant
from app.web.screens.reader import Reader, reads
from app.web.screens.rendering import HEADERS, local_field
from app.web.screens.schedule import manages
from app.web.screens.taking import Zone

router = APIRouter(prefix="/schedules/{key}", include_in_schema=False)

TOLD: Final = {"undone": "Undone: it is as the version before said. Who was on call meanwhile stays on record."}


@router.get("/history")
async def show_history(
    key: Key,
    reader: Annotated[Reader, reads("schedules.read")],
    page: Page,
    at: Annotated[str, Query(max_length=40)] = "",
    zone: Zone = "mine",
    told: Annotated[str, Query(max_length=30)] = "",
) -> Response:
    """`at`: a local time that is asked about, by the clocks of `zone`."""
    stored = await commands.read(reader.tx.conn, key)
    where = hours.zone(stored.document.time_zone) if zone == "schedule" else reader.zone
    wanted = local_instant(at, where) if at else None
    wrong = bool(at) and (wanted is None or not 1970 <= wanted.year < 3000)
    answer = await who_is_on_call(key, reader.tx, this_era(wanted, "at")) if wanted and not wrong else None
    listed = await api.list_versions(key, reader.tx, page)
    may_edit = await manages(reader, stored)
    return reader.shows(
        "schedule_history",
        422 if wrong else 200,
        schedule=stored.document,
        where=where,
        zone_of=zone,
        at=at or local_field(reader.tx.now, where),
        errors={"at": LOCAL_TIME} if wrong else {},
        answer=answer,
        made_by=await _version(reader, key, answer),
        versions=listed.items,
        following=listed.next,
        names=await _names(reader, listed.items),
        undoable=_undoable(listed.items, reader.tx.now) if may_edit else None,
        may_edit=may_edit,
        told=TOLD.get(told, ""),
    )


async def _version(reader: Reader, key: str, answer: OnCallAnswer | None) -> ScheduleVersionAnswer | None:
    """The version by which the question was answered."""
    return None if answer is None else await api.read_version(key, answer.version, reader.tx)


async def _names(reader: Reader, versions: list[ScheduleVersionAnswer]) -> dict[str, str]:
    keys = {user for version in versions for layer in version.layers for turn in layer.members for user in turn}
    users = await directory.users(reader.tx.conn, list(keys))
    return {stored.document.key: stored.document.name for stored in users}


def _undoable(versions: list[ScheduleVersionAnswer], now: datetime) -> int | None:
    """The newest version while it can be taken back, by the rule of `commands.undo`."""
    newest = next((v for v in versions if v.state in ("planned", "in_force")), None)
    if newest is None or newest.effective_from is None or newest.effective_until is not None:
        return None
    return newest.number if now - newest.effective_from <= UNDO_WITHIN else None


@router.post("/versions/{number}/undo")
async def undo(
    key: Key,
    number: Annotated[int, Path(ge=1, lt=2**31 - 1)],
    reader: Annotated[Reader, reads("schedules.edit")],
) -> Response:
    await api.undo_version(key, number, Response(), reader.tx, reader.caller)
    return RedirectResponse(f"/schedules/{key}/history?told=undone", 303, dict(HEADERS))

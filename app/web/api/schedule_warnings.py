"""`/schedule-warnings`: what was found in the next 48 hours of schedules, and who was told of it when."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query

from app.proof import warning_store
from app.web.api.on_call_answers import Person
from app.web.auth import permission
from app.web.dependencies import Tx
from app.web.idempotency import Route
from app.web.models import Answer, Key
from app.web.pages import Listed, Page

router = APIRouter(prefix="/schedule-warnings", tags=["reachability"], route_class=Route)


class ToldPerson(Answer):
    """`notification`: the state of the message; null when it is not kept any more."""

    user: Person
    notification: str | None


class ScheduleWarningAnswer(Answer):
    """A gap, or somebody on duty who cannot be reached. `state`: `open`; `mended`; `passed`, when the time came and it
    was still so. `repeats`: the earlier one at the same hours of which somebody was told; of this one nobody is."""

    id: int
    schedule: str
    code: Literal["gap", "unreachable"]
    user: Person | None
    starts_at: datetime
    ends_at: datetime
    state: Literal["open", "mended", "passed"]
    found_at: datetime
    over_at: datetime | None
    repeats: int | None
    told_at: datetime | None
    told: list[ToldPerson]


@router.get("", dependencies=[permission("schedules.read")])
async def list_schedule_warnings(
    tx: Tx,
    page: Page,
    schedule: Annotated[Key | None, Query()] = None,
    state: Annotated[Literal["open", "mended", "passed"] | None, Query()] = None,
) -> Listed[ScheduleWarningAnswer]:
    """The newest first."""
    found = await warning_store.listed(tx.conn, schedule=schedule, state=state, before=page.after_int, limit=page.fetch)
    return page.of([answer(row) for row in found], lambda warning: warning.id)


def answer(row: Any) -> ScheduleWarningAnswer:
    """Of a row of `warning_store.listed`."""
    shown = {name: getattr(row, name, None) for name in ScheduleWarningAnswer.model_fields}
    user = Person(key=row.user, name=row.user_name) if row.user else None
    told = [ToldPerson(user=Person(key=t["key"], name=t["name"]), notification=t["notification"]) for t in row.told]
    return ScheduleWarningAnswer.model_validate(shown | {"user": user, "repeats": row.repeats_id, "told": told})

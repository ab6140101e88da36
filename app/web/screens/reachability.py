"""Who can be reached, who is on duty in the schedules, which drills there were, and beginning one."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import ValidationError

from app.directory import service_store
from app.errors import Refusal
from app.oncall import store as oncall
from app.proof import drill_store, reachability
from app.proof.drill_document import DrillDocument
from app.proof.levels import WORDS, Level
from app.web.api import drills as api
from app.web.pages import Page, PageWanted, decode, encode
from app.web.problems import status_of
from app.web.screens.entered import Entered, wrongs
from app.web.screens.reader import Reader, reads
from app.web.screens.rendering import HEADERS

router = APIRouter(prefix="/reachability", include_in_schema=False)

SCHEDULES: Final = 20
DRILLS: Final = 10
CHOICES: Final = 1000
NOT_READY: Final[tuple[Level, ...]] = ("not_reachable", "partly")
RESULTS: Final = {
    "acknowledged": "acknowledged",
    "delivered": "reached, did not answer",
    "sent": "sent, did not answer",
    "missed": "missed",
    "spared": "not asked, it was over before",
}


class DrillForm(Entered):
    type: Literal["user", "schedule", "service"] = "user"
    key: str = ""
    note: str = ""
    last_resort: str = ""


@router.get("")
async def show_reachability(
    reader: Annotated[Reader, reads("reachability.read")],
    page: Page,
    everybody: Annotated[str, Query(max_length=5)] = "",
    schedules: Annotated[str, Query(max_length=200)] = "",
    told: Annotated[str, Query(max_length=20)] = "",
) -> Response:
    """People who are not ready, or `everybody`; a slice of the schedules with whoever is on duty; the newest drills."""
    said = "The drill has begun: whoever is paged acknowledges it." if told == "begun" else ""
    return await _show(reader, page, everybody=bool(everybody), schedules=schedules, told=said)


async def _show(
    reader: Reader,
    page: PageWanted,
    *,
    everybody: bool = False,
    schedules: str = "",
    told: str = "",
    wrong: str = "",
    status: int = 200,
) -> Response:
    tx = reader.tx
    levels = () if everybody else NOT_READY
    people = await reachability.people(
        tx.conn, tx.now, tx.channels, levels=levels, after=page.after_text, limit=page.fetch
    )
    listed = page.of(people, lambda person: person.key)
    after = str(decode(schedules)[0]) if schedules else ""
    stored = await oncall.documents(tx.conn, after=after, limit=SCHEDULES + 1)
    shown = stored[:SCHEDULES]
    duty = await reachability.of_schedules(tx.conn, tx.now, tx.channels, [s.id for s in shown])
    services = await service_store.services(tx.conn, limit=CHOICES) if reader.caller.may("drills.start") else []
    return reader.shows(
        "reachability",
        status,
        told=told,
        wrong=wrong,
        people=listed.items,
        following=listed.next,
        everybody=everybody,
        words=WORDS,
        schedules=[(s.document, duty[s.id]) for s in shown],
        schedules_following=encode(shown[-1].document.key) if len(stored) > SCHEDULES else "",
        days=reachability.AHEAD,
        services=[(s.document.key, s.document.name) for s in services if reader.caller.manages(s.team_id)],
        drills=[await api.answer(tx, drill) for drill in await drill_store.drills(tx.conn, limit=DRILLS)],
        results=RESULTS,
        may=reader.caller.may("drills.start"),
    )


@router.post("/drills")
async def begin_drill(
    request: Request,
    reader: Annotated[Reader, reads("drills.start")],
    page: Page,
    form: Annotated[DrillForm, Form()],
) -> Response:
    """As the API begins one."""
    try:
        target = {"type": form.type, "key": form.key}
        wanted = DrillDocument.model_validate(
            {"target": target, "note": form.note, "last_resort": bool(form.last_resort)}
        )
        await api.start_drill(wanted, request, Response(), reader.tx, reader.caller)
    except (ValidationError, Refusal) as refused:
        said = "; ".join(wrongs(refused, ()).values())
        status = status_of(refused) if isinstance(refused, Refusal) else 422
        return await _show(reader, page, wrong=f"No drill was begun: {said}.", status=status)
    return RedirectResponse("/reachability?told=begun", 303, dict(HEADERS))

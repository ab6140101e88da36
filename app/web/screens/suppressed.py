"""What fires and pages nobody, by what and until when; and silencing an incident. Silences: `silences.py`."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Form, Query, Response
from fastapi.responses import RedirectResponse

from app.alerts import silence_store, suppression_rules, suppression_store
from app.alerts.suppression_rules import INHIBITIONS, TIME_INTERVALS, WINDOWS
from app.incidents import silencing
from app.web.api.silences import SilenceAnswer, answers
from app.web.pages import PageWanted, decode, encode
from app.web.screens.actions import responder
from app.web.screens.incident import Number, found
from app.web.screens.reader import Reader, reads
from app.web.screens.rendering import HEADERS
from app.web.screens.silences import TOLD

router = APIRouter(include_in_schema=False)

Reading = Annotated[Reader, reads("silences.read")]
Editing = Annotated[Reader, reads("silences.edit")]
Minutes = Annotated[int, Form(ge=1, le=30 * 24 * 60)]
SHOWN: Final = 50
SILENCES: Final = 100


@router.get("/suppressed")
async def show_suppressed(
    reader: Reading,
    told: Annotated[str, Query(max_length=30)] = "",
    older: Annotated[str | None, Query(max_length=100)] = None,
) -> Response:
    """The screen. `older`: the occurrences before this one."""
    conn, now = reader.tx.conn, reader.tx.now
    before = PageWanted(SHOWN, None if older is None else decode(older)).after_uuid
    rows = await suppression_store.suppressed(conn, by=None, name=None, before=before, limit=SHOWN + 1)
    live: list[SilenceAnswer] = []
    for state in ("active", "pending"):
        stored = await silence_store.slice_(conn, now, state=_state(state), before=None, limit=SILENCES)
        live += await answers(reader.tx, stored)
    return reader.shows(
        "suppressed",
        told=TOLD.get(told, ""),
        occurrences=[row | {"until": _until(row), "said": _said(row["suppressed"])} for row in rows[:SHOWN]],
        older=encode(rows[SHOWN - 1]["id"]) if len(rows) > SHOWN else "",
        silences=live,
        rules=await _rules(reader),
        may=reader.caller.may("silences.edit"),
    )


def _state(word: str) -> Literal["active", "pending"]:
    return "active" if word == "active" else "pending"


def _said(why: dict[str, Any]) -> str:
    """`Silence: Ana silenced it: planned`. The reason of a rule begins with what it is."""
    because = str(why["because"])
    if not because.lower().startswith(f"{why['by']} "):
        because = f"{why['by']}: {because}"
    return because[:1].upper() + because[1:]


def _until(row: dict[str, Any]) -> datetime | None:
    text = row["suppressed"].get("until")
    return None if text is None else datetime.fromisoformat(text)


async def _rules(reader: Reader) -> list[dict[str, Any]]:
    """Windows, inhibition rules and time intervals with how much they suppress."""
    shown: list[dict[str, Any]] = []
    for kind in (WINDOWS, INHIBITIONS, TIME_INTERVALS):
        stored: list[Any] = await suppression_rules.listed(reader.tx.conn, kind, limit=SILENCES)
        tallies = await suppression_store.tallies(reader.tx.conn, kind.by) if stored else {}
        for each in stored:
            tally = tallies.get(each.document.key, suppression_store.Tally())
            shown.append({"by": kind.by, "name": each.document.name, "tally": tally, "document": each.document})
    return shown


@router.post("/incidents/{number}/silence")
async def silence_incident(
    number: Number,
    reader: Editing,
    for_minutes: Minutes = 120,
    comment: Annotated[str, Form(max_length=1_000)] = "",
) -> Response:
    """Its alerts page nobody for so long, and the one who presses has it."""
    detail = await found(reader, number)
    said = comment.strip() or f"from incident {number}"
    who = responder(reader)
    lasts = timedelta(minutes=for_minutes)
    await silencing.silence(reader.tx.conn, reader.tx.now, detail.id, who, lasts, said)
    return RedirectResponse(f"/incidents/{number}?told=silenced", 303, dict(HEADERS))

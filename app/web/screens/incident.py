"""One incident: how it stands, what comes next, what happened, who was told, and what one can do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request, Response

from app.directory import store as directory
from app.errors import NotFound
from app.escalation import answering
from app.escalation.reading import NextStep, beside, next_step
from app.incidents import by_hand, reading, recurrence, recurrence_store, storm_store
from app.incidents.similar import similar
from app.ingest import change_store
from app.notifications import health_store
from app.notifications import reading as notification_reading
from app.rehearsal import explanation
from app.web.link_view import ESCALATED, ESCALATED_QUIETLY, View
from app.web.pages import PageWanted, decode, encode
from app.web.screens.reader import Reader, reads
from app.web.screens.rendering import CHANNEL_WORDS, listed

router = APIRouter(include_in_schema=False)

Number = Annotated[int, Path(ge=1, le=2**63 - 1)]
ENTRIES: Final = 60
ALERTS: Final = 30
CHANGES: Final = 10
MESSAGES: Final = 60
PEOPLE: Final = 200
WHY: Final = 40
DECIDING: Final = ("routing", "suppression", "correlation", "priority")
"""The stages that "Why" tells: what came in, who was paged and who did what, other sections say."""
UNDO_WORDS: Final = {"merge": "merge", "split": "split", "move": "move", "symptom": "merge as a symptom"}

STALE: Final = "Nothing was done yet, because things changed since you looked. Please look again."
TOLD: Final = {
    "acknowledged": "You have it. Nobody else is paged.",
    "partly": "Thank you. Others must acknowledge as well; see below.",
    "late": "Somebody was faster; see below.",
    "over": "It was over before you pressed.",
    "escalated": ESCALATED,
    "escalated-quietly": ESCALATED_QUIETLY,
    "unacknowledged": "Nobody has it any more: it pages from the first step.",
    "reassigned": "Handed over: that person is being paged.",
    "snoozed": "Snoozed.",
    "silenced": "Its alerts are silenced, and you have it until then.",
    "mitigated": "The pain is over; it stays open until it is resolved.",
    "resolved": "Resolved.",
    "closed": "Closed.",
    "explained": "Kept, for the next time.",
    "noted": "The note is on the timeline.",
    "split": "Split off: this is an incident of its own now.",
    "moved": "Moved: the alert belongs to this incident now.",
    "merged": "Merged: this incident has all its alerts now.",
    "undone": "Taken back.",
    "pinned": "Pinned open: only a person resolves it.",
    "released": "No longer pinned open.",
    "opened": "Opened: whoever is on call is being paged.",
    "priority": "The priority is set by hand now.",
    "automatic": "The priority is automatic again.",
}
"""By the `told` of an address that an action leads to: only these sentences, whoever made the address."""


@dataclass(frozen=True, slots=True)
class Coming:
    """Something that happens next unless somebody responds: the ladder's next step, or a message that waits."""

    at: datetime
    text: str


async def found(reader: Reader, number: int) -> reading.IncidentDetail:
    """Raises `NotFound`."""
    detail = await reading.detail(reader.tx.conn, number)
    if detail is None:
        raise NotFound(f"there is no incident {number}", number=number)
    return detail


@router.get("/incidents/{number}")
async def show_incident(
    number: Number,
    request: Request,
    reader: Annotated[Reader, reads("incidents.read")],
    told: Annotated[str, Query(max_length=30)] = "",
    older: Annotated[str | None, Query(max_length=100)] = None,
) -> Response:
    """The screen. `older`: the timeline before this entry."""
    before = PageWanted(ENTRIES, None if older is None else decode(older)).after_uuid
    return await show(request, reader, await found(reader, number), TOLD.get(told, ""), before=before)


async def show(
    request: Request,
    reader: Reader,
    detail: reading.IncidentDetail,
    told: str = "",
    *,
    ask: int = 0,
    status: int = 200,
    before: UUID | None = None,
    confirm: Mapping[str, Any] | None = None,
    said: Mapping[str, str] | None = None,
) -> Response:
    """`ask`: so many alerts still fire; the screen asks before it resolves. `confirm`: a form that is asked about:
    `text`, `action`, `button`, `fields`. `said`: cause and fix from a form that was not carried out; kept in it."""
    conn, now = reader.tx.conn, reader.tx.now
    seen = await answering.standing(conn, detail.id, reader.caller.user_id or 0)
    messages = await notification_reading.of_incident(conn, detail.id, limit=MESSAGES)
    entries = await answering.latest(conn, detail.id, ENTRIES + 1, before)
    kept_days = request.app.state.settings.retention_history_days
    alerts = await reading.alerts(conn, detail.id, limit=ALERTS)
    returned = await recurrence_store.recurrence(conn, detail.id)
    may = reader.caller.may("incidents.respond") and reader.caller.user_id is not None
    return reader.shows(
        "incident",
        status,
        detail=detail,
        address=f"/incidents/{detail.number}" + (f"?older={encode(before)}" if before else ""),
        seen=seen,
        beside=await beside(conn, detail.id, detail.epoch),
        mine=reader.caller.user_id is not None and detail.acknowledged_by_id == reader.caller.user_id,
        may=may,
        view=View.of(seen) if seen else "",
        told=told,
        ask=ask,
        confirm=confirm,
        undoable=await by_hand.undoable(conn, detail.id, now) if may else None,
        coming=await _coming(reader, detail, list(request.app.state.channels), messages),
        messages=list(reversed(messages)),
        passed_over=await health_store.passed_over(conn, now),
        alerts=alerts,
        several=len({a["alert_id"] for a in alerts}) > 1,
        undo_words=UNDO_WORDS,
        said=said or {"cause": detail.cause or "", "fix": detail.fix or ""},
        returned=returned,
        returned_line=recurrence.line(returned, now),
        alike=await similar(conn, detail.id),
        storm_of=await storm_store.of_incident(conn, detail.id),
        changes=await change_store.around_incident(
            conn, detail.service_id, detail.opened_at, detail.resolved_at or now, limit=CHANGES
        ),
        entries=entries[:ENTRIES],
        why=[s for s in (await explanation.of_incident(conn, detail.number)).stages if s.stage in DECIDING][:WHY],
        dropped=None if len(entries) > ENTRIES else await reading.dropped(conn, detail.id, kept_days),
        older=encode(entries[ENTRIES - 1].id) if len(entries) > ENTRIES else "",
        people=await _people(reader) if may and detail.is_open else [],
    )


async def _coming(reader: Reader, detail: reading.IncidentDetail, channels: list[str], messages: Any) -> list[Coming]:
    """Once somebody has it, pages that wait are taken back; who is informed is told all the same."""
    if not detail.is_open:
        return []
    conn, now = reader.tx.conn, reader.tx.now
    following = await next_step(conn, detail.id, channels, now)
    informed = await next_step(conn, detail.id, channels, now, "inform")
    coming = [] if following is None else [Coming(following.at, _told(following))]
    coming += [] if informed is None else [Coming(informed.at, f"for information, {_told(informed)}")]
    for message in messages:
        if message["state"] == "pending" and (detail.state == "triggered" or message["purpose"] != "page"):
            word = CHANNEL_WORDS.get(message["channel"], message["channel"])
            why = f" ({message['because']})" if message["because"] else ""
            coming.append(Coming(message["due_at"], f"{message['user_name']} by {word}{why}"))
    return sorted(coming, key=lambda c: c.at)


def _told(following: NextStep) -> str:
    what = "last resort" if following.step is None else f"step {following.step} of round {following.round}"
    by = " and ".join(CHANNEL_WORDS.get(c, c) for c in following.channels)
    whom = listed(following.names) or "nobody can be reached"
    return f"{whom}{' by ' + by if by else ''} ({what})"


async def _people(reader: Reader) -> list[tuple[str, str]]:
    """Who may be handed an incident: (key, name)."""
    users = await directory.users(reader.tx.conn, limit=PEOPLE)
    return [(u.document.key, u.document.name) for u in users if u.document.active and u.document.role != "viewer"]

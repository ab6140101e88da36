"""⑪ What somebody does by text message, mail or keypress: the same commands as behind the link, then a sentence on how
it stands. Nothing is taken from anybody by accident: what others have is told, and stays theirs.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, Literal
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from app.channels import sms
from app.escalation import answering
from app.escalation import commands as escalation
from app.escalation.answering import Standing
from app.incidents import commands, remarks
from app.incidents import store as incident_store
from app.incidents.commands import Acknowledged, AlreadyAcknowledged, Responder, StillFiring
from app.notifications import mail_words, why
from app.notifications import reply_texts as texts
from app.notifications.meaning import Candidate
from app.notifications.replies import TAKING, Said

MOST_MINUTES: Final = {"acknowledge": 24 * 60, "snooze": 7 * 24 * 60}


def minutes_at_most(said: Said) -> int | None:
    """The limit that a command's minutes are beyond, or need to be named within; None where they are right."""
    most = MOST_MINUTES.get(said.verb)
    if most is None or (said.minutes is None and said.verb == "acknowledge"):
        return None
    return None if said.minutes is not None and 1 <= said.minutes <= most else most


def responder(one: Candidate, via: str) -> Responder:
    return Responder(one.user_id, one.user_key, one.user_name, via, one.notification_id)


Via = Literal["sms", "mail", "slack", "link"]
_WRITTEN: Final[dict[str, str]] = {"sms": "by SMS", "mail": "by mail", "slack": "in Slack"}


async def act(
    conn: AsyncConnection, now: datetime, said: Said, these: Sequence[Candidate], via: Via = "sms"
) -> list[str]:
    """Does it, and tells in as many texts as it takes. `these` are several for `acknowledge_all` and for a digest."""
    if said.verb == "acknowledge_all":
        return [await take_all(conn, now, [(c.incident_id, responder(c, via)) for c in these], these[0].user_id)]
    if len(these) > 1:
        return [await _several(conn, now, said, these, via)]
    (one,) = these
    if said.verb == "runbook" and via == "mail":
        return [mail_words.runbook(await _seen(conn, one))]
    if said.verb == "runbook":
        return texts.runbook(await _seen(conn, one), links=one.links and sms.carries_links(one.address))
    if said.verb == "why":
        it = await _seen(conn, one)
        because = await why.of(conn, one.notification_id, it.time_zone)
        return [texts.why(it, why.in_a_text(because) if because else "", one.user_id, now)]
    await incident_store.lock(conn, [one.incident_id])
    return [await _one(conn, now, said, one, via)]


async def _several(
    conn: AsyncConnection, now: datetime, said: Said, these: Sequence[Candidate], via: Via
) -> str:  # fmt: skip
    """One word for several incidents, each by itself: what one of them refuses does not keep the others from it."""
    await incident_store.lock(conn, [c.incident_id for c in these])  # in one order, whoever else takes several
    for one in these:
        await _one(conn, now, said, one, via)
    seen = [await _seen(conn, one) for one in these]
    if said.verb in TAKING:
        return texts.taken_all(seen, these[0].user_id, now, snoozed=said.verb == "snooze")
    return texts.resolved_all(seen, [one.code for one in these])


async def take_all(
    conn: AsyncConnection, now: datetime, these: Sequence[tuple[UUID, Responder]], reader_id: int
) -> str:
    """Acknowledges what nobody has of these incidents, each as its own responder. What became of each, in words."""
    for incident_id, who in sorted(these, key=lambda one: one[0]):  # locks in one order, whoever else takes several
        await commands.acknowledge(conn, now, incident_id, who)
    return await told_of(conn, now, [incident_id for incident_id, _ in these], reader_id)


async def told_of(conn: AsyncConnection, now: datetime, incidents: Sequence[UUID], reader_id: int) -> str:
    """Which of these incidents the reader has, and how the others stand."""
    return texts.taken_all([await _standing(conn, i, reader_id) for i in incidents], reader_id, now)


async def _standing(conn: AsyncConnection, incident_id: UUID, reader_id: int) -> Standing:
    seen = await answering.standing(conn, incident_id, reader_id)
    assert seen is not None, "somebody was paged about it"
    return seen


async def _seen(conn: AsyncConnection, one: Candidate) -> Standing:
    return await _standing(conn, one.incident_id, one.user_id)


async def _one(conn: AsyncConnection, now: datetime, said: Said, one: Candidate, via: Via) -> str:
    """Under the incident's lock."""
    before, who = await _seen(conn, one), responder(one, via)
    if not before.is_open:
        return texts.standing(before, one.user_id, now)
    if before.drill and said.verb not in ("acknowledge", "resolve", "resolve_anyway"):
        return texts.only_a_drill(before)
    match said.verb:
        case "acknowledge":
            return await _acknowledge(conn, now, one, who, None if before.drill else said.lasts)
        case "not_actionable":
            await remarks.not_actionable(conn, now, one.incident_id, who)
            told = await _acknowledge(conn, now, one, who, None)
            return f"Noted as not actionable. {told}"
        case "escalate":
            incident = (await incident_store.lock(conn, [one.incident_id]))[one.incident_id]
            await escalation.escalate_now(conn, now, incident, who)
            return texts.escalated(before)
        case "snooze":
            return await _snooze(conn, now, one, who, before, said.lasts or timedelta())
        case _:
            return await _resolve(conn, now, one, who, confirmed=said.verb == "resolve_anyway")


async def _acknowledge(
    conn: AsyncConnection, now: datetime, one: Candidate, who: Responder, promise: timedelta | None
) -> str:
    done = await commands.acknowledge(conn, now, one.incident_id, who)
    mine = isinstance(done, Acknowledged) or (isinstance(done, AlreadyAcknowledged) and done.by_id == one.user_id)
    if mine and promise is not None:
        await remarks.promise(conn, now, one.incident_id, who, now + promise)
    return texts.taken(await _seen(conn, one), one.user_id, now)


async def _snooze(
    conn: AsyncConnection, now: datetime, one: Candidate, who: Responder, before: Standing, lasts: timedelta
) -> str:
    if before.state != "triggered" and before.acknowledged_by_id not in (None, one.user_id):
        return texts.standing(before, one.user_id, now)
    await commands.snooze(conn, now, one.incident_id, who, now + lasts)
    return texts.taken(await _seen(conn, one), one.user_id, now)


async def _resolve(conn: AsyncConnection, now: datetime, one: Candidate, who: Responder, *, confirmed: bool) -> str:
    done = await commands.resolve(
        conn,
        now,
        one.incident_id,
        who,
        confirmed=confirmed,
        because=f"by {one.user_name}, {_WRITTEN[who.via]}",
    )
    if isinstance(done, StillFiring) and who.via == "slack":
        return texts.still_firing_here(done.firing)
    if isinstance(done, StillFiring):
        return texts.still_firing(await _seen(conn, one), one.code, done.firing)
    return texts.standing(await _seen(conn, one), one.user_id, now)

"""⑪ A call, from our side: what is said when somebody picks up, what a key does, and how the call went.

    4 acknowledge     6 escalate     9 resolve (once more while alerts still fire)     0 or * hear it again

Only a key counts (behaviour.md 8). A call that ends without one reached nobody, whoever or whatever picked up: the next
contact method follows at once, as for a message that did not arrive.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection

from app import metrics
from app.channels import twiml
from app.channels.channel import CallProgress, DeliveryReport, SendFailed, Status
from app.escalation import answering
from app.escalation import commands as escalation
from app.incidents import commands
from app.incidents import store as incident_store
from app.incidents.commands import Responder, StillFiring
from app.notifications import call_store, reading, reply_store, speech, template_cache
from app.notifications.call_store import Call
from app.notifications.reports import report_delivery

AGAIN: Final = frozenset({"0", "*"})
_FAULTS: Final[Mapping[str, str]] = {
    "busy": "the line was busy",
    "no-answer": "nobody picked up",
    "canceled": "the call was cancelled",
    "failed": "the call failed",
}
_UNHEARD: Final = "somebody or something picked up and pressed no key"


async def pick_up(conn: AsyncConnection, now: datetime, token_hash: bytes, action: str, progress: CallProgress) -> str:
    """TwiML for whoever picked up. `action`: where their key is posted to. Changes nothing, unless nothing is left to
    be done: then nobody else need be told either."""
    call = await call_store.find(conn, now, token_hash)
    if call is None or progress.machine:
        return twiml.hang_up()
    if not call.asks:
        about = await reading.carried(conn, call.notification_id)
        if about:
            words = speech.information(about[0], again=call.again)
        else:
            words = speech.message(call.purpose, call.content, again=call.again)
        return twiml.say(words, times=3 if call.purpose == "verification" else 2)
    waiting = await _waiting(conn, call)
    if not waiting:
        await _heard(conn, now, token_hash, progress, ())
        return twiml.say(speech.over(await reading.carried(conn, call.notification_id)))
    return twiml.ask(await _page(conn, now, call, waiting), action)


async def press(
    conn: AsyncConnection,
    now: datetime,
    token_hash: bytes,
    action: str,
    progress: CallProgress,
    channels: Collection[str],
    *,
    sure: bool,
) -> str:
    """TwiML after a key. `sure`: it answers the question whether to resolve although alerts still fire.

    The same key of the same call, handed over again by the provider, acts once.
    """
    call = await call_store.find(conn, now, token_hash)
    if call is None or not call.asks or progress.machine:  # greetings have tones in them; nobody would be woken
        return twiml.hang_up()
    await _heard(conn, now, token_hash, progress, channels)
    waiting = await _waiting(conn, call)
    key = progress.digits[:1]
    if key in AGAIN or (key not in "469" or not key):
        metrics.key_pressed("again")
        if not waiting:
            return twiml.say(await _told(conn, call))
        return twiml.ask(await _page(conn, now, call, waiting), action)
    once = f"{progress.provider_id}/{key}{'!' if sure else ''}"
    if await reply_store.keep(conn, now, once, call.address, f"key {key}", b""):
        metrics.key_pressed(key)
        if question := await _act(conn, now, call, key, waiting, sure=sure):
            return twiml.ask(question, f"{action}?sure=1", times=2)
    return twiml.say(await _told(conn, call))


async def _act(
    conn: AsyncConnection, now: datetime, call: Call, key: str, waiting: Sequence[Any], *, sure: bool
) -> str:
    """Does it to every incident of the call that is open. Returns what is to be asked first, if anything is."""
    who = Responder(call.user_id, call.user_key, call.user_name, "voice", call.notification_id)
    about = sorted({one.incident_id for one in waiting})
    locked = await incident_store.lock(conn, about)
    for incident_id in about:
        if key == "4":
            await commands.acknowledge(conn, now, incident_id, who)
        elif key == "6" and locked[incident_id].is_open:
            await escalation.escalate_now(conn, now, locked[incident_id], who)
        elif key == "9" and len(about) == 1:
            because = f"by {who.name}, by keypress"
            done = await commands.resolve(conn, now, incident_id, who, confirmed=sure, because=because)
            if isinstance(done, StillFiring):
                return speech.still_firing(done.firing)
    return ""


async def _waiting(conn: AsyncConnection, call: Call) -> list[Any]:
    """The incidents of the call for which its person may still be needed: nobody has them, or this person does not
    count as one of all who must acknowledge."""
    return [one for one in await reading.carried(conn, call.notification_id) if one.state == "triggered"]


async def _page(conn: AsyncConnection, now: datetime, call: Call, waiting: Sequence[Any]) -> str:
    """What is said of the incidents that wait, and the keys; in the words of a template where there is one."""
    if len(waiting) == 1 and waiting[0].notification_id == call.notification_id:
        words = await template_cache.spoken(conn, waiting[0], str(call.content.get("why", "")), now)
        if words:
            return f"{speech.AGAIN} {words} {speech.KEYS}" if call.again else f"{words} {speech.KEYS}"
    return speech.page(waiting, again=call.again)


async def _told(conn: AsyncConnection, call: Call) -> str:
    """How the incidents of the call stand now."""
    said = []
    for one in (await reading.carried(conn, call.notification_id))[: speech.NAMED]:
        seen = await answering.standing(conn, one.incident_id, call.user_id)
        if seen is not None:
            said.append(speech.standing(seen, call.user_id))
    return " ".join([*said, "Goodbye."])


async def _heard(
    conn: AsyncConnection, now: datetime, token_hash: bytes, progress: CallProgress, channels: Collection[str]
) -> None:
    """Before anything is done: a person is there, so no other contact method is needed."""
    await report_delivery(
        conn, now, token_hash, DeliveryReport(progress.provider, progress.provider_id, "read"), channels
    )


async def report(
    conn: AsyncConnection, now: datetime, token_hash: bytes, progress: CallProgress, channels: Collection[str]
) -> bool:
    """How the call went on. What reached nobody moves on at once. False: no such attempt."""
    call = await call_store.find(conn, now, token_hash)
    found = outcome_of(progress, asks=call is None or call.asks)
    return found is not None and await report_delivery(conn, now, token_hash, found, channels)


def outcome_of(progress: CallProgress, *, asks: bool) -> DeliveryReport | None:
    """A call's status as a notification's. None for a status this version does not know. `asks`: a key was needed."""
    status: Status
    fault: SendFailed | None = None
    match progress.status:
        case "queued" | "initiated" | "ringing" | "in-progress":
            status = progress.status
        case "completed" if not asks and not progress.machine:
            status = "delivered"
        case "completed":
            status = "undelivered"
            words = "an answering machine picked up" if progress.machine else _UNHEARD
            fault = SendFailed(words, code="machine" if progress.machine else "no-key")
        case "busy" | "no-answer" | "canceled" | "failed":
            status = progress.status
            sip = f" (SIP {progress.sip})" if progress.sip and progress.status == "failed" else ""
            fault = SendFailed(f"{_FAULTS[status]}{sip}", code=progress.sip if sip else status)
        case _:
            return None
    return DeliveryReport(progress.provider, progress.provider_id, status, fault)

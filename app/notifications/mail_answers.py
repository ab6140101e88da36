"""⑪ What comes in by mail: answers are acted on once and answered in the same thread, bounces are bad news about a
message (behaviour.md 5 and 8). Everything that a program sent by itself is ignored.

The signed address is the credential, as the link is: it says which mail is answered and whom that was sent to. The
sender must be a verified contact method of that person besides, so that whoever a page was forwarded to cannot act by
accident. Loops are cut as with text messages.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, Final
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from app import metrics
from app.access.links import Links
from app.channels.bounces import Bounce
from app.channels.channel import DeliveryReport, Status
from app.channels.mail import PROVIDER
from app.channels.mail_reading import Answer, Ignored, MailIn
from app.db import ids
from app.escalation import answering
from app.incidents import commands as incidents
from app.notifications import acting, mail_store, reply_store, replying, store
from app.notifications import mail_words as words
from app.notifications import reply_texts as texts
from app.notifications.mail_words import Written
from app.notifications.meaning import Candidate, meant, understood
from app.notifications.plan import Planned
from app.notifications.replies import Said
from app.notifications.reports import report_delivery

NOTES_AN_HOUR: Final = 20
SAME_NOTE_WITHIN: Final = timedelta(hours=12)

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Rules:
    """What the settings demand of answers. `links` makes and reads tokens."""

    links: Links
    must_authenticate: bool = False
    """Only what passed DMARC at the server that is trusted counts."""


async def receive(
    conn: AsyncConnection, now: datetime, rules: Rules, token: str, mail: MailIn, channels: Collection[str]
) -> str:
    """What a mail to the address with this token asks for is done. Returns in one word what became of it: a verb,
    `note`, `bounce`, or why it was ignored."""
    known = rules.links.read_mail_token(token)
    if known is None:
        return _count("unknown_address")
    kind, attempt_id = known
    match mail.read:
        case Ignored(why):
            log.info("mail_ignored", why=why)
            return _count("ignored", why)
        case Bounce() as bounce:
            return await _bounced(conn, now, rules, attempt_id, bounce, channels)
        case Answer() as answer:
            if kind == "bounce":  # an address that no person was told to write to
                return _count("ignored", "bounce_address")
            return await _answered(conn, now, rules, attempt_id, mail.identity, answer)


def _count(verb: str, told: str = "") -> str:
    metrics.reply(verb, "mail")
    return told or verb


async def _bounced(
    conn: AsyncConnection, now: datetime, rules: Rules, attempt_id: UUID, bounce: Bounce, channels: Collection[str]
) -> str:
    """A mail that came back moves on to the next contact method, then to the next person, now."""
    fault = bounce.fault
    metrics.bounced(bounce.kind, hard=bounce.hard)
    if bounce.kind == "delayed" and fault is not None:
        await mail_store.delayed(conn, attempt_id, fault.code, str(fault))
        return "delayed"
    status: Status = "delivered" if bounce.kind == "delivered" else "undelivered"
    report = DeliveryReport(PROVIDER, "", status, fault)
    callback = rules.links.hash(rules.links.callback_token(attempt_id))
    if not await report_delivery(conn, now, callback, report, channels):
        return "unknown_mail"
    if fault is not None:
        metrics.provider_error("mail", fault.code)
        log.warning("mail_bounced", kind=bounce.kind, code=fault.code, permanent=fault.permanent,
                    configuration=fault.configuration)  # fmt: skip
    return "bounce"


async def _answered(
    conn: AsyncConnection, now: datetime, rules: Rules, attempt_id: UUID, identity: str, answer: Answer
) -> str:
    sent = await mail_store.mail(conn, attempt_id)
    if sent is None or not sent.active:
        return _count("unknown_address")
    method = await mail_store.method(conn, sent.user_id, answer.sender)
    if method is None:
        log.info("mail_from_unknown_sender", sender=words.hidden(answer.sender), user=sent.user_key)
        return _count("unknown_sender")
    if rules.must_authenticate and not answer.authenticated:
        log.warning("mail_not_authenticated", sender=words.hidden(answer.sender), user=sent.user_key)
        return _count("not_authenticated")
    written = words.written(answer.text)
    hash_ = sha256(" ".join(answer.text.casefold().split()).encode("utf-8", "replace")).digest()
    if not await reply_store.keep(conn, now, f"mail:{identity}", method.address, written.verb, hash_):
        return _count("repeated")
    _count(written.verb)
    candidates = await mail_store.candidates(conn, sent.about, sent.user_id, now)
    if written.note and await _too_much(conn, now, method.address, hash_, identity):
        return _count("not_answered")
    said = await _answer(conn, now, written, candidates)
    if await replying.may_answer(conn, now, method.address, written.verb, hash_):
        await _queue(conn, now, identity, answer, said, sent, method, candidates)
        await reply_store.mark_answered(conn, f"mail:{identity}")
    else:
        _count("not_answered")
    return written.verb


async def _too_much(conn: AsyncConnection, now: datetime, address: str, hash_: bytes, identity: str) -> bool:
    """A program that does not say that it is one answers every answer: its notes must not fill the timeline."""
    lately, the_same = await mail_store.noted(conn, now, address, hash_, f"mail:{identity}", SAME_NOTE_WITHIN)
    return the_same or lately >= NOTES_AN_HOUR


async def _answer(conn: AsyncConnection, now: datetime, written: Written, candidates: Sequence[Candidate]) -> str:
    said = written.said
    if written.note:
        return await _note(conn, now, written, candidates)
    if said.verb == "help":
        return words.help_text(candidates)
    said = understood(said, candidates)
    found = meant(said, candidates)
    if not found.these:
        return words.ask(found, said)
    if (most := acting.minutes_at_most(said)) is not None:
        return texts.needs_minutes(Said(said.verb), most)
    return "\n\n".join(await acting.act(conn, now, said, found.these, via="mail"))


async def _note(conn: AsyncConnection, now: datetime, written: Written, candidates: Sequence[Candidate]) -> str:
    named = [c for c in candidates if written.said.code in (None, c.number)]
    if not named:
        return words.ask(meant(written.said, candidates), written.said)
    if len(named) > 1:
        return words.ask_which_note(named)
    (one,) = named
    await incidents.note(conn, now, one.incident_id, acting.responder(one, "mail"), written.note)
    seen = await answering.standing(conn, one.incident_id, one.user_id)
    assert seen is not None, "a candidate is an incident"
    return words.noted(one, seen, written.note, now)


async def _queue(
    conn: AsyncConnection, now: datetime, identity: str, answer: Answer, said: str, sent: Any, method: Any,
    candidates: Sequence[Candidate],
) -> None:  # fmt: skip
    """In the thread, to the address that it came from; quiet, so at most once, and never bundled."""
    thread = f"incident-{candidates[0].number}" if len({c.number for c in candidates}) == 1 else ""
    content = {
        "subject": answer.subject or "An answer from Tocsin", "text": said, "thread": thread,
        "answers": str(sent.about), "in_reply_to": answer.message_id,
    }  # fmt: skip
    planned = Planned(
        ids.new(now), f"answer:mail:{identity}", "notice", "quiet", sent.user_id, method.id, "mail", method.address,
        now, content=content, because="answers a mail",
    )  # fmt: skip
    await store.insert(conn, [planned], now)

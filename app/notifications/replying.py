"""⑪ Answers by text message: what comes in is acted on once, for the person whose number it is, and answered by a
message of its own (behaviour.md 5 and 8).

The number is the credential, as the link is: only a verified one acts, with what its owner may do by the link. Who is
not known gets no answer. Loops are cut: one number is answered so often, prose less, and the same words once.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, Final

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from app import metrics
from app.channels.channel import Inbound
from app.db import ids
from app.directory import opting_out
from app.notifications import acting, reply_store, store
from app.notifications import reply_texts as texts
from app.notifications.meaning import Candidate, meant, understood
from app.notifications.plan import Planned
from app.notifications.replies import ACTING, UNKNOWN, Said, masked, parse

ANSWERS: Final = 12
ANSWERS_WITHIN: Final = timedelta(minutes=10)
HELPS_AN_HOUR: Final = 3
SAME_WORDS_WITHIN: Final = timedelta(hours=12)
"""A text that is no command is answered once in this time, whoever or whatever sends it again, and once after each
newer page: two machines have not more to say to one another, and a person may say "ok" to each."""
_APART: Final = timedelta(seconds=2)
"""Between the parts of an answer, so that they arrive in their order."""

log = structlog.get_logger()


async def receive(conn: AsyncConnection, now: datetime, inbound: Inbound) -> bool:
    """What the text asks for is done, and its answer queued. False: nothing changed."""
    said = parse(inbound.body, inbound.opt_out)
    owners = await reply_store.owners(conn, inbound.address)
    if not owners:
        metrics.reply("unknown_number")
        log.info("reply_from_unknown_number", number=masked(inbound.address), verb=said.verb)
        return False
    if said.verb == "start" and all(owner.opted_out_at is None for owner in owners):
        said = UNKNOWN  # nothing was stopped: whoever says "yes" to a page means the page
    words = sha256(" ".join(inbound.body.casefold().split()).encode("utf-8", "replace")).digest()
    if not await reply_store.keep(conn, now, inbound.provider_id, inbound.address, said.verb, words):
        metrics.reply("repeated")
        return False
    metrics.reply(said.verb)
    if said.verb in ("stop", "start"):
        await _opt(conn, now, owners, said)
        return True
    candidates = await reply_store.candidates(conn, inbound.address, now)
    answer = await _answer(conn, now, said, candidates)
    paged_at = max((c.sent_at for c in candidates if c.sent_at is not None), default=None)
    if await may_answer(conn, now, inbound.address, said.verb, words, paged_at):
        await _queue(conn, now, inbound, answer, _method(owners, candidates))
        await reply_store.mark_answered(conn, inbound.provider_id)
    else:
        metrics.reply("not_answered")
    return True


async def _opt(conn: AsyncConnection, now: datetime, owners: Sequence[Any], said: Said) -> None:
    """Without an answer: the provider gives its own, and after STOP none may be sent."""
    for owner in owners:
        actor = f"user:{owner.key}"
        if said.verb == "start":
            await opting_out.opt_in(conn, now, owner.id, actor=actor)
        elif await opting_out.opt_out(conn, now, owner.id, actor=actor):
            await reply_store.hurry(conn, now, owner.id)


async def _answer(conn: AsyncConnection, now: datetime, said: Said, candidates: Sequence[Candidate]) -> list[str]:
    if said.verb in ("help", "unknown"):
        return [texts.help_text(candidates, asked=said.verb == "help")]
    said = understood(said, candidates)
    found = meant(said, candidates)
    if not found.these:
        return [texts.ask(found, said)]
    if (most := acting.minutes_at_most(said)) is not None:
        return [texts.needs_minutes(said, most)]
    return await acting.act(conn, now, said, found.these)


async def may_answer(
    conn: AsyncConnection, now: datetime, address: str, verb: str, words: bytes, paged_at: datetime | None = None
) -> bool:
    """What acts is done in any case; only its answer is withheld when a number, or a mail address, asks for very many.
    `verb`: of `Said`, or `note`, which is prose as well. `paged_at`: when the newest page went there."""
    since = now - SAME_WORDS_WITHIN
    lately, helped, the_same = await reply_store.lately(
        conn, address, words, since=since, hour=now - timedelta(hours=1), lately=now - ANSWERS_WITHIN,
        paged_at=paged_at or since,
    )  # fmt: skip
    if lately >= ANSWERS:
        return False
    if verb in ACTING or verb in ("why", "runbook"):
        return True
    return helped < HELPS_AN_HOUR and not (verb == "unknown" and the_same)


def _method(owners: Sequence[Any], candidates: Sequence[Candidate]) -> Any:
    """Where the answer goes: to the number that it came from, as the contact method of whom it is about."""
    about = {c.contact_method_id for c in candidates}
    return next((o for o in owners if o.id in about), owners[0])


async def _queue(conn: AsyncConnection, now: datetime, inbound: Inbound, answer: Sequence[str], owner: Any) -> None:
    """Quiet, so at most once; a notice, so within no limit and never bundled."""
    planned = [
        Planned(
            ids.new(now), f"answer:{inbound.provider_id}:{n}", "notice", "quiet", owner.user_id, owner.id, "sms",
            inbound.address, now + n * _APART, content={"subject": "An answer from Tocsin", "text": part},
            because="answers a text message",
        )
        for n, part in enumerate(answer)
    ]  # fmt: skip
    await store.insert(conn, planned, now)

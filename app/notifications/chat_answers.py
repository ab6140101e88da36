"""⑪ A button that was pressed in a chat: the same commands as behind the link. What there is to say is shown in the
message itself, which follows its incident (`chat_updates.py`)."""

from __future__ import annotations

from datetime import datetime
from hashlib import sha256
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from app import metrics
from app.access.links import Links
from app.channels.slack import PROVIDER
from app.channels.slack_requests import Pressed
from app.errors import Forbidden
from app.escalation import answering
from app.notifications import acting, chat_store, reply_store
from app.notifications.jobs import LINK_LASTS
from app.notifications.meaning import Candidate
from app.notifications.replies import Said, Verb

VERBS: Final[dict[str, Verb]] = {
    "acknowledge": "acknowledge", "acknowledge_all": "acknowledge_all", "escalate": "escalate", "resolve": "resolve",
    "resolve_anyway": "resolve_anyway",
}  # fmt: skip
TOO_OLD: Final = "Nothing was done: this message is more than a day old. Open the incident instead."


async def press(conn: AsyncConnection, now: datetime, links: Links, pressed: Pressed, identity: str) -> str:
    """Does what the button says, once by `identity`. Returns in one word what became of it.

    Raises `Forbidden`: `wrong_button` for one that we never made, `not_yours` when whoever pressed it is not whom the
    message was sent to, or that contact method does not count any more.
    """
    attempt_id = links.read_press(pressed.value, pressed.action)
    if attempt_id is None:
        raise Forbidden("this button is none of ours", code="wrong_button")
    found = await chat_store.pressed(conn, attempt_id, PROVIDER, pressed.member)
    if not found:
        raise Forbidden("this message was sent to somebody else", code="not_yours")
    first = found[0]
    verb = VERBS[pressed.action]
    hash_ = sha256(pressed.value.encode()).digest()
    if not await reply_store.keep(conn, now, f"slack:{identity}", first.address, verb, hash_):
        return _count("repeated")
    if len(found) > 1:  # it follows no incident; from now on it is to say how they all stand
        await chat_store.keep(conn, now, attempt_id, first.incident_id, "")
    if first.started_at + LINK_LASTS <= now:
        await chat_store.tell(conn, attempt_id, TOO_OLD, asks=False)
        return _count("expired")
    if verb == "acknowledge_all":
        await acting.act(conn, now, Said(verb), [Candidate(*one[:-1]) for one in found], via="slack")
        return _count(verb)
    one = Candidate(*first[:-1])
    (said,) = await acting.act(conn, now, Said(verb), [one], via="slack")
    seen = await answering.standing(conn, one.incident_id, one.user_id)
    assert seen is not None, "a candidate is an incident"
    plain = not seen.is_open or (verb == "acknowledge" and seen.state != "triggered")
    await chat_store.tell(conn, attempt_id, "" if plain else said, asks=seen.is_open and verb == "resolve")
    return _count(verb)


def _count(verb: str) -> str:
    metrics.reply(verb, "slack")
    return verb

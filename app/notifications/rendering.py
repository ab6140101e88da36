"""What a message is beside its words: whether it can be answered, and how. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from app.channels import sms
from app.notifications import digest_texts, mail_words


def has_answer(row: Any) -> bool:
    """Whether the message carries a link that acts for its reader. What is only for information, and what a program
    reads, does not."""
    acts = row.purpose in ("page", "drill") or "expires_at" in row.content
    return row.incident_id is not None and acts and row.webhook_id is None


def carries_links(row: Any) -> bool:
    """False for a text message to a number that gets no links: its owner says so, or carriers of its country refuse
    them."""
    return row.channel != "sms" or (row.links and sms.carries_links(row.address))


def is_digest(parcel: Sequence[Any]) -> bool:
    """Whether it is the message about a night: nothing else goes along with what waited for it."""
    return all(row.purpose == "page" and "digest" in row.content for row in parcel)


def actions(parcel: Sequence[Any]) -> tuple[str, ...]:
    """What the buttons of a message do, that of a chat or a phone, the most likely one first."""
    if len(parcel) > 1:
        return ("acknowledge_all",)
    if parcel[0].incident_id is None:
        return ()
    return ("acknowledge",) if parcel[0].purpose == "drill" else ("acknowledge", "escalate", "resolve")


def is_answered(row: Any) -> bool:
    """Whether a mail may be answered: a page, and what we said to an answer."""
    return row.channel == "mail" and row.user_id is not None and (has_answer(row) or "answers" in row.content)


def replies(parcel: Sequence[Any], by_text: tuple[str, ...]) -> tuple[str, ...]:
    """How to answer on the channel itself. `by_text`: how by text message."""
    if parcel[0].channel != "mail" or not has_answer(parcel[0]):
        return by_text
    numbers = [row.number for row in parcel]
    return (digest_texts.how_by_mail(numbers) if is_digest(parcel) else mail_words.how(numbers),)

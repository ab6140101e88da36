"""What a notification on a phone says: a title of one line and a few lines below it. Pure."""

from __future__ import annotations

from typing import Final

from app.channels.channel import Message

TITLE: Final = 160
BODY: Final = 600
"""Characters; phones show less, until the notification is unfolded."""
_SHOWN: Final = ("Since", "Why you", "Happened before")


def tag_of(message: Message) -> str:
    """What a later notification must share to replace this one: `incident-42` for pages, `incident-42-update` for what
    only informs, so that it never takes the place of a page that waits for an answer. Empty: it stands alone."""
    paging = message.purpose in ("page", "drill")
    return message.thread if paging or not message.thread else f"{message.thread}-{message.purpose}"


def headline(message: Message) -> tuple[str, str]:
    """Title and body. A page about one incident says all that matters in its title, as its text message does."""
    if message.thread and message.purpose in ("page", "drill"):
        facts = dict(message.facts)
        lines = message.brief or "\n".join(f"{label}: {facts[label]}" for label in _SHOWN if facts.get(label))
        return cut(message.text, TITLE), cut(lines, BODY)
    rest = message.text.removeprefix(message.subject).lstrip(": ")
    return cut(message.subject, TITLE), cut(rest or message.subject, BODY)


def cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"

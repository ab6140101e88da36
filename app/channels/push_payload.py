"""What our service worker (web/static/push-worker.js) is told: JSON within the 4 kB of a push message. Pure."""

from __future__ import annotations

from typing import Any

import msgspec

from app.channels.channel import Message
from app.channels.headline import cut, headline, tag_of
from app.channels.push_encryption import MOST_PLAIN


def payload(message: Message) -> bytes:
    """Title, body, tag (a later notification with the same one replaces an earlier one), link, what the button posts,
    and where to say that it was shown. Shorter where it would not fit; what is about one incident names its number,
    service and priority."""
    title, body = headline(message)
    facts = dict(message.facts)
    about = {"number": message.thread.rpartition("-")[2], "service": cut(facts.get("Service", ""), 80),
             "priority": facts.get("Priority", "")} if message.thread else {}  # fmt: skip
    told: dict[str, Any] = {
        "title": title,
        "body": body,
        "tag": tag_of(message) or message.notification_id,
        "purpose": message.purpose,
        "loud": message.loud,
        "at": int(message.at.timestamp() * 1000),
        "link": message.link or ("/account" if message.purpose == "verification" else ""),
        **about,
    }
    if message.token:
        told["shown"] = f"/v1/push/shown/{message.token}"
    if message.button is not None and message.link:
        told["button"] = {"label": message.button.label, "form": dict(message.button.form)}
    return _fitting(told)


def _fitting(told: dict[str, Any]) -> bytes:
    """What people wrote can take six bytes a character; half of it is still enough to wake somebody."""
    while len(written := msgspec.json.encode(told)) > MOST_PLAIN:
        long = max(("title", "body", "service"), key=lambda part: len(told.get(part, "")))
        told[long] = cut(told[long], len(told[long]) // 2)
    return written

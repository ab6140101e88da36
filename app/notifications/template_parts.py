"""Which parts of a page can be worded by a template, what each may name, and how Tocsin words it itself. Pure.

Tocsin's own and no part of a template: the link and the reply code, which the channel adds behind the text as far as
the number and its country allow them; the keys of a call; the facts of a mail. What a template leaves out of `OWED` is
added to it. So there is no template after which a page cannot be answered.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from app.errors import NotFound
from app.notifications import template_language
from app.notifications.template_language import Template

_ALWAYS: Final = {
    "number": "the incident's number, 42",
    "title": "the incident's title",
    "service": "the service's name",
    "team": "the key of the service's team; empty without one",
}
_NOW: Final = {
    "priority": "1 to 5; write P{priority}",
    "severity": "how bad the source says it is: critical, error, warning or info",
    "since": "when the incident was opened, on the reader's clock: Mon 23 Nov 02:14 CET",
    "alerts": "how many alerts fire",
    "why": "why this person: on call in schedule Primary: layer Weekly",
}
_WRITTEN: Final = {
    "more": "the alerts beside the first, with a blank before: ' +2 more'; else empty",
    "repeat": "' (repeat)' where the message may have been sent before; else empty",
    "happened_before": "5th time in 30 days; last time, 3 days ago: disk full; empty for the first time",
    "runbook": "the address of the runbook; empty without one",
}
REFUSED: Final[Mapping[str, str]] = {
    "link": "is not for templates: Tocsin adds the link behind the text, wherever the number and its country allow it",
    "code": "is not for templates: Tocsin adds how to reply behind the text, wherever the country allows answers",
    "reply": "is not for templates: Tocsin adds how to reply behind the text, wherever the country allows answers",
    "to": "is not for templates: addresses are no part of messages",
}


@dataclass(frozen=True, slots=True)
class Part:
    """`at_most`: characters of the result. `default`: the wording without a template, as a template."""

    key: str
    label: str
    channels: tuple[str, ...]
    names: Mapping[str, str]
    at_most: int
    default: str
    owed: str = ""
    """What is said beside the template, for people."""


_SHORT: Final = "P{priority} #{number}{repeat} {title}{more} ({service})"
_ALL: Final = _ALWAYS | _NOW | _WRITTEN
PARTS: Final[Mapping[str, Part]] = {
    part.key: part
    for part in (
        Part(
            "sms", "Text message", ("sms",), _ALL, 640, _SHORT,
            "How to reply and the link follow, as far as the number and its country allow them. Two segments in all.",
        ),
        Part(
            "voice", "Call", ("voice",), _ALWAYS | _NOW, 600,
            "Tocsin calls. Priority {priority} on {service}: {title}. Incident {number}.",
            "The keys follow: Press 4 to acknowledge, and so on. Values are made readable aloud.",
        ),
        Part(
            "mail-subject", "Subject of a mail", ("mail",), _ALWAYS, 200, "[{service}] Incident {number}: {title}",
            "The same for all mails of an incident, or they form no thread: only what stays the same can be named.",
        ),
        Part(
            "mail-text", "Text of a mail", ("mail",), _ALL, 8000,
            "P{priority} incident {number}{repeat}: {title}",
            "The facts (service, since, why you, runbook), the link and how to answer follow.",
        ),
        Part(
            "push-title", "Title of a push notification", ("push", "ntfy"), _ALL, 160, _SHORT,
            "Opens the link; its button acknowledges.",
        ),
        Part(
            "push-body", "Lines of a push notification", ("push", "ntfy"), _ALL, 600,
            'Since: {since}{why|before "\\nWhy you: "}{happened_before|before "\\nHappened before: "}',
            "Why you is added where the template leaves it out.",
        ),
    )
}  # fmt: skip


def split(key: str) -> tuple[Part, str]:
    """The part and the key of the service of `sms` or `sms:checkout`. Raises `NotFound`."""
    name, _, service = key.partition(":")
    if name not in PARTS or (":" in key and not service):
        known = ", ".join(PARTS)
        raise NotFound(f"there is no message template {key!r}; there are {known}, each also as sms:<service>", key=key)
    return PARTS[name], service


def parse(part: Part, text: str) -> Template:
    """Raises `Invalid` for the field `text`."""
    return template_language.parse(text, part.names, {n: w for n, w in REFUSED.items() if n not in part.names})

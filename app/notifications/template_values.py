"""What the names of a template stand for, and a page in the words of templates. Pure.

Whatever goes wrong here leaves the words that Tocsin has itself: a page goes out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from app.channels import text_links
from app.hours import local, zone
from app.incidents import recurrence
from app.notifications import speech
from app.notifications.template_language import Template
from app.notifications.template_parts import PARTS
from app.notifications.texts import About, Words

Values = Callable[[str], str]
CODE: Final = 12
"""A reply code for pages that are only shown; codes have one to three digits."""


@dataclass(frozen=True, slots=True)
class Price:
    """What a text message cost lately: the average of so many."""

    amount: Decimal
    currency: str
    messages: int


@dataclass(frozen=True, slots=True)
class Sent:
    """What the source said of the first alert of an incident."""

    severity: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    team: str = ""


NOTHING: Final = Sent()


@dataclass(frozen=True, slots=True)
class Page:
    """One page about one incident, as far as templates may tell of it."""

    about: About
    sent: Sent
    why: str
    time_zone: str
    now: datetime
    repeated: bool = False

    def of(self, name: str) -> str:
        """The value of a name; empty for what is absent."""
        table, dot, rest = name.partition(".")
        if dot:
            held = self.sent.labels if table == "labels" else self.sent.annotations
            return str(held.get(rest, ""))
        return _NAMED[name](self) if name in _NAMED else ""

    def spoken(self, name: str) -> str:
        """The same as it is read aloud."""
        if name == "number":
            return speech.number(self.about.number)
        return speech.readable(self.of(name), 60) if name == "service" else speech.readable(self.of(name))


_NAMED: Final[Mapping[str, Callable[[Page], str]]] = {
    "number": lambda p: str(p.about.number),
    "title": lambda p: p.about.title,
    "service": lambda p: p.about.service,
    "team": lambda p: p.sent.team,
    "priority": lambda p: str(p.about.priority),
    "severity": lambda p: p.sent.severity,
    "since": lambda p: local(p.about.opened_at, zone(p.time_zone)).strftime("%a %d %b %H:%M %Z"),
    "alerts": lambda p: str(p.about.firing),
    "why": lambda p: p.why,
    "more": lambda p: f" +{p.about.firing - 1} more" if p.about.firing > 1 else "",
    "repeat": lambda p: " (repeat)" if p.repeated else "",
    "happened_before": lambda p: recurrence.line(p.about.recurrence, p.now),
    "runbook": lambda p: p.about.runbook_url,
}


def said(key: str, template: Template, page: Page) -> str:
    """The part of this key in the words of the template, with what it owes; empty where it says nothing."""
    part = PARTS[key]
    text = template.render(page.spoken if key == "voice" else page.of, part.at_most).strip()
    if not text:
        return ""
    if page.repeated and "repeat" in part.names and "repeat" not in template.names and key != "push-body":
        text = f"(repeat) {text}"
    if key == "push-body" and page.why and "why" not in template.names:
        text = f"Why you: {page.why}\n{text}"
    return text[: part.at_most]


def worded(words: Words, templates: Mapping[str, Template], page: Page, *, links: bool) -> Words:
    """The words of a page with these templates, by part, in place of what Tocsin says. `links` False: a text
    message to a number that gets none, which is left as it is when its template would bring one."""
    changed: dict[str, Any] = {}
    for key, template in templates.items():
        text = said(key, template, page)
        if text and not (key == "sms" and not links and text_links.found_in(text)):
            changed[_FIELDS[key]] = text
    return replace(words, **changed) if changed else words


_FIELDS: Final[Mapping[str, str]] = {
    "sms": "text",
    "mail-subject": "subject",
    "mail-text": "text_long",
    "push-title": "text",
    "push-body": "brief",
}
"""Which field of `Words` a part is. A call says its own when it is picked up."""

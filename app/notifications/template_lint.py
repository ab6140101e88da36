"""What is wrong with a template, and what it would do: judged on what it makes of alerts that there were. Pure.

An error refuses the template; a warning is told to whoever saves it. A template is refused for what it says itself,
never for what an alert may bring, which is Tocsin's to bear: it is cut, or Tocsin's own words go out.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from statistics import median
from typing import Final, Literal

from app.channels import banned, gsm7, sms, text_links
from app.channels.channel import Message
from app.errors import Invalid
from app.notifications import speech, template_parts, texts
from app.notifications.template_language import Template
from app.notifications.template_parts import Part
from app.notifications.template_values import Page, Price, said

SHOWN: Final = 3
"""So many of the longest are shown."""
_TO: Final = "+15550100000"
"""A number that gets links, of a country that carries answers: the longest messages."""
LINK: Final = "https://tocsin.example.org/l/AAAAAAAAAAAAAAAAAAAAAA"
_HELD: Final = {"gsm7": 320, "ucs2": 140}
"""More characters than two segments hold."""
_UNBOUNDED: Final = 20_000
_PERSONAL: Final = re.compile(r"[\w.+-]+@[\w-]+\.[\w.]+|(?<![\w.])\+\d[\d ()-]{7,}\d")
_MAY_BE_ABSENT: Final = frozenset({"team", "severity", "runbook"})
_EVERYWHERE: Final = frozenset({"number", "title"})


@dataclass(frozen=True, slots=True)
class Finding:
    """`code`: one word for programs; the message is for people."""

    level: Literal["error", "warning"]
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Spread:
    """Over the samples."""

    least: int
    median: float
    most: int


@dataclass(frozen=True, slots=True)
class Cost:
    """Estimated, for one message: the price of today's messages by how many segments more or fewer it takes."""

    amount: Decimal
    before: Decimal
    currency: str
    messages: int


@dataclass(frozen=True, slots=True)
class Shown:
    """What one alert becomes. `segments` and `encoding` are of text messages."""

    title: str
    text: str
    segments: int = 0
    encoding: str = ""


@dataclass(frozen=True, slots=True)
class Lint:
    """`samples` of them `recorded` ones, where there were too few real alerts. `longest`: the three longest."""

    findings: tuple[Finding, ...]
    samples: int = 0
    recorded: int = 0
    characters: Spread | None = None
    segments: Spread | None = None
    ucs2: int = 0
    cost: Cost | None = None
    longest: tuple[Shown, ...] = ()

    @property
    def errors(self) -> list[Finding]:
        return [f for f in self.findings if f.level == "error"]


@dataclass(frozen=True, slots=True)
class Ground:
    """What a template is judged on. `current`: the template in force; `unlinked`: countries of our people's numbers
    whose carriers refuse links; `want_none`: how many numbers get none because their owners say so."""

    pages: Sequence[Page]
    recorded: int = 0
    banned: Sequence[str] = banned.BANNED
    link: str = LINK
    price: Price | None = None
    unlinked: Sequence[str] = ()
    current: str = ""
    want_none: int = 0

    @property
    def without_links(self) -> str:
        """The numbers that get no links, in words; empty: every number here gets them."""
        wanted = "1 number whose owner wants none" if self.want_none == 1 else ""
        wanted = f"{self.want_none} numbers whose owners want none" if self.want_none > 1 else wanted
        refused = f"numbers in {', '.join(self.unlinked)}" if self.unlinked else ""
        return " and ".join(filter(None, (refused, wanted)))


@dataclass(slots=True)
class _Findings:
    ground: Ground
    found: list[Finding] = field(default_factory=list)

    def error(self, code: str, message: str) -> None:
        self.found.append(Finding("error", code, message))

    def warn(self, code: str, message: str) -> None:
        self.found.append(Finding("warning", code, message))

    def count(self, code: str, hits: Iterable[bool], message: str) -> None:
        """`hits`: of each page, in their order, whether it is so. `message` says what is so in `{n}`."""
        hit = [number for number, is_so in enumerate(hits) if is_so]
        if hit:
            self.warn(code, message.replace("{n}", self._in(hit)))

    def _in(self, hit: Sequence[int]) -> str:
        """`63 of 100 alerts, such as “Queue is long”`. What comes with Tocsin is nobody's alert, and named as that."""
        pages, recorded = self.ground.pages, self.ground.recorded
        own = len(pages) - recorded
        mine = sum(number < own for number in hit)
        such = f", such as “{pages[hit[0]].about.title[:40]}”"
        if not recorded:
            return f"{mine} of {own} alerts{such}"
        theirs = f"{len(hit) - mine} of {recorded} examples that come with Tocsin"
        if mine:
            return f"{mine} of {own} alerts of yours{such}, and {theirs}"
        return f"{theirs}{such}" + (f", and none of {own} alerts of yours" if own else "")


def lint(part: Part, text: str, ground: Ground) -> Lint:
    """Never raises; a template that cannot be parsed has that as its one error."""
    try:
        template = template_parts.parse(part, text)
    except Invalid as refused:
        return Lint((Finding("error", "syntax", refused.errors[0]["message"]),))
    findings = _Findings(ground)
    made = [said(part.key, template, page) for page in ground.pages]
    _own(part, template, ground, findings)
    _values(template, ground, findings)
    _results(part, template, made, ground, findings)
    shown = [_shown(part, page, text, ground.link) for page, text in zip(ground.pages, made, strict=True)]
    if part.key == "sms":
        _texts(shown, made, findings)
    return _told(part, findings, shown, ground)


def _told(part: Part, findings: _Findings, shown: Sequence[Shown], ground: Ground) -> Lint:
    longest = sorted({s.text: s for s in shown}.values(), key=lambda s: -len(s.text))[:SHOWN]
    texting = part.key == "sms" and bool(shown)
    segments = _spread([s.segments for s in shown]) if texting else None
    return Lint(
        tuple(sorted(findings.found, key=lambda f: f.level)),
        len(shown),
        ground.recorded,
        _spread([len(s.text) for s in shown]) if shown else None,
        segments,
        sum(s.encoding == "ucs2" for s in shown),
        _cost(part, segments, ground) if segments else None,
        tuple(longest),
    )


def _own(part: Part, template: Template, ground: Ground, findings: _Findings) -> None:
    """What it says itself."""
    own = f"{template.own}\n{' '.join(sorted(template.names))}"
    for pattern in banned.found_in(own, ground.banned):
        findings.error("banned", f"it holds {pattern!r}, which this organisation does not send")
    if not template.own.strip() and not template.names:
        findings.error("empty", "it says nothing")
    elif not template.names:
        findings.warn("constant", "it says the same of every alert; name {title} or {number}")
    elif part.key != "push-body" and not template.names & _EVERYWHERE:
        findings.warn("unnamed", "it names neither {title} nor {number}, so nobody can tell incidents apart by it")
    if part.key == "sms" and text_links.found_in(template.own):
        if ground.unlinked:
            where = ", ".join(ground.unlinked)
            findings.error("link", f"it holds a link, and people here have numbers where carriers refuse any: {where}")
        else:
            where = ground.without_links or "numbers that get no links"
            findings.warn("link", f"it holds a link of its own; to {where} Tocsin's own words go out in its place")
    plain = gsm7.transliterate(template.own)
    if part.key == "sms" and gsm7.size(plain).encoding == "ucs2":
        char = next(c for c in plain if gsm7.size(c).encoding == "ucs2")
        findings.warn("ucs2", f"its own text holds {char!r}, so a segment holds 70 characters instead of 160")
    symbols = (c for c in template.own if unicodedata.category(c)[0] == "S")
    lost = dict.fromkeys(c for c in symbols if not gsm7.transliterate(c))
    if part.key == "sms" and lost:
        findings.warn("left_out", f"texts leave out {' '.join(lost)}: symbols that are no letters cost twice as much")


def _values(template: Template, ground: Ground, findings: _Findings) -> None:
    """What the alerts lack."""
    bare = {p.name for p in template.places if not p.has_default}
    for name in sorted(n for n in bare if "." in n or n in _MAY_BE_ABSENT):
        empty = (not page.of(name).strip() for page in ground.pages)
        findings.count("absent", empty, f"{{{name}}} is empty in {{n}}")


def _results(part: Part, template: Template, made: Sequence[str], ground: Ground, findings: _Findings) -> None:
    """What becomes of the alerts."""
    findings.count("empty", (not text for text in made), "it says nothing in {n}: Tocsin's own words go out there")
    spoken = part.key == "voice"
    whole = [template.render(page.spoken if spoken else page.of, _UNBOUNDED).strip() for page in ground.pages]
    too_long = (len(text) > part.at_most for text in whole)
    findings.count("cut", too_long, f"it is cut after {part.at_most} characters in {{n}}")
    brought = [banned.found_in(text, ground.banned) for text in made]
    for pattern in dict.fromkeys(p for patterns in brought for p in patterns):
        hits = (pattern in patterns for patterns in brought)
        findings.count("banned", hits, f"what alerts bring holds {pattern!r} in {{n}}")
    if part.key == "sms" and ground.without_links:
        linked = (text_links.found_in(text) for text in made)
        words = f"it holds a link in {{n}}; to {ground.without_links} Tocsin's own words go out there"
        findings.count("link", linked, words)
    if part.key not in ("mail-text", "mail-subject"):
        personal = (bool(_PERSONAL.search(text)) for text in made)
        findings.count("personal_data", personal, "it holds what looks like a mail address or a phone number in {n}")


def _texts(shown: Sequence[Shown], made: Sequence[str], findings: _Findings) -> None:
    """What becomes of text messages."""
    cut = [bool(m) and gsm7.transliterate(m).strip() not in s.text for s, m in zip(shown, made, strict=True)]
    if shown and all(cut):
        findings.error("too_long", "no alert fits into two segments beside the link: every text message would be cut")
    else:
        findings.count("too_long", cut, "it is cut to two segments in {n}")
    ucs2 = (s.encoding == "ucs2" for s in shown)
    findings.count("ucs2", ucs2, "it takes UCS-2 in {n}, and a segment holds 70 characters instead of 160 there")


def _shown(part: Part, page: Page, text: str, link: str) -> Shown:
    """As it arrives, as far as a text can show it. Where the template says nothing, as without it."""
    if part.key == "voice":
        text = f"{text or _default(part, page)} {speech.KEYS}"
    elif part.key == "sms":
        body = _body(page, text or _default(part, page), link)
        paid = gsm7.size(body)
        return Shown(page.about.title, body, paid.segments, paid.encoding)
    return Shown(page.about.title, text or _default(part, page))


def _default(part: Part, page: Page) -> str:
    return said(part.key, template_parts.parse(part, part.default), page)


def _body(page: Page, text: str, link: str) -> str:
    """What two segments cannot hold in any case is left out before it is made to fit, which takes its time."""
    plain = gsm7.transliterate(text).strip()
    text = plain[: _HELD[gsm7.size(plain).encoding]]
    replies = texts.replies_to_one(page.about)
    at = datetime(2026, 1, 1, tzinfo=UTC)
    message = Message(
        notification_id="", attempt=1, purpose="page", to=_TO, at=at, subject="", text=text, replies=replies, link=link
    )
    return sms.body_of(message)


def _cost(part: Part, segments: Spread, ground: Ground) -> Cost | None:
    if ground.price is None:
        return None
    current = template_parts.parse(part, ground.current or part.default)
    sizes = [gsm7.size(_body(p, said(part.key, current, p), ground.link)).segments for p in ground.pages]
    price = ground.price.amount
    amount = price * Decimal(str(segments.median)) / Decimal(str(median(sizes)))
    return Cost(round(amount, 5), round(price, 5), ground.price.currency, ground.price.messages)


def _spread(numbers: Sequence[int]) -> Spread:
    return Spread(min(numbers), float(median(numbers)), max(numbers))

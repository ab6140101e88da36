"""What somebody wrote in a mail, without what they quote and without their signature. Pure; takes any text.

Programs quote in some thirty ways; each cuts at its own mark, and what is above it is what was written. Known: `>`,
"On ... wrote:" in the languages that programs write it in, Outlook's line and block of headers, the quotes of Gmail,
Apple, Thunderbird, Yahoo, Proton, Spark and Zoho in HTML, signatures (RFC 3676, 4.3) and those of phones.
"""

from __future__ import annotations

import re
from html import unescape
from typing import Final

MOST: Final = 200_000
"""Characters that are looked at; a quote may be long, an answer is not."""
_LINES: Final = 200

_WROTE: Final = re.compile(
    r"(?:on|am|le|el|il(?: giorno)?|op|em|den|dne|dňa|w dniu|dnia|pe|la|în data|på|date:|在|于)?\b.{3,300}"
    r"(?:wrote|schrieb(?: .{1,200})?|a écrit|escribi[oó]|ha scritto|schreef(?: .{1,200})?|escreveu|skrev(?: .{1,200})?"
    r"|pisze|napisał(?:\(a\)|a)?|napsal(?:\(a\)|a)?|napísal|kirjoitti(?: .{1,200})?|a scris|írta|пишет|писал|написал"
    r"|写道|寫道|のメール|님이 작성|yazdı)\s*[:：]?\s*",
    re.IGNORECASE,
)  # fmt: skip
_RULE: Final = re.compile(
    r"[-_=*\s]*(?:-{2,}|_{2,})\s*(?:original message|original appointment|ursprüngliche nachricht|original-nachricht"
    r"|weitergeleitete nachricht|forwarded message|message d'origine|message transféré|mensaje original"
    r"|messaggio originale|oorspronkelijk bericht|mensagem original|ursprungligt meddelande|reply message)\s*[-_ ]*"
    r"|_{10,}|-{20,}|begin forwarded message:|anfang der weitergeleiteten nachricht:",
    re.IGNORECASE,
)
_FROM: Final = re.compile(
    r"\*?(?:from|von|de|da|van|från|fra|od|от|发件人|差出人)\s?\*?\s?[:：]\*?\s*\S", re.IGNORECASE
)
_HEADER: Final = re.compile(
    r"\*?(?:sent|date|to|cc|subject|gesendet|datum|an|betreff|envoyé|à|objet|date|enviado|para|asunto|assunto|fecha"
    r"|inviato|data|a|oggetto|verzonden|aan|onderwerp|skickat|till|ämne|sendt|til|emne|wysłano|do|temat"
    r"|дата|кому|тема|发送时间|收件人|主题|送信日時|宛先|件名)\s?\*?\s?[:：]",
    re.IGNORECASE,
)
_SIGNATURE: Final = re.compile(
    r"--|—|sent from my .{1,60}|sent from .{1,40} for (?:ios|android|windows).*|get outlook for .{1,40}"
    r"|sent with .{1,40}|von meinem .{1,60} gesendet|gesendet mit .{1,60}|envoyé de(?:puis)? mon .{1,60}"
    r"|enviado desde mi .{1,60}|inviato da(?:l mio)? .{1,60}|verstuurd vanaf mijn .{1,60}|skickat från min .{1,60}"
    r"|enviado do meu .{1,60}|wysłane z .{1,60}",
    re.IGNORECASE,
)
_AT_ONCE: Final = (_RULE, _SIGNATURE)


def above_the_quote(text: str) -> str:
    """What was written, lines stripped, without blank lines at its ends; empty where nothing was."""
    lines = [" ".join(line.replace("\xa0", " ").split()) for line in text[:MOST].splitlines()[:_LINES]]
    kept: list[str] = []
    for n, line in enumerate(lines):
        if _ends(lines, n):
            break
        kept.append(line)
    return "\n".join(kept).strip()


def _ends(lines: list[str], n: int) -> bool:
    """Whether what was written is over at this line. "On ... wrote:" may be broken over three lines."""
    line = lines[n]
    if line.startswith((">", "|")):
        return True
    if not line:
        return False
    if any(mark.fullmatch(line[:200]) for mark in _AT_ONCE):
        return True
    if _FROM.match(line) and sum(bool(_HEADER.match(below)) for below in lines[n + 1 : n + 6]) >= 2:
        return True
    return any(_introduces(lines[n : n + several]) for several in (1, 2, 3))


def _introduces(lines: list[str]) -> bool:
    """A line before a quote names an address or an hour: `wrote:` alone may be prose."""
    if not all(lines):
        return False
    line = " ".join(lines)[:400]
    told = "@" in line or re.search(r"\d{1,2}[:.h]\d{2}|\d{4}", line) is not None
    return told and line.rstrip().endswith((":", "：")) and _WROTE.fullmatch(line) is not None


_SKIPPED: Final = frozenset({"style", "script", "head", "title"})
_BREAKS: Final = frozenset(
    {"br", "p", "div", "li", "tr", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "table", "ul", "ol", "pre"}
)
_QUOTES: Final = (
    "gmail_quote", "gmail_attr", "gmail_extra", "yahoo_quoted", "moz-cite-prefix", "protonmail_quote", "zmail_extra",
    "appendonsend", "divrplyfwdmsg", "mail-editor-reference-message-container", "messagereplysection", "reply-intro",
    "gmail_signature", "moz-signature", "protonmail_signature_block", "applemailsignature",
    "ms-outlook-mobile-reference-message", "olk_src_body_section", "tutanota_quote", "front-blockquote",
    "ox-mail-quote",
)  # fmt: skip
"""Parts of ids, classes and names with which programs mark quotes and signatures."""


_TAG: Final = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]{0,30})?([^<>]*)>|([^<]+)|<")
_MARK: Final = re.compile(r"(?:id|class|name)\s*=\s*(\"[^\"]*\"|'[^']*'|[^\s>]+)", re.IGNORECASE)


def words_of_html(html: str) -> str:
    """The text of an HTML mail up to the first mark of a quote, with a line for each block. Never raises, and takes
    time as the text is long, which the library's parser does not."""
    parts: list[str] = []
    skipping = ""
    for found in _TAG.finditer(_without_comments(html[:MOST])):
        closes, name, attributes, words = found.groups()
        tag = (name or "").lower()
        if words is not None and not skipping:
            parts.append(re.sub(r"\s+", " ", unescape(words).replace("\xa0", " ")))  # a line break in HTML is a blank
        elif skipping:
            skipping = "" if closes and tag == skipping else skipping
        elif not closes and tag in _SKIPPED:
            skipping = tag
        elif not closes and (tag == "blockquote" or _begins_a_quote(attributes or "")):
            break
        if tag in _BREAKS:
            parts.append("\n")
    return "".join(parts)


def _begins_a_quote(attributes: str) -> bool:
    marks = " ".join(_MARK.findall(attributes)).lower()
    return any(mark in marks for mark in _QUOTES)


def _without_comments(html: str) -> str:
    """One that never ends goes on to the end."""
    parts, at = [], 0
    while (begin := html.find("<!--", at)) >= 0:
        parts.append(html[at:begin])
        if (end := html.find("-->", begin + 4)) < 0:
            return "".join(parts)
        at = end + 3
    return "".join((*parts, html[at:]))

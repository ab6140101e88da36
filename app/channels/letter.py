"""A message as a mail: headers, text part first, HTML part second. Pure.

Sources: RFC 5322 (headers, threading), RFC 3834 (Auto-Submitted), RFC 2046 (multipart/alternative, plainest first).
No `Precedence`: only old systems ask for it, and filters take `bulk` for advertising. No `List-Unsubscribe`: a page is
nothing that one unsubscribes from by a click of a mail program.
"""

from __future__ import annotations

import re
import unicodedata
from email.headerregistry import Address, BaseHeader, HeaderRegistry, UnstructuredHeader
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader

from app.channels.channel import Message
from app.errors import Invalid

_TEMPLATES: Final = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=True, trim_blocks=True, lstrip_blocks=True
)
_LOCAL: Final = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
_LABEL: Final = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_ADDRESS: Final = re.compile(rf"(?P<local>{_LOCAL})@(?P<domain>{_LABEL}(?:\.{_LABEL})*)", re.ASCII)
_LONGEST_SUBJECT: Final = 200
MESSAGE_ID: Final = re.compile(r"<[!-;=?-~]{1,250}>", re.ASCII)
"""A Message-ID that can be named in a header of ours: without blanks, in ASCII."""


class MessageIds(UnstructuredHeader, BaseHeader):
    """Message-IDs, a line for each: the library would encode what is longer than a line, which nobody reads back."""

    def fold(self, *, policy: Any) -> str:
        return f"{self.name}: " + f"{policy.linesep} ".join(str(self).split()) + str(policy.linesep)


_HEADERS: Final = HeaderRegistry()
for _name in ("in-reply-to", "references"):
    _HEADERS.map_to_type(_name, MessageIds)
_POLICY: Final = SMTP.clone(header_factory=_HEADERS)


def normalise(address: str) -> str:
    """The address as `local@domain`, the domain in lower case and ASCII. Raises Invalid.

    Quoted and non-ASCII local parts are refused: not every server on the way takes them, and a page must arrive.
    """
    local, at, domain = address.strip().rpartition("@")
    try:
        domain = domain.encode("idna").decode("ascii").lower() if not domain.isascii() else domain.lower()
    except UnicodeError as e:
        raise Invalid("This is not a mail domain") from e
    found = _ADDRESS.fullmatch(f"{local}{at}{domain}")
    if not found or len(local) > 64 or len(found[0]) > 254:
        raise Invalid("A mail address looks like ana@example.org")
    return found[0]


def sender(mail_from: str) -> Address:
    """The From of the settings, `pager@example.org` or `Tocsin <pager@example.org>`. Raises Invalid."""
    name, address = parseaddr(mail_from)
    try:
        local, _, domain = normalise(address).rpartition("@")
    except Invalid as e:
        raise Invalid("TOCSIN_MAIL_FROM takes pager@example.org or Tocsin <pager@example.org>") from e
    return Address(one_line(name), local, domain)


def letter(message: Message, origin: Address, reply_to: str = "") -> EmailMessage:
    """The whole mail. Message-ID is unique per attempt and on our own domain; a thread has one invented root.
    `reply_to`: where it is answered; empty: it is not, and does not say how.

    Raises Invalid when the recipient is not an address.
    """
    mail = EmailMessage(policy=_POLICY)
    mail["From"] = origin
    mail["To"] = Address(addr_spec=normalise(message.to))
    if reply_to:
        mail["Reply-To"] = Address(origin.display_name, addr_spec=reply_to)
    mail["Subject"] = one_line(message.subject)[:_LONGEST_SUBJECT]
    mail["Date"] = format_datetime(message.at)
    mail["Message-ID"] = f"<{_id(message.notification_id)}.{message.attempt}@{origin.domain}>"
    root = f"<{_id(message.thread)}.root@{origin.domain}>" if message.thread else ""
    answered = message.in_reply_to if MESSAGE_ID.fullmatch(message.in_reply_to) else ""
    if root or answered:
        mail["In-Reply-To"] = answered or root
        mail["References"] = " ".join(filter(None, (root, answered)))
    mail["Auto-Submitted"] = "auto-replied" if message.in_reply_to else "auto-generated"
    mail["X-Auto-Response-Suppress"] = "All"
    if message.loud:
        mail["Importance"] = "high"
        mail["X-Priority"] = "1"
    how = one_line(message.replies[0]) if reply_to and message.replies else ""
    mail.set_content(_text(message, how), cte="quoted-printable")
    mail.add_alternative(_html(message, how), subtype="html", cte="quoted-printable")
    return mail


def one_line(text: str) -> str:
    """The text without anything that could end a header line or that cannot be printed."""
    kept = (c if unicodedata.category(c)[0] not in "CZ" else " " for c in text)
    return " ".join("".join(kept).split())


def _paragraphs(message: Message) -> str:
    text = message.text_long or message.text
    kept = (c for c in text.replace("\r\n", "\n") if c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cs", "Cn"))
    return "".join(kept).strip()


def _footer(message: Message) -> str:
    return one_line(", ".join(filter(None, ("Tocsin", message.purpose, message.thread))))


def _text(message: Message, how: str) -> str:
    facts = "\n".join(f"{one_line(label)}: {one_line(value)}" for label, value in message.facts)
    link = f"{one_line(message.link_label)}: {message.link}" if message.link else ""
    parts = (_paragraphs(message), facts, link, how, f"-- \n{_footer(message)}")
    return "\n\n".join(part for part in parts if part) + "\n"


def _html(message: Message, how: str) -> str:
    return _TEMPLATES.get_template("page.html").render(
        subject=one_line(message.subject),
        text=_paragraphs(message),
        facts=[(one_line(label), one_line(value)) for label, value in message.facts],
        link=message.link,
        link_label=message.link_label,
        loud=message.loud,
        how=how,
        footer=_footer(message),
    )


def _id(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9.-]+", "-", text).strip(".-") or "x"

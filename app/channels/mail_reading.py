"""A mail that came in: an answer by a person, a report about a mail of ours, or something that a program sent by itself
and that nobody answers. Pure; takes any bytes and never raises.

Sources: RFC 3834 (automatic responses), RFC 5322 (From, Message-ID), RFC 8601 (Authentication-Results), RFC 2369 and
RFC 2919 (lists), and what old programs put in place of them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from email import message_from_bytes
from email.errors import HeaderParseError, MessageError
from email.header import decode_header
from email.message import Message
from hashlib import sha256
from typing import Final

from app.channels import bounces, letter
from app.channels.bounces import Bounce
from app.channels.mail_text import MOST, above_the_quote, words_of_html
from app.errors import Invalid

_QUOTED: Final = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_ANGLED: Final = re.compile(r"[^<>]*<\s*([^<>\s]+)\s*>\s*(?:\([^()]*\)\s*)?")
_AUTO_SUBJECT: Final = re.compile(
    r"\s*(?:auto(?:matic|matische|mated)?[- ]?(?:reply|response|antwort|svar)\b|auto:|automatic reply"
    r"|out of (?:the )?office|abwesen(?:heits|d)|automatische antwort|réponse automatique|absence du bureau"
    r"|respuesta automática|risposta automatica|automatisch antwoord|resposta automática|autosvar"
    r"|automatyczna odpowiedź|自動応答|自动答复)",
    re.IGNORECASE,
)
_ADDRESS: Final = re.compile(r"[^\s<>,;:\"()@]{1,100}@[^\s<>,;:\"()@]{1,255}")
_PRECEDENCE: Final = frozenset({"bulk", "list", "junk", "auto_reply", "auto-reply"})
_AUTO_HEADERS: Final = (
    "X-Autoreply", "X-Autorespond", "X-Autoresponder", "X-Autoreply-From", "X-Mail-Autoreply", "X-Auto-Reply",
    "X-AutoReply-From", "X-FC-MachineGenerated", "X-POST-MessageClass", "Delivered-By-The-Graces-Of-God",
)  # fmt: skip
_LIST_HEADERS: Final = ("List-Id", "List-Post", "List-Unsubscribe", "List-Help", "Mailing-List", "X-Mailing-List")
_RECIPIENTS: Final = ("Delivered-To", "X-Original-To", "Envelope-To", "X-Envelope-To", "X-Forwarded-To", "To", "Cc")
SUBJECT: Final = 200
_PARTS: Final = 200
_BOUNDARIES: Final = 50
_HEAD: Final = 256 * 1024
_LINES: Final = 2_000
"""Of the header."""
_FIELD: Final = 16_000
"""Bytes of a field of a header, unfolded: a few hundred addresses."""
_FIELDS: Final = re.compile(rb"^[!-9;-~]{1,80}:[^\r\n]*(?:\r?\n[ \t][^\r\n]*)*", re.MULTILINE)
_SHORT: Final = 2_000
_PROSE: Final = 20_000


@dataclass(frozen=True, slots=True)
class Answer:
    """What a person wrote. `text` is without quote and signature; `message_id` is empty where it is none."""

    sender: str
    subject: str
    """One line."""
    text: str
    message_id: str
    authenticated: bool
    """DMARC passed at the server that the settings trust; False where none is trusted."""


@dataclass(frozen=True, slots=True)
class Ignored:
    """A program wrote it, or it is not for us. `why` is one word for metrics."""

    why: str


@dataclass(frozen=True, slots=True)
class MailIn:
    """`identity` is the same whenever the same mail is handed over again."""

    identity: str
    recipients: Sequence[str]
    """Addresses that its headers name, for doors that have no envelope."""
    read: Answer | Bounce | Ignored


def read(raw: bytes, *, own: str = "", envelope_from: str | None = None, authserv_id: str = "") -> MailIn:
    """`own`: the address that our mails come from. `envelope_from`: empty for `<>`, None where it is not known; then
    `Return-Path` tells. `authserv_id`: whose `Authentication-Results` are believed; empty: nobody's."""
    if _is_a_bomb(raw):
        return MailIn(sha256(raw).hexdigest()[:32], [], Ignored("unreadable"))
    mail = message_from_bytes(raw)
    message_id = _one(mail, "Message-ID").strip()
    known = letter.MESSAGE_ID.fullmatch(message_id) is not None
    identity = sha256(message_id.encode() if known else raw).hexdigest()[:32]
    found = _classified(mail, own.lower(), envelope_from, authserv_id, message_id if known else "")
    return MailIn(identity, _recipients(mail), found)


def _is_a_bomb(raw: bytes) -> bool:
    """What takes longer to read the longer it is: fields without end, parts within parts."""
    head = raw[: _HEAD + 4].replace(b"\r", b"")
    end = head.find(b"\n\n")
    if end > _HEAD or (end < 0 and len(raw) > _HEAD) or head.count(b"\n", 0, end if end >= 0 else len(head)) > _LINES:
        return True
    if raw.count(b"oundary=") > _BOUNDARIES or raw.count(b"message/rfc822") > _BOUNDARIES:
        return True
    return any(len(field) > _FIELD for field in _FIELDS.findall(raw))


def _classified(
    mail: Message, own: str, envelope_from: str | None, authserv_id: str, message_id: str
) -> Answer | Bounce | Ignored:
    if mail.get_content_type() == "multipart/report":
        return bounces.read(mail) or Ignored("report")
    if why := _automatic(mail, envelope_from):
        return Ignored(why)
    sender = sender_of(mail)
    if not sender:
        return Ignored("no_sender")
    if sender.lower() == own:
        return Ignored("our_own")
    subject = letter.one_line(_decoded(_one(mail, "Subject"))[:SUBJECT])
    return Answer(sender, subject, _words(mail), message_id, _dmarc_passed(mail, authserv_id, sender))


def _automatic(mail: Message, envelope_from: str | None) -> str:
    """Why this is no answer by a person; empty where it may be one."""
    returns = _one(mail, "Return-Path").strip() if envelope_from is None else f"<{envelope_from}>"
    if returns.replace(" ", "") == "<>":
        return "null_sender"
    submitted = _one(mail, "Auto-Submitted").split(";")[0].split("(")[0].strip().lower()
    if submitted and submitted != "no":
        return "auto_submitted"
    if any(name in mail for name in _AUTO_HEADERS) or _AUTO_SUBJECT.match(_decoded(_one(mail, "Subject"))):
        return "autoreply"
    if _one(mail, "Precedence").strip().lower() in _PRECEDENCE:
        return "precedence"
    if any(name in mail for name in _LIST_HEADERS):
        return "list"
    return ""


def sender_of(mail: Message) -> str:
    """The one address in the one From; empty for none, for several, and for what cannot be read in one way only."""
    given = [str(value)[:_SHORT] for value in mail.get_all("From", [])]
    if len(given) != 1:
        return ""
    plain = _QUOTED.sub("", given[0].replace("\r", " ").replace("\n", " ")).strip()
    found = _ANGLED.fullmatch(plain)
    try:
        return letter.normalise(found[1] if found else plain)
    except Invalid:
        return ""


def _dmarc_passed(mail: Message, authserv_id: str, sender: str) -> bool:
    """RFC 8601: only the topmost field of a server that we trust counts. That server has to remove those which came
    with its name from outside (section 5). DMARC is about the domain in From, which is to be this sender's."""
    if not authserv_id:
        return False
    for value in mail.get_all("Authentication-Results", []):
        told = " ".join(str(value).split())
        who, _, results = told.partition(";")
        if who.split()[:1] != [authserv_id]:
            continue
        dmarc = next((r.strip() for r in results.split(";") if r.strip().lower().startswith("dmarc=")), "")
        about = re.search(r"header\.from=\"?@?([^\s;\"]+)", dmarc, re.IGNORECASE)
        right = about is None or about[1].lower() == sender.rpartition("@")[2].lower()
        return right and re.match(r"dmarc=pass\b", dmarc, re.IGNORECASE) is not None
    return False


def _words(mail: Message) -> str:
    """What was written: of the text part, or where there is none, or only a quote, of the HTML part."""
    plain = html = ""
    for n, part in enumerate(mail.walk()):
        if n > _PARTS or (plain and html):
            break
        if part.is_multipart() or part.get_content_disposition() == "attachment":
            continue
        if part.get_content_type() == "text/plain":
            plain = plain or _text_of(part)
        elif part.get_content_type() == "text/html":
            html = html or _text_of(part)
    return (above_the_quote(plain) or above_the_quote(words_of_html(html)))[:_PROSE]


def _text_of(part: Message) -> str:
    raw = part.get_payload(decode=True)
    if not isinstance(raw, bytes):
        return ""
    charset = str(part.get_param("charset") or "utf-8")
    try:
        return raw[: 4 * MOST].decode(charset, "replace")
    except (LookupError, ValueError):
        return raw[: 4 * MOST].decode("utf-8", "replace")


def _recipients(mail: Message) -> list[str]:
    given = [str(value) for name in _RECIPIENTS for value in mail.get_all(name, [])]
    return [address for value in given[:50] for address in _ADDRESS.findall(value[:_FIELD])][:200]


def _one(mail: Message, name: str) -> str:
    return str(mail.get(name, ""))[:_SHORT]


def _decoded(value: str) -> str:
    """A header as people see it; as it is where its encoding is broken."""
    try:
        parts = decode_header(value)
        return "".join(p.decode(charset or "utf-8", "replace") if isinstance(p, bytes) else p for p, charset in parts)
    except (HeaderParseError, MessageError, LookupError, ValueError):
        return value

"""What mail servers say about a mail later: it bounced, it waits, or its reader called it spam. Pure.

Sources: RFC 3464 (delivery status notifications), RFC 3463 and IANA's registry (enhanced codes), RFC 5965 (complaints).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from email.message import Message
from typing import Any, Final, Literal

from app.channels.channel import SendFailed

_BROKEN: Final = {"permanent": True, "broken_address": True}
_ELSEWHERE: Final = {"permanent": True}
_OPERATORS: Final = {"permanent": True, "configuration": True}

_CODES: Final[dict[str, tuple[Mapping[str, bool], str]]] = {
    "1.0": (_BROKEN, "the address does not work"),
    "1.1": (_BROKEN, "there is no such mailbox"),
    "1.2": (_BROKEN, "there is no such mail domain"),
    "1.3": (_BROKEN, "this is not a valid mail address"),
    "1.4": (_ELSEWHERE, "the address means several mailboxes"),
    "1.6": (_BROKEN, "the mailbox has moved and left no new address"),
    "1.7": (_OPERATORS, "our sender address is not valid"),
    "1.8": (_OPERATORS, "the domain of our sender address is not valid"),
    "1.9": (_ELSEWHERE, "the message was relayed to a server that does not report"),
    "1.10": (_BROKEN, "the domain takes no mail at all"),
    "2.0": (_BROKEN, "the mailbox does not take mail"),
    "2.1": (_BROKEN, "the mailbox is disabled"),
    "2.2": (_ELSEWHERE, "the mailbox is full"),
    "2.3": (_OPERATORS, "the message is too long for the mailbox"),
    "2.4": (_ELSEWHERE, "the mailing list cannot be expanded"),
    "3.0": (_ELSEWHERE, "the recipient's mail system failed"),
    "3.1": (_ELSEWHERE, "the recipient's mail system is full"),
    "3.2": (_ELSEWHERE, "the recipient's mail system takes no mail now"),
    "3.3": (_ELSEWHERE, "the recipient's mail system cannot do what the message needs"),
    "3.4": (_OPERATORS, "the message is too big for the recipient's mail system"),
    "4.1": (_BROKEN, "the recipient's mail server does not answer, or refuses the address"),
    "4.2": (_ELSEWHERE, "the connection to the recipient's mail server broke off"),
    "4.3": (_ELSEWHERE, "the recipient's domain could not be looked up"),
    "4.4": (_BROKEN, "there is no way to the recipient's mail domain"),
    "4.5": (_ELSEWHERE, "the recipient's mail system is busy"),
    "4.6": (_BROKEN, "the mail goes round in circles on its way to the recipient"),
    "4.7": (_ELSEWHERE, "the mail could not be delivered for too long"),
    "5.0": (_OPERATORS, "the mail servers did not understand each other"),
    "6.0": (_OPERATORS, "the recipient's mail system does not take the content"),
    "7.0": (_OPERATORS, "the recipient's mail system refuses our mails"),
    "7.1": (_OPERATORS, "the recipient's mail system refuses our mails: check SPF, DKIM, DMARC and our reputation"),
    "7.13": (_BROKEN, "the recipient's account is disabled"),
    "7.17": (_BROKEN, "the mailbox has another owner by now"),
    "7.26": (_OPERATORS, "our mails are not authenticated: check SPF, DKIM and DMARC"),
}
"""By subject and detail of the enhanced code. What is about us or about the message does not turn an address off: it
would turn off everybody's."""
_CLASSES: Final[dict[str, tuple[Mapping[str, bool], str]]] = {
    "0": (_BROKEN, "the mail could not be delivered"),
    "1": (_BROKEN, "the address does not work"),
    "2": (_BROKEN, "the mailbox does not take mail"),
    "3": (_ELSEWHERE, "the recipient's mail system failed"),
    "4": (_ELSEWHERE, "the mail could not be carried to the recipient's mail system"),
    "5": (_OPERATORS, "the mail servers did not understand each other"),
    "6": (_OPERATORS, "the recipient's mail system does not take the content"),
    "7": (_OPERATORS, "the recipient's mail system refuses our mails"),
}
_STATUS: Final = re.compile(r"\s*([245])\.(\d{1,3})\.(\d{1,3})\b")
_IN_TEXT: Final = re.compile(r"\b([45])\.(\d{1,3})\.(\d{1,3})\b")
_SAID: Final = 300

Kind = Literal["failed", "delayed", "delivered", "complaint"]


@dataclass(frozen=True, slots=True)
class Bounce:
    """What became of a mail that its server had taken. `fault` is None where it was `delivered`."""

    kind: Kind
    fault: SendFailed | None = None

    @property
    def hard(self) -> bool:
        return self.fault is not None and self.fault.permanent


def read(report: Message) -> Bounce | None:
    """What a `multipart/report` says about one mail; None where that is nothing we can use. Never raises."""
    for part in _parts(report):
        kind = part.get_content_type()
        if kind in ("message/delivery-status", "message/global-delivery-status"):
            return _of_delivery(_groups(part))
        if kind == "message/feedback-report":
            return _of_feedback(_groups(part))
    return None


def _parts(report: Message) -> list[Message]:
    payload = report.get_payload()
    return [p for p in payload if isinstance(p, Message)] if isinstance(payload, list) else []


def _groups(part: Message) -> list[dict[str, str]]:
    """The blocks of fields of a report. The parser makes messages of them; a feedback report it leaves as text or
    makes one message of."""
    payload: Any = part.get_payload()
    if not isinstance(payload, list):
        return [_fields_of(block) for block in re.split(r"\r?\n[ \t]*\r?\n", str(payload or "")) if block.strip()]
    blocks: list[dict[str, str]] = []
    for block in payload:
        fields = {name.lower(): str(value) for name, value in block.items()}
        blocks += [fields] if fields else [_fields_of(str(block.get_payload() or ""))]
    return blocks


def _fields_of(block: str) -> dict[str, str]:
    unfolded = re.sub(r"\r?\n[ \t]+", " ", block)
    pairs = (line.partition(":") for line in unfolded.splitlines() if ":" in line)
    return {name.strip().lower(): value.strip() for name, _, value in pairs}


def _of_delivery(groups: list[dict[str, str]]) -> Bounce | None:
    """One mail of ours has one recipient: the first block that says what was done is about it."""
    for fields in groups:
        action = fields.get("action", "").split("(")[0].strip().lower()
        if not action:
            continue
        if action in ("delivered", "relayed", "expanded"):
            return Bounce("delivered") if action == "delivered" else None
        said = _told(fields.get("diagnostic-code", ""))
        fault = fault_of(fields.get("status", ""), said, final=action != "delayed")
        return Bounce("delayed" if action == "delayed" else "failed", fault) if action in _BAD else None
    return None


_BAD: Final = ("failed", "delayed")


def _told(diagnostic: str) -> str:
    """The server's own words: `smtp; 550 5.1.1 No such user`, without the type."""
    return " ".join(diagnostic.partition(";")[2].split() or diagnostic.split())[:_SAID]


def fault_of(status: str, said: str = "", *, final: bool = True) -> SendFailed:
    """The failure behind an enhanced code. Where that is as vague as 5.0.0, a better one in the server's words counts.
    A mail that was given up for a temporary reason (4.x.x) is lost as well, but its address is good. `final`: it was
    given up."""
    found = _STATUS.match(status)
    better = _IN_TEXT.search(said)
    if better is not None and (found is None or found[2] == found[3] == "0"):
        found = better
    if found is None:
        return SendFailed(_words("the mail was not delivered", "", said), permanent=False, code="bounced")
    code, hard = f"{found[1]}.{found[2]}.{found[3]}", found[1] == "5"
    facts, words = _CODES.get(f"{int(found[2])}.{int(found[3])}") or _CLASSES.get(
        str(int(found[2])), (_BROKEN, "the mail could not be delivered")
    )
    given: dict[str, Any] = {**facts} if hard and final else {}
    return SendFailed(_words(words if final else f"it waits: {words}", code, said), code=code, **given)


def _words(words: str, code: str, said: str) -> str:
    told = f"; the server said: {said}" if said else ""
    return f"{words} ({f'bounced with {code}' if code else 'bounced'}{told})"


def _of_feedback(groups: list[dict[str, str]]) -> Bounce | None:
    for fields in groups:
        if (kind := fields.get("feedback-type", "").lower()) and kind != "not-spam":
            words = "its reader marked our mail as spam, so that the next ones would not be seen"
            return Bounce("complaint", SendFailed(words, permanent=True, code="complaint", broken_address=True))
    return None

"""What people's mail programs and mail servers make of a mail: answers with the quotes of common programs, automatic
answers, bounces; and the handing over by SMTP. For tests and the demo."""

from __future__ import annotations

import asyncio
import smtplib
from email.message import EmailMessage
from email.utils import make_msgid, parseaddr
from html import escape
from typing import Final, Literal

from app.dev.mailbox import Mail

Program = Literal["gmail", "apple", "outlook", "thunderbird", "html_only"]


def answer(to: Mail, words: str, *, sender: str = "", program: Program = "gmail", **headers: str) -> bytes:
    """An answer to this mail as a program sends it, to its Reply-To. `headers` in the way of Python: `Auto_Submitted`;
    they replace those it would have."""
    asked = to.message
    sender = sender or to.recipient
    mail = EmailMessage()
    mail["From"] = f"Somebody <{sender}>"
    mail["To"] = str(asked["Reply-To"] or asked["From"])
    mail["Subject"] = f"Re: {to.subject}"
    mail["Message-ID"] = make_msgid(domain=sender.rpartition("@")[2])
    mail["In-Reply-To"] = str(asked["Message-ID"])
    mail["References"] = str(asked["Message-ID"])
    for name, value in headers.items():
        del mail[name.replace("_", "-")]
        mail[name.replace("_", "-")] = value
    said_by, when = str(asked["From"]), "Mon, Nov 23, 2026 at 11:00 AM"
    if program != "html_only":
        mail.set_content(words + _PLAIN[program].format(who=said_by, when=when, subject=to.subject) + _cited(to.text))
    html = f"<div>{'<br>'.join(map(escape, words.splitlines()))}</div>{_HTML}<div>{escape(to.text)}</div></blockquote>"
    if program == "html_only":
        mail.set_content(html, subtype="html")
    elif program != "thunderbird":
        mail.add_alternative(html, subtype="html")
    return mail.as_bytes()


_PLAIN: Final[dict[Program, str]] = {
    "gmail": "\n\nOn {when} {who} wrote:\n\n",
    "apple": "\n\nSent from my iPhone\n\n> On Nov 23, 2026, at 11:00, {who} wrote:\n> \n",
    "outlook": "\n\n________________________________\nFrom: {who}\nSent: {when}\nTo: Somebody\nSubject: {subject}\n\n",
    "thunderbird": "\n\nAm 23.11.26 um 11:00 schrieb {who}:\n",
}
_HTML: Final = '<div class="gmail_quote"><blockquote>'


def _cited(text: str) -> str:
    return "".join(f"> {line}\n" for line in text.splitlines())


def bounce(of: Mail, status: str, said: str, *, action: str = "failed") -> bytes:
    """A delivery status notification about this mail, as Postfix writes it (RFC 3464)."""
    return _report(
        "delivery-status",
        "Mail Delivery System <MAILER-DAEMON@mx.example.net>",
        of.sender,
        "This is the mail system at host mx.example.net. I'm sorry to have to inform you ...",
        [
            "Reporting-MTA: dns; mx.example.net\nX-Postfix-Queue-ID: 4A1B2C3D\n"
            "Arrival-Date: Mon, 23 Nov 2026 11:00:00 +0100",
            f"Final-Recipient: rfc822; {of.recipient}\nOriginal-Recipient: rfc822;{of.recipient}\nAction: {action}\n"
            f"Status: {status}\nRemote-MTA: dns; mail.example.org\nDiagnostic-Code: smtp; {said}",
        ],
    )


def complaint(about: Mail, kind: str = "abuse") -> bytes:
    """A feedback report: its reader pressed "this is spam" (RFC 5965)."""
    fields = f"Feedback-Type: {kind}\nUser-Agent: Loop/1.0\nVersion: 1\nOriginal-Rcpt-To: <{about.recipient}>"
    return _report("feedback-report", "<feedback@isp.example>", about.sender, "An email abuse report", [fields])


def _report(kind: str, sender: str, recipient: str, words: str, blocks: list[str]) -> bytes:
    head = (
        f"From: {sender}\nTo: {recipient}\nSubject: Undelivered Mail Returned to Sender\nAuto-Submitted: auto-replied\n"
        f"Message-ID: {make_msgid(domain='mx.example.net')}\nMIME-Version: 1.0\n"
        f'Content-Type: multipart/report; report-type={kind}; boundary="BOUND"\n\n'
    )
    place = "message/delivery-status" if kind == "delivery-status" else "message/feedback-report"
    body = f"--BOUND\nContent-Type: text/plain\n\n{words}\n\n--BOUND\nContent-Type: {place}\n\n"
    return (head + body + "\n\n".join(blocks) + "\n\n--BOUND--\n").replace("\n", "\r\n").encode()


def reply_address(mail: Mail) -> str:
    """Where an answer goes, without the name. Raises AssertionError where the mail is not to be answered."""
    _, address = parseaddr(str(mail.message["Reply-To"] or ""))
    assert address, "the mail has no Reply-To"
    return address


async def hand_over(port: int, sender: str, recipient: str, raw: bytes) -> None:
    """By SMTP to a server of this machine. Raises smtplib's errors when it is refused."""

    def send() -> None:
        with smtplib.SMTP("127.0.0.1", port, timeout=30) as server:
            server.sendmail(sender, [recipient], raw)

    await asyncio.to_thread(send)

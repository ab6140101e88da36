"""A mail server with an inbox per address: for tests and for the demo. It lives in the running loop."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any, Final, Literal

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from app.dev.inbox import WITHIN_S, Inbox

Stage = Literal["mail", "rcpt", "data"]
_ALWAYS: Final = 10**9


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail as it arrived. `raw` is the content, `recipient` comes from the envelope, not from the headers."""

    sender: str
    recipient: str
    raw: bytes
    secured: bool
    """It came over TLS."""

    @property
    def message(self) -> EmailMessage:
        parsed = message_from_bytes(self.raw, policy=default)
        assert isinstance(parsed, EmailMessage)
        return parsed

    @property
    def subject(self) -> str:
        return str(self.message["Subject"])

    @property
    def text(self) -> str:
        return self._part("plain")

    @property
    def html(self) -> str:
        return self._part("html")

    def _part(self, kind: str) -> str:
        part = self.message.get_body((kind,))
        return str(part.get_content()).replace("\r\n", "\n") if part else ""

    def __str__(self) -> str:
        return f"{self.subject}\n{self.text}"


@dataclass(slots=True)
class _Trouble:
    stage: Stage
    answer: str | None
    """What the server says; None: nothing, it hangs up."""
    to: str | None
    times: int
    hangs: bool = False


class Mailbox:
    """`start`, point TOCSIN_SMTP_URL at `url`, and expect mails.

    With `login` nobody may send without it (also without TLS unless there is `tls`); with `tls` STARTTLS is offered.
    `log` gets one line for every mail.
    """

    def __init__(
        self,
        *,
        login: tuple[str, str] | None = None,
        tls: ssl.SSLContext | None = None,
        log: Callable[[str], None] = lambda line: None,
    ) -> None:
        self._login, self._tls, self._log = login, tls, log
        self._inboxes: dict[str, Inbox[Mail]] = {}
        self._troubles: list[_Trouble] = []
        self._protocols: list[SMTP] = []
        self.mails: list[Mail] = []

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> None:
        self._server = await asyncio.get_running_loop().create_server(self._protocol, host, port)
        self.host, self.port = host, self._server.sockets[0].getsockname()[1]

    @property
    def url(self) -> str:
        login = f"{self._login[0]}:{self._login[1]}@" if self._login else ""
        return f"smtp://{login}{self.host}:{self.port}"

    async def stop(self) -> None:
        self._server.close()
        for protocol in self._protocols:
            if protocol.transport is not None:
                protocol.transport.close()
        await asyncio.sleep(0)  # the connections notice

    def inbox(self, address: str) -> Inbox[Mail]:
        key = address.lower()
        return self._inboxes.setdefault(key, Inbox(key, str))

    async def expects_mail(self, address: str, *parts: str, within_s: float = WITHIN_S) -> Mail:
        """Waits for a mail to this address with all these parts in subject or text. Raises AssertionError."""
        return await self.inbox(address).expects(*parts, within_s=within_s)

    def unexpected(self) -> dict[str, list[str]]:
        """Subjects of mails that nobody waited for, by address."""
        left = {address: [m.subject for m in inbox.unexpected()] for address, inbox in self._inboxes.items()}
        return {address: subjects for address, subjects in left.items() if subjects}

    # -- what can go wrong, for the next `times` mails (None: from now on), to one address or to any

    def refuses(self, answer: str, *, at: Stage = "rcpt", to: str | None = None, times: int | None = 1) -> None:
        """Answers like `550 5.1.1 No such user` or `451 4.7.1 Try later`."""
        self._troubles.append(_Trouble(at, answer, to, times or _ALWAYS))

    def hangs(self, *, at: Stage = "data", to: str | None = None, times: int | None = 1) -> None:
        """Never answers; at `data` the content has been received and is dropped."""
        self._troubles.append(_Trouble(at, None, to, times or _ALWAYS, hangs=True))

    def hangs_up(self, *, at: Stage = "data", to: str | None = None, times: int | None = 1) -> None:
        """Closes the connection without an answer."""
        self._troubles.append(_Trouble(at, None, to, times or _ALWAYS))

    def heals(self) -> None:
        self._troubles.clear()

    async def _befalls(self, stage: Stage, to: str | None, server: SMTP) -> str | None:
        for trouble in self._troubles:
            if trouble.times and trouble.stage == stage and trouble.to in (None, to):
                trouble.times -= 1
                if trouble.hangs:
                    await asyncio.Event().wait()
                if trouble.answer is None and server.transport is not None:
                    server.transport.close()
                return trouble.answer or "421 gone"
        return None

    # -- aiosmtpd's side

    def _protocol(self) -> SMTP:
        protocol = SMTP(
            self,
            hostname="mailbox.test",
            ident="mailbox",
            tls_context=self._tls,
            auth_required=self._login is not None,
            auth_require_tls=self._tls is not None,
            authenticator=self._authenticate,
            loop=asyncio.get_running_loop(),
        )
        self._protocols.append(protocol)
        return protocol

    def _authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any
    ) -> AuthResult:
        good = isinstance(data, LoginPassword) and self._login == (data.login.decode(), data.password.decode())
        return AuthResult(success=good, handled=False)

    async def handle_MAIL(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if answer := await self._befalls("mail", None, server):
            return answer
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if answer := await self._befalls("rcpt", address.lower(), server):
            return answer
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        for recipient in envelope.rcpt_tos:
            if answer := await self._befalls("data", recipient.lower(), server):
                return answer
        for recipient in envelope.rcpt_tos:
            content = envelope.content
            assert isinstance(content, bytes)
            mail = Mail(envelope.mail_from or "", recipient, content, session.ssl is not None)
            self.mails.append(mail)
            self._log(f"Mail to {recipient}: {mail.subject}")
            self.inbox(recipient).arrived(mail)
        return "250 OK"

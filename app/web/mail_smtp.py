"""⑪ A mail server of our own, for our own signed addresses only: TOCSIN_MAIL_IN_LISTEN. It takes mail for nobody
else, so it can relay nothing, and a mail that was taken has been acted on: what cannot be is refused with 451,
and comes again.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from typing import Any, Final

import structlog
from aiosmtpd.smtp import SMTP, Envelope, Session
from sqlalchemy.exc import DBAPIError

from app.errors import Invalid
from app.settings import Settings
from app.web.mail_intake import LARGEST, MailIntake

CONNECTIONS: Final = 16
RECIPIENTS: Final = 10
IDLE_S: Final = 60.0
COMMANDS: Final = 50
"""Of one kind in one connection."""

log = structlog.get_logger()
logging.getLogger("mail.log").setLevel(logging.WARNING)  # the library's, of every command, with its addresses


class _Connection(SMTP):
    """Bounded: one more than there is room for is sent away."""

    line_length_limit = 64 * 1024
    """Of a mail. RFC 5321 has 1,000, to which not every program keeps: an answer is not refused for that."""

    def __init__(self, door: SmtpDoor, hostname: str, tls: ssl.SSLContext | None) -> None:
        super().__init__(
            door,
            data_size_limit=LARGEST,
            hostname=hostname,
            ident="Tocsin",
            tls_context=tls,
            timeout=IDLE_S,
            command_call_limit=COMMANDS,
            auth_exclude_mechanism=["LOGIN", "PLAIN"],
            loop=asyncio.get_running_loop(),
        )
        self._door = door

    def connection_made(self, transport: Any) -> None:
        if self not in self._door.connections and len(self._door.connections) >= CONNECTIONS:
            transport.write(b"421 4.3.2 Too many connections, try again later\r\n")
            transport.close()
            return
        self._door.connections.add(self)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        if self in self._door.connections:
            self._door.connections.discard(self)
            super().connection_lost(error)


class SmtpDoor:
    """`start` it once, `stop` it at the end. Its `handle_` methods are aiosmtpd's hooks."""

    def __init__(self, settings: Settings, intake: MailIntake) -> None:
        self._settings = settings
        self._intake = intake
        self.connections: set[_Connection] = set()
        self.port = 0

    async def start(self) -> None:
        """Raises Invalid, naming the setting, when it cannot listen or has no certificate."""
        tls = certificate(self._settings)
        host, _, port = self._settings.mail_in_listen.rpartition(":")
        address = self._settings.mail_reply_to or self._settings.mail_bounces_to
        hostname = address.rpartition("@")[2] or "localhost"
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(
                lambda: _Connection(self, hostname, tls), host.strip("[]"), int(port)
            )
        except OSError as e:
            raise Invalid(f"TOCSIN_MAIL_IN_LISTEN: cannot listen on {self._settings.mail_in_listen}: {e}") from e
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Takes no more connections, and closes those that there are: what was not answered comes again."""
        self._server.close()
        for connection in tuple(self.connections):
            if connection.transport is not None:
                connection.transport.close()
        await asyncio.wait([asyncio.ensure_future(self._server.wait_closed())], timeout=5)

    # -- aiosmtpd's side

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if not self._intake.knows(address):
            return "550 5.1.1 No such mailbox here"
        if len(envelope.rcpt_tos) >= RECIPIENTS:
            return "452 4.5.3 Too many recipients"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        content = envelope.content
        assert isinstance(content, bytes)
        try:
            became = await self._intake.take(content, envelope.rcpt_tos, envelope.mail_from or "")
        except (DBAPIError, OSError, TimeoutError) as e:
            log.warning("mail_not_taken", error=repr(e))
            return "451 4.3.0 Not now, try again"
        log.info("mail_taken", became=became)
        return "250 2.0.0 OK"

    async def handle_exception(self, error: Exception) -> str:
        log.error("mail_door_failed", error=repr(error), exc_info=error)
        return "451 4.3.0 Something went wrong, try again"


def certificate(settings: Settings) -> ssl.SSLContext | None:
    """None where there is none. Raises Invalid, naming the settings, for one that cannot be used."""
    if not settings.mail_in_tls_cert:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(settings.mail_in_tls_cert, settings.mail_in_tls_key)
    except (OSError, ssl.SSLError) as e:
        raise Invalid(f"TOCSIN_MAIL_IN_TLS_CERT and TOCSIN_MAIL_IN_TLS_KEY cannot be used: {e}") from e
    return context

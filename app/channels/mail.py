"""Mail over SMTP. The server's codes tell a permanent failure from a temporary one (RFC 5321, RFC 3463)."""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import datetime
from ipaddress import ip_address
from typing import Final, Literal
from urllib.parse import parse_qsl, unquote, urlsplit

import aiosmtplib

from app.channels import letter, signed_addresses
from app.channels.channel import Capability, Message, SendFailed, Sent
from app.channels.names import Names
from app.errors import Invalid
from app.settings import Settings

PROVIDER: Final = "smtp"
_TIMEOUT_S: Final = 10
_IN_ALL_S: Final = 25
_ENHANCED: Final = re.compile(r"\s*([245]\.\d{1,3}\.\d{1,3})\b")

Tls = Literal["offered", "required", "implicit", "none"]


@dataclass(frozen=True, slots=True)
class Server:
    """An SMTP server as a URL names it."""

    host: str
    port: int
    tls: Tls
    username: str = ""
    password: str = field(default="", repr=False)


def server(url: str, setting: str = "TOCSIN_SMTP_URL") -> Server:
    """Reads `smtp://user:password@host:587` or `smtps://...`. Raises Invalid that names the setting, never its value.

    `smtps` is TLS from the first byte (port 465). `smtp` (port 587) uses STARTTLS when the server offers it, and
    insists on it, certificate included, when there is a password and the server is not this machine. `?tls=required`
    always insists, `?tls=none` never does. Special characters in user and password are percent-encoded.
    """
    try:
        parts = urlsplit(url)
        port = parts.port or (465 if parts.scheme == "smtps" else 587)
    except ValueError as e:
        raise Invalid(f"{setting} is not a URL") from e
    wish = dict(parse_qsl(parts.query)).get("tls")
    if parts.scheme not in ("smtp", "smtps") or not parts.hostname:
        raise Invalid(f"{setting} looks like smtp://user:password@mail.example.org:587 or smtps://...")
    if wish not in (None, "required", "none") or (wish == "none" and parts.scheme == "smtps"):
        raise Invalid(f"{setting}: tls takes required or none, and smtps cannot go without")
    tls: Tls = "offered" if wish is None else "required" if wish == "required" else "none"
    if wish is None and parts.password and not is_here(parts.hostname):
        tls = "required"
    if parts.scheme == "smtps":
        tls = "implicit"
    return Server(parts.hostname, port, tls, unquote(parts.username or ""), unquote(parts.password or ""))


def is_here(host: str) -> bool:
    """Whether a host of a setting is this machine."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def capability(settings: Settings) -> Capability:
    """What mail can do with these settings."""
    wanted = {"TOCSIN_SMTP_URL": settings.smtp_url, "TOCSIN_MAIL_FROM": settings.mail_from}
    return Capability(
        channel="mail",
        label="Mail",
        address_label="Mail address",
        address_hint="ana@example.org",
        input_type="email",
        can_reply=bool(settings.mail_reply_to),
        can_tell_delivery=False,
        missing=tuple(name for name, value in wanted.items() if not value),
    )


class MailChannel:
    """One SMTP server. Raises Invalid when it is not configured, or wrongly."""

    def __init__(self, settings: Settings) -> None:
        self.capability = capability(settings)
        if not self.capability.configured:
            raise Invalid(f"Mail needs {', '.join(self.capability.missing)}")
        self._server = server(settings.smtp_url)
        self._names = Names()
        self._origin = letter.sender(settings.mail_from)
        self._replies = signed_addresses.replies(settings)
        self._bounces = signed_addresses.bounces(settings)

    def normalise(self, address: str) -> str:
        return letter.normalise(address)

    async def send(self, message: Message) -> Sent:
        """Hands the mail to the server; `sent` is all that will be known, unless it bounces. One connection per
        mail."""
        reply_to = self._replies.address(message.reply_token) if self._replies and message.reply_token else ""
        bounces_to = self._bounces.address(message.bounce_token) if self._bounces and message.bounce_token else ""
        try:
            mail = letter.letter(message, self._origin, reply_to)
        except Invalid as e:
            raise SendFailed(e.message, permanent=True, code="address", broken_address=True) from e
        sender = bounces_to or self._origin.addr_spec
        await deliver(self._server, self._names, sender, letter.normalise(message.to), mail.as_bytes())
        return Sent(PROVIDER, str(mail["Message-ID"]), "sent")

    async def find(self, message: Message, since: datetime) -> Sent | None:
        """SMTP cannot be asked."""
        return None

    async def close(self) -> None:
        """Nothing is kept open."""


async def deliver(to_server: Server, names: Names, sender: str, recipient: str, mail: bytes) -> None:
    """One mail to one recipient. Raises `SendFailed`, with `maybe_sent` once the content was being written."""
    written = False
    client = _client(to_server, sender.rpartition("@")[2])
    try:
        async with asyncio.timeout(_IN_ALL_S):
            await _connect(client, to_server, names)
            await client.mail(sender)
            await client.rcpt(recipient)
            written = True
            await client.data(mail)
    except aiosmtplib.SMTPResponseException as e:
        raise _refused(e) from e
    except (aiosmtplib.SMTPException, OSError, ValueError) as e:  # TimeoutError is an OSError
        raise _broken_off(e, written) from e
    else:
        with suppress(aiosmtplib.SMTPException, OSError):  # the mail is taken; a goodbye that fails changes nothing
            await client.quit(timeout=2)
    finally:
        client.close()


async def _connect(client: aiosmtplib.SMTP, to_server: Server, names: Names) -> None:
    """With TLS and login, as the server is to be spoken to. Raises what `deliver` tells apart."""
    await client.connect(sock=await _line(to_server, names))


async def _line(to_server: Server, names: Names) -> socket.socket:
    """A connection to the first of its addresses that takes one. Raises OSError."""
    failure = OSError(f"{to_server.host} has no address")
    for address in await names.addresses(to_server.host):
        with ExitStack() as broken_off:
            line = broken_off.enter_context(socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET))
            line.setblocking(False)
            try:
                async with asyncio.timeout(_TIMEOUT_S):
                    await asyncio.get_running_loop().sock_connect(line, (address, to_server.port))
            except OSError as e:  # TimeoutError is one
                failure = e
                continue
            broken_off.pop_all()
            return line
    raise failure


def _client(to_server: Server, helo: str) -> aiosmtplib.SMTP:
    tls = to_server.tls
    return aiosmtplib.SMTP(
        hostname=to_server.host,
        username=to_server.username or None,
        password=to_server.password or None,
        use_tls=tls == "implicit",
        start_tls={"offered": None, "required": True, "none": False, "implicit": False}[tls],
        validate_certs=tls != "offered",  # where plain text would do, an unknown certificate does too (RFC 7435)
        local_hostname=helo,
        timeout=_TIMEOUT_S,
    )


def _refused(e: aiosmtplib.SMTPResponseException) -> SendFailed:
    """The failure behind an answer of the server."""
    found = _ENHANCED.match(e.message)
    enhanced = found[1] if found else ""
    code = f"{e.code} {enhanced}".strip()
    words = f"the mail server answered {e.code} {e.message}".replace("\n", " ")
    if not 500 <= e.code < 600:
        return SendFailed(words, code=code)
    if not isinstance(e, aiosmtplib.SMTPRecipientRefused):
        ours = not isinstance(e, aiosmtplib.SMTPDataError)  # who we are, not what we wrote
        return SendFailed(words, permanent=True, code=code, configuration=ours)
    # 5.1.x bad address, 5.2.1 mailbox disabled; without enhanced codes what RFC 5321 says about the bare ones
    broken = enhanced.startswith("5.1.") or enhanced == "5.2.1" or (not enhanced and e.code in (550, 551, 553))
    return SendFailed(words, permanent=True, code=code, broken_address=broken, configuration=enhanced[:4] == "5.7.")


def _broken_off(e: Exception, written: bool) -> SendFailed:
    """The failure behind no answer: no connection, a dropped one, a time-out, a certificate."""
    if isinstance(e, ssl.SSLCertVerificationError) or isinstance(e.__cause__, ssl.SSLCertVerificationError):
        return SendFailed(f"the mail server's certificate: {e}", permanent=True, code="certificate", configuration=True)
    network = isinstance(e, OSError) or isinstance(e.__cause__, OSError)
    if not network:  # no STARTTLS, no common way to log in: the server will not change its mind
        return SendFailed(f"the mail server: {e}", permanent=True, code="protocol", configuration=True)
    code = "timeout" if isinstance(e, TimeoutError) else "unreachable"
    return SendFailed(f"the mail server: {str(e) or 'no answer'}", code=code, maybe_sent=written)

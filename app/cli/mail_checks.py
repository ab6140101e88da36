"""What `tocsin doctor` says of answers and bounces by mail: do the settings fit together, and do mails come back?"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from ipaddress import ip_address
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from app.channels import imap, signed_addresses
from app.cli.findings import Finding, ok, problem, warning
from app.errors import Invalid
from app.notifications import mail_store
from app.settings import Settings

NAMED: Final = 5
LATELY: Final = timedelta(days=7)
_NAME: Final = "answers by mail"


def of_settings(s: Settings) -> Iterator[Finding]:
    """Nothing where mail is not configured, or cannot be answered."""
    if not (s.mail_reply_to or s.mail_bounces_to):
        return
    try:
        _checked(s)
    except (Invalid, imap.ImapFailed) as e:
        yield problem(_NAME, str(e), "docs/answering.md says how mail is set up.")
        return
    doors = [f"SMTP on {s.mail_in_listen}"] * bool(s.mail_in_listen) + ["HTTP"] * bool(s.mail_in_secret)
    doors += ["IMAP"] * bool(s.mail_in_imap_url)
    if not doors:
        advice = "It takes TOCSIN_MAIL_IN_LISTEN, _SECRET or _IMAP_URL. docs/answering.md"
        yield warning(_NAME, "no door for incoming mail is open here", advice)
    elif not s.mail_bounces_to:
        advice = "Set TOCSIN_MAIL_BOUNCES_TO, or a page to a dead mailbox looks as if it had arrived."
        yield warning(_NAME, "bounces are not seen", advice)
    else:
        yield ok(_NAME, f"taken by {' and '.join(doors)}")
    if s.mail_in_listen and not s.mail_in_tls_cert and not _on_loopback(s.mail_in_listen):
        advice = "Set TOCSIN_MAIL_IN_TLS_CERT and TOCSIN_MAIL_IN_TLS_KEY."
        yield warning(_NAME, "come in without TLS: whoever is on the way can read them", advice)


def _checked(s: Settings) -> None:
    """Raises Invalid for what a process would not start with, `ImapFailed` for a mailbox that cannot be opened."""
    from app.web.mail_smtp import certificate  # noqa: PLC0415  # only where mail can be answered

    signed_addresses.replies(s)
    signed_addresses.bounces(s)
    if s.mail_in_listen:
        certificate(s)
    if s.mail_in_imap_url:
        imap.look(imap.mailbox(s.mail_in_imap_url))


def _on_loopback(listen: str) -> bool:
    host = listen.rpartition(":")[0].strip("[]")
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


async def bounced(conn: AsyncConnection, now: datetime) -> Finding | None:
    """None when no mail came back lately to an address that still counts."""
    if not (found := await mail_store.bounced(conn, now - LATELY, NAMED + 1)):
        return None
    named = ", ".join(f"{b.name} ({b.key}, {b.times} in 7 days, {b.code or 'without a code'})" for b in found[:NAMED])
    more = " and more" if len(found) > NAMED else ""
    advice = "Their addresses still count. What the codes mean: docs/answering.md, Bounces."
    return warning("bounced mail", f"mails came back from {named}{more}", advice)

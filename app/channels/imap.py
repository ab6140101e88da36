"""A mailbox elsewhere, over IMAP (RFC 3501): what is new in it, and what was dealt with. Blocking: for a thread.

A mail is marked as seen only after it was acted on, so one that is lost on the way is read again.
"""

from __future__ import annotations

import imaplib
import re
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit

from app.channels.mail import is_here
from app.errors import Invalid

AT_ONCE: Final = 20
"""Mails of one look; the next ones follow with the next."""
_TIMEOUT_S: Final = 20
_SIZE: Final = re.compile(rb"RFC822\.SIZE (\d{1,12})")


class ImapFailed(Exception):
    """The mailbox could not be asked. The text is for operators, without the password."""


@dataclass(frozen=True, slots=True)
class Mailbox:
    host: str
    port: int
    tls: bool
    starttls: bool
    username: str
    password: str = field(repr=False)
    folder: str = "INBOX"


def mailbox(url: str) -> Mailbox:
    """Reads `imaps://user:password@host/INBOX`, or `imap://` with STARTTLS, which only a server on this machine may do
    without (`?tls=none`). Raises Invalid that never shows the value."""
    name = "TOCSIN_MAIL_IN_IMAP_URL"
    try:
        parts = urlsplit(url)
        port = parts.port or (993 if parts.scheme == "imaps" else 143)
    except ValueError as e:
        raise Invalid(f"{name} is not a URL") from e
    if parts.scheme not in ("imap", "imaps") or not parts.hostname or not parts.username:
        raise Invalid(f"{name} looks like imaps://user:password@mail.example.org/INBOX")
    bare = dict(parse_qsl(parts.query)).get("tls") == "none"
    if bare and not is_here(parts.hostname):
        raise Invalid(f"{name}: tls=none is for a server on this machine only")
    folder = unquote(parts.path.strip("/")) or "INBOX"
    if not folder.isascii() or not folder.isprintable() or '"' in folder or "\\" in folder:
        raise Invalid(f"{name}: this cannot be the name of a folder")
    tls = parts.scheme == "imaps"
    user, password = unquote(parts.username), unquote(parts.password or "")
    return Mailbox(parts.hostname, port, tls, not tls and not bare, user, password, folder)


def unseen(box: Mailbox, largest: int) -> list[tuple[str, bytes]]:
    """UIDs and mails, the oldest first, `AT_ONCE` at most; empty bytes for one that is larger than `largest`. Raises
    `ImapFailed`."""
    with _opened(box) as client:
        _, found = client.uid("SEARCH", "UNSEEN")
        uids = (found[0] or b"").decode().split()[:AT_ONCE]
        return [(uid, _mail(client, uid, largest)) for uid in uids]


def mark_seen(box: Mailbox, uids: Sequence[str]) -> None:
    """Raises `ImapFailed`."""
    with _opened(box) as client:
        client.uid("STORE", ",".join(uids), "+FLAGS", r"(\Seen)")


def look(box: Mailbox) -> None:
    """Logs in and opens the folder. Raises `ImapFailed`."""
    with _opened(box):
        pass


def _mail(client: imaplib.IMAP4, uid: str, largest: int) -> bytes:
    _, sized = client.uid("FETCH", uid, "(RFC822.SIZE)")
    size = _SIZE.search(b" ".join(part if isinstance(part, bytes) else part[0] for part in sized if part))
    if size is None or int(size[1]) > largest:
        return b""
    _, fetched = client.uid("FETCH", uid, "(BODY.PEEK[])")
    return next((part[1] for part in fetched if isinstance(part, tuple)), b"")


@contextmanager
def _opened(box: Mailbox) -> Iterator[imaplib.IMAP4]:
    client: imaplib.IMAP4 | None = None
    try:
        if box.tls:
            context = ssl.create_default_context()
            client = imaplib.IMAP4_SSL(box.host, box.port, ssl_context=context, timeout=_TIMEOUT_S)
        else:
            client = imaplib.IMAP4(box.host, box.port, timeout=_TIMEOUT_S)
            if box.starttls:
                client.starttls(ssl.create_default_context())
        client.login(box.username, box.password)
        answer, said = client.select(f'"{box.folder}"')
        if answer != "OK":
            raise ImapFailed(f"{box.host} has no folder {box.folder}: {said!r}"[:300])
        yield client
    except (imaplib.IMAP4.error, OSError, ValueError) as e:
        raise ImapFailed(f"{box.host}:{box.port}: {str(e) or 'no answer'}"[:300]) from e
    finally:
        if client is not None:
            with suppress(imaplib.IMAP4.error, OSError):
                client.logout()

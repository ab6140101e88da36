"""A calendar that other programs subscribe to (RFC 5545, RFC 7986). Pure.

Plain instances in UTC, without rules and zones: so no client has to know ours, and Google Calendar, Outlook and Apple's
Calendar show the same. Lines end with CRLF and are folded at 75 octets, never within a character.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

PRODUCT: Final = "-//Tocsin//On call//EN"
NOBODY: Final = "X-TOCSIN-ON-CALL"
USER: Final = "X-TOCSIN-USER"
"""What our own entries say to whoever imports them: that nobody is on call; the key of who is."""
REFRESH: Final = "PT1H"
_FOLD: Final = 75


@dataclass(frozen=True, slots=True)
class Line:
    """One entry. `sequence` grows with every change of it, `changed_at` is when the last one was. `extra`: properties
    of our own by name."""

    uid: str
    starts_at: datetime
    ends_at: datetime
    summary: str
    changed_at: datetime
    sequence: int = 0
    description: str = ""
    url: str = ""
    busy: bool = True
    extra: dict[str, str] = field(default_factory=dict)


def calendar(name: str, entries: Iterable[Line], description: str = "") -> bytes:
    """The whole calendar; the same bytes for the same entries."""
    head = [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        f"PRODID:{PRODUCT}",
        "CALSCALE:GREGORIAN",
        "METHOD:PUBLISH",
        f"NAME:{_text(name)}",
        f"X-WR-CALNAME:{_text(name)}",
        "X-WR-TIMEZONE:UTC",
        *([f"X-WR-CALDESC:{_text(description)}"] if description else []),
        f"REFRESH-INTERVAL;VALUE=DURATION:{REFRESH}",
        f"X-PUBLISHED-TTL:{REFRESH}",
    ]
    body = (text for entry in entries for text in _event(entry))
    return b"".join(folded(text) for text in (*head, *body, "END:VCALENDAR"))


def _event(entry: Line) -> Iterator[str]:
    yield "BEGIN:VEVENT"
    yield f"UID:{_text(entry.uid)}"
    yield f"DTSTAMP:{_utc(entry.changed_at)}"
    yield f"LAST-MODIFIED:{_utc(entry.changed_at)}"
    yield f"SEQUENCE:{entry.sequence}"
    yield f"DTSTART:{_utc(entry.starts_at)}"
    yield f"DTEND:{_utc(entry.ends_at)}"
    yield f"SUMMARY:{_text(entry.summary)}"
    if entry.description:
        yield f"DESCRIPTION:{_text(entry.description)}"
    if entry.url:
        yield f"URL:{_bare(entry.url)}"
    yield "STATUS:CONFIRMED"
    yield f"TRANSP:{'OPAQUE' if entry.busy else 'TRANSPARENT'}"
    yield from (f"{name}:{_text(value)}" for name, value in entry.extra.items())
    yield "END:VEVENT"


def _utc(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y%m%dT%H%M%SZ}"


def _text(value: str) -> str:
    """TEXT with its escapes (RFC 5545, 3.3.11), without what no line may hold."""
    escaped = re.sub(r"([\\;,])", r"\\\1", value.replace("\r\n", "\n").replace("\r", "\n"))
    return _bare(escaped.replace("\n", "\\n"))


def _bare(value: str) -> str:
    return re.sub(r"[\x00-\x08\x0a-\x1f\x7f]", "", value)


def folded(line: str) -> bytes:
    """A content line with its end, in pieces of at most 75 octets; what is continued begins with a space."""
    rest, pieces = line.encode("utf-8", errors="replace"), []
    room = _FOLD
    while len(rest) > room:
        cut = room
        while rest[cut] & 0xC0 == 0x80:  # within a character
            cut -= 1
        pieces.append(rest[:cut])
        rest, room = rest[cut:], _FOLD - 1
    return b"\r\n ".join([*pieces, rest]) + b"\r\n"

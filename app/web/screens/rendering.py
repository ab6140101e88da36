"""Screens are rendered here: one Jinja2 environment that escapes, one set of headers, files with a hash in their name.

Nothing is loaded from elsewhere. Screens send `Referrer-Policy: same-origin`, so that browsers name our origin when a
form is sent, which `auth.own_origin` asks for.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from fastapi import Response
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from app import hours

_HERE: Final = Path(__file__).resolve().parent.parent
_TYPES: Final = {
    ".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml",
    ".png": "image/png",
}  # fmt: skip

STATE_WORDS: Final = {
    "triggered": "Triggered",
    "acknowledged": "Acknowledged",
    "mitigated": "Mitigated",
    "resolved": "Resolved",
    "closed": "Closed",
}
CHANNEL_WORDS: Final = {
    "sms": "SMS", "mail": "mail", "voice": "call", "push": "push", "ntfy": "ntfy", "slack": "Slack", "chat": "chat",
    "apprise": "Apprise",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class StaticFile:
    """A file of ours as browsers keep it: forever, because another content has another address."""

    content: bytes
    media_type: str
    hash: str


def _load() -> dict[str, StaticFile]:
    found = {}
    for path in sorted((_HERE / "static").iterdir()):
        if path.suffix in _TYPES:
            content = path.read_bytes()
            found[path.name] = StaticFile(content, _TYPES[path.suffix], sha256(content).hexdigest()[:12])
    return found


STATIC: Final[Mapping[str, StaticFile]] = _load()
LINK_CSS: Final = STATIC["link.css"].content.decode()


def _csp(**sources: str) -> str:
    given = {"default-src": "'none'", "base-uri": "'none'", "frame-ancestors": "'none'", "form-action": "'self'"}
    given |= {name.replace("_", "-"): source for name, source in sources.items()}
    return "; ".join(f"{name} {source}" for name, source in given.items())


_COMMON: Final = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
HEADERS: Final = _COMMON | {
    "Referrer-Policy": "same-origin",
    "Content-Security-Policy": _csp(
        style_src="'self'", script_src="'self'", img_src="'self' data:", connect_src="'self'", manifest_src="'self'"
    ),
}
LINK_HEADERS: Final = _COMMON | {
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex, nofollow, noarchive",
    "Content-Security-Policy": _csp(
        style_src=f"'sha256-{b64encode(sha256(LINK_CSS.encode()).digest()).decode()}'", img_src="data:"
    ),
}
"""For the screens behind links: everything is in the one answer, and no script runs at all."""


def static_url(name: str) -> str:
    return f"/static/{STATIC[name].hash}/{name}"


def when(at: datetime, now: datetime, zone: ZoneInfo) -> str:
    """`02:14` today, else with the day: `Sat 21 Nov 23:50`, and with the year where it is another one. A time that
    comes twice names its offset."""
    then, today = hours.local(at, zone), hours.local(now, zone)
    clock = hours.clock(then)
    if then.date() == today.date():
        return clock
    return f"{then:%a %d %b} {clock}" if then.year == today.year else f"{then:%d %b %Y} {clock}"


def dated(at: datetime, now: datetime, zone: ZoneInfo, since: datetime | None = None) -> str:
    """For lists over many days: `today 14:00`, `Sat 21 Nov 23:50`; only the time on the day of `since`. A time that
    comes twice names its offset."""
    then, today = hours.local(at, zone), hours.local(now, zone)
    clock = hours.clock(then)
    if since is not None and hours.local(since, zone).date() == then.date():
        return clock
    if then.date() == today.date():
        return f"today {clock}"
    return f"{then:%a %d %b} {clock}" if then.year == today.year else f"{then:%a %d %b %Y} {clock}"


def hours_of(seconds: float) -> str:
    """`40 min`, `3 h`, `7 h 30 min`: exact, for what people count in hours."""
    minutes = round(seconds / 60)
    words = [f"{minutes // 60} h"] if minutes >= 60 else []
    return " ".join([*words, f"{minutes % 60} min"] if minutes % 60 or not words else words).replace(" ", "\u00a0")


def local_field(at: datetime, zone: ZoneInfo) -> str:
    """As a `datetime-local` field has it."""
    return f"{hours.local(at, zone):%Y-%m-%dT%H:%M}"


def span(length: timedelta) -> str:
    """`40 s`, `3 min`, `2 h 05 min`, `4 days`: as exact as somebody cares for, and never broken over two lines."""
    seconds = max(0, round(length.total_seconds()))
    if seconds < 60:
        words = f"{seconds} s"
    elif seconds < 3600:
        words = f"{seconds // 60} min"
    elif seconds < 86_400:
        words = f"{seconds // 3600} h {seconds % 3600 // 60:02} min"
    else:
        words = "1 day" if seconds < 2 * 86_400 else f"{seconds // 86_400} days"
    return words.replace(" ", "\u00a0")


def countdown(length: timedelta) -> str:
    """`03:12`, from an hour on `1:03:12`."""
    seconds = max(0, round(length.total_seconds()))
    minutes = f"{seconds // 60 % 60:02}:{seconds % 60:02}"
    return minutes if seconds < 3600 else f"{seconds // 3600}:{minutes}"


def opened(text: str) -> str:
    """With a capital to begin a sentence; names within stay as they are."""
    return text[:1].upper() + text[1:]


def listed(names: Sequence[str]) -> str:
    """`Ana`, `Ana and Ben`, `Ana, Ben and Cara`."""
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))


def who(actor: str | None) -> str:
    """An actor of audit records in words: `user:ana` is `ana`, `api_key:ci` the `API key ci`."""
    kind, _, key = (actor or "nobody").partition(":")
    return f"API key {key}" if kind == "api_key" else key or kind


def safe_url(url: str) -> str:
    """The address when it is one that a browser may open, else nothing: never `javascript:`."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return url if parts.scheme in ("http", "https") and parts.netloc else ""


_environment = Environment(
    loader=FileSystemLoader(_HERE / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_environment.globals |= {
    "static_url": static_url,
    "when": when,
    "span": span,
    "countdown": countdown,
    "dated": dated,
    "hours_of": hours_of,
    "state_words": STATE_WORDS,
    "channel_words": CHANNEL_WORDS,
}
_environment.filters |= {"safe_url": safe_url, "listed": listed, "opened": opened, "who": who}


def screen(template: str, status: int = 200, headers: Mapping[str, str] = HEADERS, /, **given: Any) -> Response:
    """The screen of the template of this name."""
    return HTMLResponse(_environment.get_template(f"{template}.html").render(given), status, dict(headers))


def link_screen(template: str, status: int = 200, /, **given: Any) -> Response:
    """A screen behind a link: everything in one answer."""
    return screen(template, status, LINK_HEADERS, css=LINK_CSS, **given)

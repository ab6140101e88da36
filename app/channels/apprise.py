"""Apprise (https://github.com/caronc/apprise): some two hundred services that Tocsin does not speak itself. An extra.

An address is one of Apprise's URLs and holds tokens, so it is a secret (secret_addresses.py). Apprise asks the network
itself: our host policy does not see its requests. So only those kinds of addresses may be used that the operator allows
(TOCSIN_APPRISE_SCHEMES); by default ones whose host is fixed by Apprise, so that nobody can point them at the inner
network, at a file or at a program. Redirects, templates read from files and files to keep state in are turned off.
The library is loaded by the first address or message: it takes a second and 30 MB.
"""

from __future__ import annotations

import asyncio
import logging
import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from importlib.util import find_spec
from typing import Any, Final

from app.channels.channel import Capability, Message, SendFailed, Sent
from app.channels.headline import headline
from app.channels.secret_addresses import NAME, Keeper, Sealing
from app.errors import Invalid
from app.settings import Settings

PROVIDER: Final = "apprise"
TIMEOUT_S: Final = 20
THREADS: Final = 8
"""At once; who hangs keeps a thread until its own time-out ends it."""
EXTRA: Final = "the extra: pip install 'tocsin[apprise]'"
SAFE: Final = (
    "discord", "gchat", "join", "line", "pbul", "pover", "prowl", "pushed", "pushy", "revolt", "signl4", "simplepush",
    "spush", "tgram", "threema", "webex", "wxteams",
)  # fmt: skip
"""Kinds of addresses that name no host, port, file or program."""
_SCHEME: Final = re.compile(r"([a-z0-9]{1,30})://\S+", re.ASCII | re.IGNORECASE)
_STATUS: Final = re.compile(r"\berror\s*[=:]\s*([1-5][0-9]{2})\b")
_TEMPORARY: Final = frozenset({"408", "425", "429"})


def installed() -> bool:
    """Whether the extra is there; it is not loaded by that."""
    return find_spec("apprise") is not None


def schemes(settings: Settings) -> tuple[str, ...]:
    """The kinds of addresses that may be used."""
    return tuple(s.lower() for s in settings.apprise_schemes) or SAFE


def capability(settings: Settings) -> Capability:
    missing: tuple[str, ...] = () if settings.apprise else ("TOCSIN_APPRISE",)
    if settings.apprise and not installed():
        missing = (EXTRA,)
    return Capability(
        channel="apprise",
        label="Apprise",
        address_label="Apprise URL",
        address_hint="tgram://bottoken/chat; whoever knows it can write there",
        input_type="text",
        can_reply=False,
        can_tell_delivery=False,
        extra=not settings.apprise,  # who wants it is told what it lacks
        missing=missing,
    )


class AppriseChannel:
    """Raises Invalid when it is turned off, or the extra is not installed."""

    def __init__(self, settings: Settings, sealing: Sealing) -> None:
        self.capability = capability(settings)
        if not self.capability.configured:
            raise Invalid(f"Apprise needs {', '.join(self.capability.missing)}")
        self._schemes = schemes(settings)
        self._keeper = Keeper("apprise", sealing)
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="apprise")

    def normalise(self, address: str) -> str:
        """The name of an address: its kind is shown, nothing else."""
        address = address.strip()
        return address if NAME.fullmatch(address) else self._keeper.name(self._scheme(address), address)

    def seal(self, address: str) -> bytes:
        """Raises `Invalid`, also for a name: nobody can tell the address from it. The first one takes a second."""
        address = address.strip()
        if NAME.fullmatch(address):
            raise Invalid("This only names an address. Give all of it, on My account or over the API")
        name = self.normalise(address)
        with _heard():
            understood = _service(address) is not None
        if not understood:
            how = f"https://github.com/caronc/apprise/wiki says what {self._scheme(address)}:// is made of"
            raise Invalid(f"Apprise does not understand this address: a part of it is missing or malformed. {how}")
        return self._keeper.seal(name, address)

    def _scheme(self, address: str) -> str:
        found = _SCHEME.fullmatch(address)
        if found is None:
            raise Invalid("An Apprise URL looks like tgram://bottoken/chat")
        if found[1].lower() not in self._schemes:
            allowed = ", ".join(self._schemes)
            raise Invalid(f"{found[1]}:// is not among TOCSIN_APPRISE_SCHEMES; allowed are {allowed}")
        return found[1].lower()

    async def send(self, message: Message) -> Sent:
        """In a thread, which is left alone when it takes too long."""
        address = self._keeper.open(message)
        try:
            self._scheme(address)
        except Invalid as e:
            raise SendFailed(e.message, permanent=True, code="scheme", configuration=True) from e
        title, body = headline(message)
        words = "\n".join(filter(None, (body, message.link)))
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(TIMEOUT_S):
                await loop.run_in_executor(self._threads, _notify, address, title, words or title)
        except TimeoutError as e:
            raise SendFailed(f"Apprise: no answer within {TIMEOUT_S} s", code="timeout", maybe_sent=True) from e
        return Sent(PROVIDER, message.notification_id, "sent")

    async def find(self, message: Message, since: datetime) -> Sent | None:
        """Apprise knows no names of messages."""
        return None

    async def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


def _notify(address: str, title: str, body: str) -> None:
    """Raises SendFailed. Apprise says no more than that it failed; why, it says in its log."""
    with _heard() as said:
        service = _service(address)
        if service is None:
            raise SendFailed("Apprise does not understand the address", permanent=True, code="address",
                             broken_address=True)  # fmt: skip
        if not service.notify(body=body, title=title):
            raise _refused(said)


def _service(address: str) -> Any:
    """What speaks to this address; None: Apprise does not understand it. Asks nobody."""
    import apprise  # noqa: PLC0415  # the extra, loaded when it is needed

    asset = apprise.AppriseAsset(storage_mode="memory", allow_templates=False, async_mode=False)
    asset.http_redirects = False
    service: Any = apprise.Apprise.instantiate(address, asset=asset)
    if service is not None:
        service.redirects = False
    return service


@contextmanager
def _heard() -> Iterator[list[str]]:
    """The warnings of Apprise from this thread. They go nowhere else: they may hold parts of the address."""
    said: list[str] = []
    thread = threading.get_ident()

    class Ear(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.thread == thread:
                said.append(record.getMessage())

    log, ear = logging.getLogger("apprise"), Ear(logging.WARNING)
    log.propagate = False
    log.addHandler(ear)
    try:
        yield said
    finally:
        log.removeHandler(ear)


def _refused(said: list[str]) -> SendFailed:
    """By the HTTP status in what Apprise said, which is not shown; without one nobody answered."""
    status = next((found[1] for line in said if (found := _STATUS.search(line))), "")
    if not status:
        return SendFailed("Apprise could not reach the service, or was refused without a status", code="unreachable",
                          maybe_sent=True)  # fmt: skip
    words = f"the service behind Apprise answered {status}"
    if status.startswith("5") or status in _TEMPORARY:
        return SendFailed(words, code=status)
    return SendFailed(words, permanent=True, code=status, broken_address=status in ("401", "403", "404", "410"))

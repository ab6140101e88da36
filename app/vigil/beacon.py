"""The outgoing heartbeat: a sign of life to somebody else's monitoring, which tells when it stops.

One per process that has the setting, not one per installation. A process that died must be missed by somebody, and
another process that pings the same address in its place would hide that: give each process an address of its own.
What concerns all of them (nothing overdue, the database read) each one says as well.

The convention is healthchecks.io's: a POST to the address when all is fine, to `/fail` below it, with what is wrong,
when not. Others take a plain GET or POST, and silence for bad news. The address is a secret: it is neither logged nor
shown, nor is what a library says about it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final
from urllib.parse import urlsplit, urlunsplit

import structlog

from app import clock, watch_metrics
from app.channels.hosts import HostPolicy
from app.channels.http import Blocked, Http, Unreachable
from app.settings import Settings
from app.vigil import standing
from app.vigil.standing import Process

LOOK_EVERY_S: Final = 5.0
ANSWER_WITHIN_S: Final = 10.0
AGAIN_S: Final = 15.0
"""What did not arrive is tried again so soon."""
LONGEST: Final = 1000

log = structlog.get_logger()


class Beacon:
    """Pings for one process. `process` tells how it stands; `elapsed` is the monotonic clock, in seconds."""

    def __init__(
        self, settings: Settings, process: Callable[[], Process], *, elapsed: Callable[[], float] = clock.elapsed
    ) -> None:
        self._url = settings.heartbeat_url
        self._every_s = settings.heartbeat_every
        self._style = settings.heartbeat_style
        self._process = process
        self._elapsed = elapsed
        self._http = Http(HostPolicy.of(settings, settings.heartbeat_url), timeout_s=ANSWER_WITHIN_S)
        self._said: bool | None = None
        self._due_at = elapsed()

    async def close(self) -> None:
        await self._http.close()

    async def beat(self) -> None:
        """Pings when it is time, and at once when fine became wrong or wrong fine. Says nothing while neither is
        certain."""
        found = standing.wrong(self._process())
        if found is None:
            return
        if self._said == (not found) and self._elapsed() < self._due_at:
            return
        self._said = not found
        if found:
            log.warning("heartbeat_not_fine", because=found)
        done = await self._ping(found) if not found or self._style == "healthchecks" else True
        self._due_at = self._elapsed() + (self._every_s if done else AGAIN_S)

    async def _ping(self, found: list[str]) -> bool:
        url = failing(self._url) if found else self._url
        body = "; ".join(found)[:LONGEST].encode() if found else b"ok"
        try:
            if self._style == "get":
                answer = await self._http.request("GET", url)
            else:
                answer = await self._http.request("POST", url, body=body, headers={"Content-Type": "text/plain"})
        except Blocked:
            return _failed("blocked")
        except Unreachable as e:
            return _failed("unreachable" if not e.written else "unanswered")
        if not 200 <= answer.status < 300:
            return _failed(f"answered {answer.status}")
        watch_metrics.outgoing_heartbeat("fail" if found else "success")
        return True


def _failed(why: str) -> bool:
    watch_metrics.outgoing_heartbeat("unsent")
    log.warning("heartbeat_unsent", because=why)
    return False


def failing(url: str) -> str:
    """Where to say that something is wrong: `/fail` below the address, before its query.

    >>> failing("https://hc.example.org/ping/abc?rid=1")
    'https://hc.example.org/ping/abc/fail?rid=1'
    """
    parts = urlsplit(url)
    return urlunsplit(parts._replace(path=parts.path.rstrip("/") + "/fail"))

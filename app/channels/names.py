"""Host names to addresses. A name that nobody answers for holds up its own requests, and no others.

The system's resolver blocks for 10 s or more where a name server is silent, which is when alerts are many. So it has
threads of its own, of which every name takes one at a time, however many messages wait for it; and what a name meant
before counts while its server says nothing (RFC 8767, "Serving Stale Data to Improve DNS Resiliency"), so that pages go
out while name servers are away. That a name does not exist is an answer, and is believed.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final

from app import clock

AT_ONCE: Final = 64
"""Names that are looked up at the same time, by all clients of the process."""
PATIENCE_S: Final = 2.0
"""How long an answer is waited for when there is a former one. RFC 8767, section 5, has 1.8 s."""
STALE_S: Final = 3 * 86_400.0
"""How long a former answer counts. RFC 8767, section 4: 1 to 3 days."""
_KEPT: Final = 500

_NO_SUCH_NAME: Final = frozenset({socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)})

LookUp = Callable[[str], list[str]]
"""A host name to its addresses, best first. Blocks; raises OSError."""

_threads: Final = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="names")


def look_up(host: str) -> list[str]:
    """By the system's resolver."""
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))


class Names:
    """Those that one client asks for, in one event loop. `elapsed` is the monotonic clock, in seconds."""

    def __init__(self, look_up: LookUp = look_up, *, elapsed: Callable[[], float] = clock.elapsed) -> None:
        self._look_up = look_up
        self._elapsed = elapsed
        self._looking: dict[str, asyncio.Future[list[str]]] = {}
        self._former: dict[str, tuple[float, list[str]]] = {}

    async def addresses(self, host: str) -> list[str]:
        """Best first. Raises OSError."""
        if _is_address(host):
            return [host]
        looking = self._looking.get(host) or self._look(host)
        former = self._before(host)
        try:
            async with asyncio.timeout(PATIENCE_S if former else None):
                return await asyncio.shield(looking)
        except OSError as e:  # TimeoutError is one
            if not former or _says_no(e):
                raise
            return former

    def _look(self, host: str) -> asyncio.Future[list[str]]:
        looking = asyncio.get_running_loop().run_in_executor(_threads, self._look_up, host)
        self._looking[host] = looking
        looking.add_done_callback(partial(self._looked, host))
        return looking

    def _looked(self, host: str, done: asyncio.Future[list[str]]) -> None:
        del self._looking[host]
        if done.cancelled():
            return
        if (error := done.exception()) is None:
            self._former.pop(host, None)  # now the newest
            self._former[host] = (self._elapsed(), done.result())
            if len(self._former) > _KEPT:
                del self._former[next(iter(self._former))]
        elif _says_no(error):
            self._former.pop(host, None)

    def _before(self, host: str) -> list[str]:
        at, found = self._former.get(host, (0.0, []))
        return found if found and self._elapsed() - at <= STALE_S else []


def _says_no(error: BaseException) -> bool:
    return isinstance(error, socket.gaierror) and error.errno in _NO_SUCH_NAME


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True

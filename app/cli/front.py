"""The process as its surroundings see it: a listening socket, uvicorn behind it, signals."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Awaitable, Callable, Iterator, MutableMapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from ipaddress import ip_address
from typing import Any, Final

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from app.cli import telling
from app.errors import Invalid

FINISH_WITHIN_S: Final = 15
"""Requests get this long to finish; group commit answers within 20 s, and most orchestrators kill after 30."""
KEEP_ALIVE_S: Final = 75
"""Longer than load balancers keep connections: whoever may close first must not be us, or a POST is lost in between."""
BACKLOG: Final = 2048
"""As uvicorn has it."""
PROBES: Final = frozenset({"/healthz", "/readyz", "/metrics"})

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class ProbesOnly:
    """A process without the role `web`: orchestrators and Prometheus may ask it, nobody else."""

    def __init__(self, behind: App) -> None:
        self._behind = behind

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in PROBES:
            await self._behind(scope, receive, send)
            return
        text = b"this process has no role web; it answers /healthz, /readyz and /metrics only\n"
        headers = [(b"content-type", b"text/plain"), (b"content-length", b"%d" % len(text))]
        await send({"type": "http.response.start", "status": 404, "headers": headers})
        await send({"type": "http.response.body", "body": text})


class OneWrite:
    """A transport for answers: their head waits for their body, at most until the loop's next turn. uvicorn writes the
    two apart, and each would be a system call and a packet."""

    def __init__(self, behind: asyncio.Transport) -> None:
        self._behind = behind
        self._head = b""
        self._call_soon = asyncio.get_running_loop().call_soon

    def write(self, data: bytes) -> None:
        if self._head:
            self._send(data)
        else:
            self._head = data
            self._call_soon(self._send)

    def close(self) -> None:
        self._send()
        self._behind.close()

    def _send(self, data: bytes = b"") -> None:
        if self._head:
            self._behind.write(self._head + data)
            self._head = b""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._behind, name)


class Protocol(HttpToolsProtocol):
    """uvicorn's, with fewer writes."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(OneWrite(transport))  # type: ignore[arg-type]  # it is one to whoever writes


class Server(uvicorn.Server):
    """uvicorn on a socket that is bound already; signals are ours. `ready` is called once it accepts, `closing` when it
    begins to stop: what would stream for ever is to end."""

    def __init__(
        self, app: App, trusted_proxies: Sequence[str], ready: Callable[[], None], closing: Callable[[], None]
    ) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                interface="asgi3",
                http=Protocol,
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=bool(trusted_proxies),
                forwarded_allow_ips=list(trusted_proxies),
                timeout_keep_alive=KEEP_ALIVE_S,
                timeout_graceful_shutdown=FINISH_WITHIN_S,
            )
        )
        self._ready, self._closing = ready, closing

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        if self.started:
            self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._closing()
        await super().shutdown(sockets=sockets)

    def capture_signals(self) -> AbstractContextManager[None]:  # type: ignore[override]  # it uses no more than that
        return nullcontext()


class Signals:
    """SIGTERM and SIGINT: the first one ends the server gracefully, or the start; the second one ends the process.

    Then the kernel asks an embedded database for a clean stop, and what was committed is there at the next start.
    """

    def __init__(self) -> None:
        self.server: uvicorn.Server | None = None
        self.first = False

    @contextmanager
    def heard(self) -> Iterator[None]:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, partial(self._hear, number, task))
        try:
            yield
        finally:
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)

    def _hear(self, number: int, task: asyncio.Task[Any]) -> None:
        if self.first:
            telling.say("tocsin: ended at once")
            os._exit(128 + number)
        self.first = True
        if self.server is None:
            task.cancel()
        else:
            telling.say("tocsin: stopping; once more to stop at once")
            self.server.should_exit = True


@contextmanager
def bind(host: str, port: int) -> Iterator[socket.socket]:
    """A socket with this address, before anything else is started. Raises `Invalid` when it cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as made:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            made.bind((host, port))
        except OSError as e:
            raise Invalid(f"TOCSIN_LISTEN: cannot listen on {host}:{port}: {e.strerror}") from e
        made.setblocking(False)
        yield made


def claim(bound: socket.socket) -> None:
    """Listens. Two that start in the same second may both have bound an address, for neither listened: here one of them
    learns it. Raises `Invalid`."""
    try:
        bound.listen(BACKLOG)
    except OSError as e:
        host, port = bound.getsockname()[:2]
        raise Invalid(f"TOCSIN_LISTEN: cannot listen on {host}:{port}: {e.strerror}") from e


def address(bound: socket.socket) -> str:
    """Where it can be opened from this machine."""
    host, port = bound.getsockname()[:2]
    if ip_address(host).is_unspecified:
        host = "localhost"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

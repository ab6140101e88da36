"""An ASGI application on a real socket of loopback, as `tocsin serve` serves it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, MutableMapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import uvicorn

App = Callable[[MutableMapping[str, Any], Callable[..., Any], Callable[..., Any]], Awaitable[None]]


@contextmanager
def bound() -> Iterator[tuple[socket.socket, str]]:
    """A socket on a free port, and its address."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening, f"http://127.0.0.1:{listening.getsockname()[1]}"


@asynccontextmanager
async def served(app: App, listening: socket.socket, tls: tuple[Path, Path] | None = None) -> AsyncIterator[None]:
    """`tls`: the files of a certificate and its key."""
    config = uvicorn.Config(app, lifespan="off", http="httptools", ws="none", log_config=None, access_log=False,
                            timeout_keep_alive=120)  # fmt: skip  # a busy machine is slow, not gone
    if tls is not None:
        config.ssl_certfile, config.ssl_keyfile = tls
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    await server.startup(sockets=[listening])
    beat = asyncio.create_task(server.main_loop())
    try:
        yield
    finally:
        server.should_exit = True
        await beat
        await server.shutdown(sockets=[listening])

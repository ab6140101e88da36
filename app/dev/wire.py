"""HTTP on a bare socket, so that a stand-in can also misbehave: hang, reset, answer late. For development only."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Protocol
from urllib.parse import parse_qsl, urlencode, urlsplit

import httptools


@dataclass(frozen=True, slots=True)
class Request:
    """One request as received. `headers` have lower-case names."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.target).query, keep_blank_values=True))

    @property
    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.body.decode(), keep_blank_values=True))


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


class Reset(Exception):
    """Raised by a handler to have the connection reset instead of answered."""


class _Parser(Protocol):
    def feed_data(self, data: bytes) -> None: ...


class _Parts:
    """Collects what httptools reports of one message."""

    def __init__(self) -> None:
        self.target = ""
        self.headers: dict[str, str] = {}
        self.body = bytearray()
        self.complete = False

    def on_url(self, url: bytes) -> None:
        self.target += url.decode()

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.decode().lower()] = value.decode()

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.complete = True


async def _receive(reader: asyncio.StreamReader, parser: _Parser, parts: _Parts) -> bool:
    """Reads one whole message; False when the other side closed before it began."""
    while not parts.complete:
        data = await reader.read(65536)
        if not data:
            if parts.headers:
                raise ConnectionError("closed in the middle of a message")
            return False
        parser.feed_data(data)
    return True


class Server:
    """Answers requests with `handle` until stopped; what still hangs then is cut off."""

    def __init__(self, handle: Callable[[Request], Awaitable[Answer]]) -> None:
        self._handle = handle
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self.port = 0

    async def start(self, host: str, port: int, tls: ssl.SSLContext | None = None) -> None:
        self._server = await asyncio.start_server(self._accept, host, port, ssl=tls)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        for task in list(self._connections):
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                parts = _Parts()
                parser = httptools.HttpRequestParser(parts)
                if not await _receive(reader, parser, parts):
                    break
                request = Request(parser.get_method().decode(), parts.target, parts.headers, bytes(parts.body))
                writer.write(_rendered(await self._handle(request)))
                await writer.drain()
        except Reset:
            # no lingering: the kernel sends RST instead of FIN
            raw = writer.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        except (ConnectionError, httptools.HttpParserError):
            pass
        finally:
            writer.transport.abort()


def _rendered(answer: Answer) -> bytes:
    headers = {"Content-Length": str(len(answer.body)), **answer.headers}
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {answer.status} -\r\n{head}\r\n".encode() + answer.body


@cache
def _tls() -> ssl.SSLContext:
    """Made once: reading the certificates takes long enough to be felt."""
    return ssl.create_default_context()


async def post(url: str, form: Mapping[str, str], headers: Mapping[str, str], *, timeout_s: float = 15) -> Answer:
    """POSTs a form. Raises OSError (TimeoutError is one) when there is no answer."""
    parts = urlsplit(url)
    secure = parts.scheme == "https"
    body = urlencode(form).encode()
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    lines = {
        "Host": parts.netloc,
        "Content-Type": "application/x-www-form-urlencoded; charset=UTF-8",
        "Content-Length": str(len(body)),
        "Connection": "close",
        **headers,
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    async with asyncio.timeout(timeout_s):
        reader, writer = await asyncio.open_connection(
            parts.hostname, parts.port or (443 if secure else 80), ssl=_tls() if secure else None
        )
        try:
            writer.write(f"POST {target} HTTP/1.1\r\n{head}\r\n".encode() + body)
            await writer.drain()
            answer = _Parts()
            parser = httptools.HttpResponseParser(answer)
            if not await _receive(reader, parser, answer):
                raise ConnectionError("closed without an answer")
            return Answer(parser.get_status_code(), bytes(answer.body), answer.headers)
        finally:
            writer.close()

"""The body of a machine's request: within a time, within a size, unpacked; or why it is refused before it is parsed."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

MIB = 1 << 20
MEMBERS = 100
"""Of a gzip body. Nobody sends more than one; the rest is copied for each of them."""


class Refused(Exception):
    """What is answered instead of what became of the alerts. The text is for whoever configures the sender.

    `kept` is the body of a sender that is known, where it is worth keeping; `receipt` is set once there is one.
    """

    def __init__(self, status: int, code: str, detail: str, *, kept: bytes = b"", **headers: str) -> None:
        super().__init__(detail)
        self.status, self.code, self.detail, self.kept = status, code, detail, kept
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}
        self.receipt: str | None = None


class Gone(Exception):
    """The sender hung up before its body was complete: there is nothing to keep and nobody to answer."""


async def read_within(seconds: float, receive: Receive, headers: dict[str, str], limit: int) -> bytes:
    """The body of a sender that keeps talking; one that trickles is sent away."""
    try:
        async with asyncio.timeout(seconds):
            return await _read(receive, headers, limit)
    except TimeoutError as e:
        raise Refused(408, "too_slow", f"the body did not arrive within {seconds:.0f} seconds") from e


async def _read(receive: Receive, headers: dict[str, str], limit: int) -> bytes:
    declared = headers.get("content-length", "")
    if declared.isascii() and declared.isdigit() and int(declared[:20]) > limit:
        raise _too_large(limit)
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Gone
        part = message.get("body", b"")
        size += len(part)
        if size > limit:
            raise _too_large(limit)
        parts.append(part)
        if not message.get("more_body", False):
            break
    body = parts[0] if len(parts) == 1 else b"".join(parts)
    encoding = headers.get("content-encoding", "identity").strip().lower()
    return body if encoding in ("", "identity") else _inflate(body, encoding, limit)


def _inflate(body: bytes, encoding: str, limit: int) -> bytes:
    """gzip and deflate, never more than the limit of output."""
    if encoding not in ("gzip", "x-gzip", "deflate"):
        raise Refused(415, "unsupported_encoding", f"the encoding {encoding[:40]!r} is not known; use gzip or none")
    plain, rest, members = b"", body, 0
    while rest:  # gzip may come in several members, one after the other (RFC 1952, 2.2)
        members += 1
        if members > MEMBERS:
            raise Refused(400, "unparsable", f"the body has more than {MEMBERS} {encoding} members", kept=body)
        inflater = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)
        try:
            plain += inflater.decompress(rest, limit + 1 - len(plain))
        except zlib.error as e:
            raise Refused(400, "unparsable", f"the body is not {encoding}: {e}", kept=body) from e
        if len(plain) > limit:
            raise _too_large(limit)
        if not inflater.eof:
            raise Refused(400, "unparsable", f"the {encoding} body ends too early", kept=body)
        rest = inflater.unused_data.lstrip(b"\0")
    return plain


def _too_large(limit: int) -> Refused:
    most = f"{limit // MIB} MiB" if limit >= MIB else f"{limit // 1024} KiB"
    return Refused(413, "too_large", f"at most {most} are taken, also after decompression")

"""A load generator that costs little: prepared bytes on open connections, as many requests in flight as connections.

Closed loop: each connection sends its next request when the last one was answered. Open loop: requests leave by a
schedule, whatever the server does, and their time counts from the scheduled instant: a server that stalls cannot hide
it by keeping the generator waiting (coordinated omission).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Final

from app.dev.bench.bodies import Shot

ANSWER_WITHIN_S: Final = 30.0
_HEAD_END: Final = b"\r\n\r\n"
_LENGTH: Final = b"content-length:"


class Wire(asyncio.Protocol):
    """One connection. `answered(wire, status)` is called after each whole answer; status 0: the connection was lost."""

    def __init__(self, answered: Callable[[Wire, int], None]) -> None:
        self._answered = answered
        self._transport: asyncio.Transport | None = None
        self._rest = b""
        self.sent_at = 0.0
        self.number = -1
        """Of the shot that is in flight; -1: none is."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # a TCP connection gives a Transport

    def send(self, number: int, request: bytes, at: float) -> None:
        assert self._transport is not None
        self.number, self.sent_at = number, at
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        if self._rest:
            data = self._rest + data
        if (size := answer_size(data)) is None or len(data) < size:
            self._rest = data
            return
        self._rest = data[size:]
        self._answered(self, int(data[9:12]))

    def connection_lost(self, error: Exception | None) -> None:
        if self.number >= 0:
            self._answered(self, 0)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()


def fetches(path: str, header: str, count: int) -> list[Shot]:
    """So many GETs of one path."""
    return [Shot(f"GET {path} HTTP/1.1\r\nHost: bench\r\n{header}\r\n\r\n".encode(), ())] * count


def answer_size(data: bytes) -> int | None:
    """Bytes of the first answer in `data`, or None while its head is not complete. Chunked answers are not understood:
    whoever is measured here sends lengths. An answer without a length has no body."""
    end = data.find(_HEAD_END)
    if end < 0:
        return None
    head = data[:end].lower()
    if b"transfer-encoding:" in head:
        raise ValueError("a chunked answer cannot be measured")
    at = head.find(_LENGTH)
    if at < 0:
        return end + 4
    line = head.find(b"\r\n", at)
    return end + 4 + int(head[at + len(_LENGTH) : line if line >= 0 else end])


@dataclass(slots=True)
class Outcome:
    """What came of a run. `took`: seconds from the first request to the last answer; `waits`: seconds of each request,
    in open loop from its scheduled instant."""

    answered: list[int] = field(default_factory=list)
    """Numbers of the shots that were answered with 2xx."""
    failed: dict[int, int] = field(default_factory=dict)
    """Other answers, by status; 0 for lost connections."""
    waits: list[float] = field(default_factory=list)
    took: float = 0.0

    def seen(self, number: int, status: int, wait: float) -> None:
        if 200 <= status < 300:
            self.answered.append(number)
            self.waits.append(wait)
        else:
            self.failed[status] = self.failed.get(status, 0) + 1


async def _connect(port: int, connections: int, answered: Callable[[Wire, int], None]) -> list[Wire]:
    loop = asyncio.get_running_loop()
    wires = []
    for _ in range(connections):
        _, wire = await loop.create_connection(lambda: Wire(answered), "127.0.0.1", port)
        wires.append(wire)
    return wires


async def closed_loop(
    port: int, shots: Sequence[Shot], connections: int, seconds: float, *, again: bool = False
) -> Outcome:
    """Sends shots in their order for so long, or until there are none left; `again`: from the first one again."""
    outcome, done = Outcome(), asyncio.Event()
    numbers = _endless(len(shots)) if again else iter(range(len(shots)))
    flying = connections

    def next_of(wire: Wire, now: float) -> None:
        nonlocal flying
        number = next(numbers, -1) if now < until else -1
        if number >= 0:
            wire.send(number, shots[number].request, now)
            return
        wire.number = -1
        flying -= 1
        if not flying:
            done.set()

    def answered(wire: Wire, status: int) -> None:
        nonlocal flying
        now = perf_counter()
        number, wire.number = wire.number, -1
        outcome.seen(number, status, now - wire.sent_at)
        outcome.took = now - began
        if status:
            next_of(wire, now)
            return
        flying -= 1
        if not flying:
            done.set()

    wires = await _connect(port, connections, answered)
    began = perf_counter()
    until = began + seconds
    for wire in wires:
        next_of(wire, began)
    await _finished(done, wires, seconds)
    return outcome


async def open_loop(port: int, shots: Sequence[Shot], rate: float, connections: int = 64) -> Outcome:
    """Sends shot number n at n / rate seconds. With all connections busy it waits, and the wait counts."""
    outcome, done = Outcome(), asyncio.Event()
    free: deque[Wire] = deque()
    left = len(shots)
    sent = 0

    def send_due() -> None:
        nonlocal sent
        now = perf_counter()
        while sent < len(shots) and free and (due := began + sent / rate) <= now:
            free.popleft().send(sent, shots[sent].request, due)
            sent += 1

    def answered(wire: Wire, status: int) -> None:
        nonlocal left
        now = perf_counter()
        number, wire.number = wire.number, -1
        outcome.seen(number, status, now - wire.sent_at)
        outcome.took = now - began
        left -= 1
        free.append(wire)
        if not left or not status:  # a connection that is lost spoils the measurement: the caller sees it in `failed`
            done.set()
            return
        send_due()

    wires = await _connect(port, connections, answered)
    free.extend(wires)
    began = perf_counter()
    clockwork = asyncio.create_task(_every_millisecond(send_due))
    try:
        await _finished(done, wires, len(shots) / rate)
    finally:
        clockwork.cancel()
    return outcome


async def _every_millisecond(call: Callable[[], None]) -> None:
    while True:
        call()
        await asyncio.sleep(0.001)


async def _finished(done: asyncio.Event, wires: Sequence[Wire], seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds + ANSWER_WITHIN_S):
            await done.wait()
    finally:
        for wire in wires:
            wire.close()


def _endless(count: int) -> Iterator[int]:
    while True:
        yield from range(count)

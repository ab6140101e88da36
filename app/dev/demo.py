"""The playground with somebody at the terminal: alerts fire, pages arrive, and what one does in a browser shows."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from app.dev.example import ANA, BEN, CARA, PASSWORD, PEOPLE
from app.dev.http import Refused
from app.dev.playground import Playground
from app.dev.prometheus import Prometheus
from app.dev.senders import Alertmanager, Sender
from app.dev.terminal import Terminal

LOOK_EVERY_S: Final = 0.4
REPEAT_EVERY_S: Final = 15.0
RESOLVE_AFTER_S: Final = 20.0
"""So long after the acknowledgement the problem is over: time to look at the screens."""
NAMES: Final = {somebody.email: somebody.name for somebody in PEOPLE}


class Demo:
    """`await run()` until somebody ends it. `prometheus`: a real one sends."""

    def __init__(self, directory: Path, *, speed: float, port: int, prometheus: bool) -> None:
        self._terminal = Terminal()
        self._playground = Playground(
            directory, speed=speed, port=port, texted=self._texted, mailed=self._mailed, tell=self._started
        )
        self._directory, self._speed, self._prometheus = directory, speed, prometheus
        self._senders: list[Sender] = []
        self._turn = 0
        self._firing: Sender | None = None
        self._seen: dict[int, int] = {}
        self._states: dict[int, str] = {}
        self._listening = False
        self._over: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Raises `program.NotReady`, `http.Refused`, OSError when it cannot start."""
        self._terminal.line("say", "Starting", "PostgreSQL, the service, a telephone exchange, a mail server")
        async with self._playground as playground, _stopped(self._senders):
            for incident in await playground.incidents():  # of an earlier time
                self._seen[incident["number"]] = len(await playground.timeline(incident["number"]))
                self._states[incident["number"]] = incident["state"]
            await self._make_senders()
            self._introduce()
            self._listening = True
            await self._next()
            await _first_of(self._watch(), self._repeat(), self._obey())

    async def _make_senders(self) -> None:
        keys, url = self._playground.routing_keys, self._playground.url
        checkout, search = keys["checkout-alertmanager"], keys["search-alertmanager"]
        if self._prometheus:
            real = Prometheus(self._directory / "prometheus", url, checkout, "HighErrorRate", "checkout")
            self._senders.append(real)
            await real.start()
            at = f"http://127.0.0.1:{real.prometheus}/alerts and http://127.0.0.1:{real.alertmanager}"
            self._terminal.line("say", "Prometheus", f"and Alertmanager are at {at}")
            return
        summary = "A quarter of all payments fail"
        self._senders += [
            Alertmanager(url, checkout, "HighErrorRate", "checkout", "critical", summary),
            Alertmanager(url, search, "SlowSearch", "search", "warning", "Searching takes 3 s"),
        ]

    def _introduce(self) -> None:
        wait = self._real(300)
        self._terminal.heading(
            "Tocsin, with Example Inc",
            {
                "Screens": f"{self._playground.url}  log in as {CARA.email}, password {PASSWORD}",
                "On call": f"{ANA.name}; after 5 minutes {BEN.name}; after 5 more {CARA.name}",
                "Clock": f"{self._speed:g} times as fast: 5 minutes are {wait}",
                "Data, log": str(self._directory),
            },
        )

    # -- what happens

    async def _next(self) -> None:
        """Ends what fires, or makes the next problem."""
        if self._over is not None:
            self._over.cancel()
            self._over = None
        if self._firing is not None:
            sender, self._firing = self._firing, None
            await sender.resolves()
            self._terminal.line("ok", "Resolved", f"{sender.name} is over, says the source")
            self._terminal.under("Enter: another alert    q: stop", "dim")
            return
        self._firing = sender = self._senders[self._turn % len(self._senders)]
        self._turn += 1
        await sender.fires()
        self._terminal.line("alert", "Alert", f"{sender.name} fires {sender.about}")
        answer = f"Open the link of the page that comes, and acknowledge. Or do nothing for {self._real(300)}."
        quiet = "It is quiet: a mail, and nobody is woken; unanswered it climbs after hours of work."
        self._terminal.under(answer if sender.loud else quiet, "dim")
        self._terminal.under("Enter: let it resolve    q: stop", "dim")

    async def _obey(self) -> None:
        """Until somebody types q; where nobody can type, until Ctrl-C."""
        async for key in _keys():
            if key in ("q", "quit", "exit"):
                return
            await self._next()
        await asyncio.Event().wait()

    async def _repeat(self) -> None:
        """A source says again and again what is wrong; it is known, so nobody hears of it."""
        while True:
            await asyncio.sleep(REPEAT_EVERY_S)
            if self._firing is not None:
                await self._firing.fires()

    async def _watch(self) -> None:
        while True:
            try:
                for incident in reversed(await self._playground.incidents()):
                    await self._show(incident)
            except (OSError, Refused) as e:
                self._terminal.line("alert", "Service", str(e))
            await asyncio.sleep(LOOK_EVERY_S)

    async def _show(self, incident: dict[str, Any]) -> None:
        number, state = incident["number"], incident["state"]
        if self._states.get(number) in ("resolved", "closed") and state == self._states[number]:
            return
        timeline = await self._playground.timeline(number)
        for entry in timeline[self._seen.get(number, 0) :]:
            good = entry["kind"] in ("acknowledged", "resolved")
            self._terminal.line("ok" if good else "", f"#{number}", entry["text"])
        self._seen[number] = len(timeline)
        if state == "acknowledged" and self._states.get(number) != "acknowledged":
            name = next((p.name for p in PEOPLE if p.key == incident["acknowledged_by"]), "Somebody")
            self._terminal.line("ok", "Stopped", f"{name} has it: nobody else is paged")
            self._over = asyncio.create_task(self._end_soon())
        self._states[number] = state

    async def _end_soon(self) -> None:
        self._terminal.under(f"In {RESOLVE_AFTER_S:.0f} s it is repaired, and the source says so.", "dim")
        await asyncio.sleep(RESOLVE_AFTER_S)
        self._over = None
        if self._firing is not None:
            await self._next()

    def _started(self, line: str) -> None:
        self._terminal.line("ok", "Started", line)

    def _texted(self, line: str) -> None:
        if self._listening:
            to, _, body = line.removeprefix("SMS to ").removeprefix("Call to ").partition(": ")
            self._terminal.message("text", f"{line.split()[0]} {to}", body)

    def _mailed(self, line: str) -> None:
        if self._listening:
            to, _, subject = line.removeprefix("Mail to ").partition(": ")
            self._terminal.line("mail", f"Mail {NAMES.get(to, to)}", subject)

    def _real(self, seconds: float) -> str:
        return f"{max(1, round(seconds / self._speed))} s"


async def run(directory: Path, *, speed: float, port: int, prometheus: bool) -> None:
    """The demo until q or Ctrl-C. Raises what `Demo.run` raises."""
    await Demo(directory, speed=speed, port=port, prometheus=prometheus).run()


async def _first_of(*works: Coroutine[Any, Any, None]) -> None:
    """Runs all until one of them ends or fails."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def _stopped(senders: list[Sender]) -> AsyncIterator[None]:
    try:
        yield
    finally:
        for sender in senders:
            await sender.stop()


async def _keys() -> AsyncIterator[str]:
    """Lines typed at the terminal; none where nobody types or the input ends."""
    if not sys.stdin.isatty():
        return
    lines: asyncio.Queue[str] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    heard: Callable[[], None] = lambda: lines.put_nowait(sys.stdin.readline())  # noqa: E731
    loop.add_reader(sys.stdin, heard)
    try:
        while line := await lines.get():
            yield line.strip().lower()
    finally:
        loop.remove_reader(sys.stdin)

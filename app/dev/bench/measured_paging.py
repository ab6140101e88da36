"""`tocsin bench paging`: from the alert to the provider, and what happens when many ladders fall due."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Final

from app.dev.bench import history, ladders, programs
from app.dev.bench.bodies import Shot, Storm, page
from app.dev.bench.load import Wire, closed_loop, open_loop
from app.dev.bench.measured_intake import ENTRANCES_OF_STORM, rate_of
from app.dev.bench.numbers import Value, percentile, rounded
from app.dev.bench.programs import Failed, Program
from app.dev.bench.provider import HUNG_UP, Provider
from app.dev.bench.stormed import Weather, breaks_loose
from app.dev.bench.town import Town, path_of

COMES_WITHIN_S: Final = 30.0
HUNG: Final = 60
ROOM: Final = 25
"""So many messages a provider has at once; the others that are due wait for it."""
_WHO: Final = Path(__file__).resolve().parents[3] / "bench" / "who.py"


WEATHER: Final = Weather(100_000, 60.0, 250.0)


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured."""

    pages: int = 300
    pages_under_load: int = 300
    load_s: float = 30.0
    burst: int = 10_000
    bursts: int = 3
    ladders: int = 100_000
    over_s: float = 60.0
    weather: Weather = WEATHER


QUICK: Final = Plan(pages=40, pages_under_load=40, load_s=3.0, bursts=1, ladders=8_000, over_s=5.0,
                   weather=Weather(6_000, 3.6, 5.0))  # fmt: skip


@dataclass(slots=True)
class Measurement:
    plan: Plan
    say: Callable[[str], None]
    subject: Program
    provider: Provider
    town: Town
    lost: int = 0
    duplicates: int = 0
    named: list[str] = field(default_factory=list)

    async def idle(self) -> dict[str, Value]:
        """Webhook sent to request at the provider, one after the other."""
        waits = await self._one_by_one(self.plan.pages)
        p50, p99 = (percentile(waits, share) * 1000 for share in (0.5, 0.99))
        self.say(f"alert to provider  p50 {p50:.1f} ms, p99 {p99:.1f} ms")
        return {
            "paging.alert_to_provider_ms.p50": rounded(p50, 2),
            "paging.alert_to_provider_ms.p99": rounded(p99, 2),
        }

    async def _one_by_one(self, pages: int) -> list[float]:
        """Seconds from webhook to provider, of each."""
        wire = await self._wire()
        waits = []
        for _ in range(pages):
            name, began = self._send(wire)
            waits.append(await self._arrival(name, began))
            await asyncio.sleep(0.02)
        wire.close()
        return waits

    async def beside_one_that_hangs(self) -> dict[str, Value]:
        """The same while another provider has as many messages as it may have, and more wait for it."""
        pages = max(self.plan.pages // 2, 2)
        before = percentile(await self._one_by_one(pages), 0.5)
        await self.town.hangs(f"{HUNG_UP}1701234567", HUNG)
        async with asyncio.timeout(COMES_WITHIN_S):
            while self.provider.hanging < ROOM:  # noqa: ASYNC110  # another process fills it
                await asyncio.sleep(0.01)
        beside = percentile(await self._one_by_one(pages), 0.5)
        self.provider.lets_go()
        await self.town.calm()
        ratio = beside / before
        self.say(f"beside a provider that hangs  p50 {beside * 1000:.1f} ms over {before * 1000:.1f} ms: {ratio:.2f}")
        return {"paging.hanging_provider.vs_without": rounded(ratio, 2)}

    async def under_load(self) -> dict[str, Value]:
        """The same while intake runs at half of what it can do."""
        shots = Storm(901).shots(ENTRANCES_OF_STORM, 20_000, 10)
        most = rate_of(shots, await closed_loop(self.subject.port, shots, 32, min(self.plan.load_s / 4, 3.0)))
        requests = max(most / 2 / 10, 1.0)
        background = Storm(902).shots(ENTRANCES_OF_STORM, int(requests * self.plan.load_s), 10)
        load = asyncio.create_task(self._load(background, requests))
        wire = await self._wire()
        sent = []
        for _ in range(self.plan.pages_under_load):
            sent.append(self._send(wire))
            await asyncio.sleep(self.plan.load_s * 0.9 / self.plan.pages_under_load)
            if load.done():
                break
        waits = [await self._arrival(name, began) for name, began in sent]
        await load
        wire.close()
        p99 = percentile(waits, 0.99) * 1000
        self.say(f"alert to provider under {most / 2:,.0f} alerts/s  p99 {p99:.0f} ms")
        return {"paging.alert_to_provider_under_load_ms.p99": rounded(p99, 1)}

    async def _load(self, shots: list[Shot], rate: float) -> None:
        outcome = await open_loop(self.subject.port, shots, rate)
        if outcome.failed:
            raise Failed(f"under load {self.subject.name} answered {outcome.failed}")

    async def due_together(self) -> dict[str, Value]:
        last = []
        for n in range(self.plan.bursts):
            burst = await self._ladders(f"burst {n}", self.plan.burst, 0.0)
            last.append(max(burst.late) * 1000)
        middle = percentile(last, 0.5)
        self.say(f"{self.plan.burst:,} ladders at once  last after {middle:,.0f} ms")
        minute = await self._ladders("minute", self.plan.ladders, self.plan.over_s)
        p99 = percentile(minute.late, 0.99) * 1000
        self.say(f"{self.plan.ladders:,} ladders over {self.plan.over_s:.0f} s  p99 {p99:,.0f} ms late")
        return {"paging.burst_10k_last_ms": rounded(middle, 1), "paging.lateness_100k_ms.p99": rounded(p99, 1)}

    async def _ladders(self, title: str, count: int, over_s: float) -> ladders.Watched:
        watched = await ladders.fall_due(self.town, title, count, over_s)
        self.lost += watched.lost
        self.duplicates += watched.duplicates
        return watched

    async def _wire(self) -> Wire:
        def answered(wire: Wire, status: int) -> None:
            wire.number = -1
            if status // 100 != 2:
                refused.append(status)

        refused: list[int] = []
        loop = asyncio.get_running_loop()
        _, wire = await loop.create_connection(lambda: Wire(answered), "127.0.0.1", self.subject.port)
        return wire

    def _send(self, wire: Wire) -> tuple[str, float]:
        name = f"BenchPage{len(self.named):06d}"
        self.named.append(name)
        began = perf_counter()
        wire.send(len(self.named), page(path_of(0), name), began)
        return name, began

    async def _arrival(self, name: str, began: float) -> float:
        came = await self.provider.comes(name, COMES_WITHIN_S)
        if came is None:
            self.lost += 1
            return COMES_WITHIN_S
        return came - began

    def repeated(self) -> int:
        """Pages that the provider was asked for more than once."""
        return sum(len(times) - 1 for times in self.provider.arrived.values())


def who_1000x3() -> float | None:
    """Milliseconds, from a process of its own that may import rooms; None outside a clone."""
    if not _WHO.exists():
        return None
    environment = {"PYTHONPATH": str(_WHO.parents[1])}
    done = subprocess.run([sys.executable, str(_WHO)], env=environment, capture_output=True, text=True, check=True)
    return float(done.stdout)


async def measure(plan: Plan, with_history: bool, say: Callable[[str], None]) -> dict[str, Value]:
    """All keys of the report, those included that cannot be measured here (None)."""
    with tempfile.TemporaryDirectory(prefix="tocsin-bench-") as folder:
        async with AsyncExitStack() as running:
            directory = Path(folder)
            provider = Provider()
            await provider.start()
            running.push_async_callback(provider.stop)
            subject = await running.enter_async_context(programs.serve(directory / "data", provider.environment))
            await subject.start("/readyz")
            await subject.settled("/login")
            town = await Town.open(directory / "data")
            running.push_async_callback(town.close)
            await town.settle()
            await town.storms_above(1_000_000)  # what is measured first pages faster than any storm
            m = Measurement(plan, say, subject, provider, town)
            found: dict[str, Value] = {"oncall.who_1000x3_ms": rounded(who_1000x3(), 2)}
            found |= await m.idle()
            found |= await m.beside_one_that_hangs()
            found |= await m.due_together()
            found |= await m.under_load()
            repeated = m.repeated()  # a storm names pages that it has not sent
            found |= await breaks_loose(subject, town, provider, plan.weather, say)
            found["paging.lost"], found["paging.duplicates"] = m.lost, m.duplicates + repeated
            say(f"lost {found['paging.lost']}, duplicates {found['paging.duplicates']}")
            first_page = await history.first_page_ms(subject, town, say) if with_history else None
            found["screens.incidents_first_page_ms.p99"] = rounded(first_page, 2)
            return found

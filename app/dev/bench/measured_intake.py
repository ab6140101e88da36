"""`tocsin bench intake`: how many alerts a second, against what, and whether all of them are there afterwards."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from app.dev.bench import history, programs
from app.dev.bench.bodies import Entrance, Shot, Storm
from app.dev.bench.load import Outcome, closed_loop, open_loop
from app.dev.bench.numbers import Value, middle, percentile, ratio, rounded
from app.dev.bench.programs import Failed, Program
from app.dev.bench.town import ENTRANCES, Town, path_of

SUBJECT: Final = "tocsin"
NOOP: Final = "no-op"
ALERTMANAGER: Final = "alertmanager"
CELLS: Final = ((1, 32), (10, 32), (100, 8))
"""(alerts a request, connections)"""
FASTEST: Final = {1: 25_000, 10: 50_000, 100: 60_000}
"""Alerts a second that no target that stores them reaches: so many are prepared."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How long is measured. `grow_alerts`: alerts over which memory is watched."""

    rounds: int = 3
    cell_s: float = 3.0
    open_loop_rate: float = 1000.0
    open_loop_s: float = 10.0
    open_loop_rounds: int = 3
    hot_s: float = 3.0
    grow_alerts: int = 500_000
    starts: int = 3


QUICK: Final = Plan(cell_s=0.4, open_loop_s=1.5, open_loop_rounds=1, hot_s=0.4, grow_alerts=20_000, starts=1)


@dataclass(slots=True)
class Measurement:
    """One run: the programs, the seeds that were used, and every alert that was answered with 2xx."""

    plan: Plan
    say: Callable[[str], None]
    subject: Program
    noop: Program
    alertmanager: Program | None
    town: Town
    answered: list[tuple[str, ...]] = field(default_factory=list)
    seed: int = 0

    def storm(self, names: int = 25) -> Storm:
        self.seed += 1
        return Storm(self.seed, names)

    async def shoot(self, shots: list[Shot], connections: int, seconds: float) -> float:
        """Alerts a second that the subject takes."""
        outcome = await closed_loop(self.subject.port, shots, connections, seconds)
        self._took(shots, outcome)
        return rate_of(shots, outcome)

    def _took(self, shots: list[Shot], outcome: Outcome) -> None:
        if outcome.failed:
            raise Failed(f"{self.subject.name} answered {outcome.failed}: {self.subject.log.read_text()[-2000:]}")
        self.answered.extend(shots[n].alerts for n in outcome.answered)

    async def rate(self, program: Program, alerts: int, connections: int) -> float:
        """Alerts a second that another program takes; what it answers is not looked up afterwards."""
        requests = int(FASTEST[alerts] / alerts * self.plan.cell_s) + connections
        shots = self.storm().shots(ENTRANCES_OF_STORM, requests, alerts)
        return rate_of(shots, await closed_loop(program.port, shots, connections, self.plan.cell_s))

    async def cell(self, alerts: int, connections: int) -> dict[str, float]:
        """Alerts a second of each target, medians; the targets in turns."""
        rates: dict[str, list[float]] = {SUBJECT: [], NOOP: [], ALERTMANAGER: []}
        for _ in range(self.plan.rounds):
            requests = int(FASTEST[alerts] / alerts * self.plan.cell_s) + connections
            shots = self.storm().shots(ENTRANCES_OF_STORM, requests, alerts)
            rates[SUBJECT].append(await self.shoot(shots, connections, self.plan.cell_s))
            free = await closed_loop(self.noop.port, shots, connections, self.plan.cell_s, again=True)
            rates[NOOP].append(rate_of(shots, free))
            if self.alertmanager is not None:
                shots = self.storm().shots([Entrance("/api/v2/alerts", "v2")], requests, alerts)
                stored = await closed_loop(self.alertmanager.port, shots, connections, self.plan.cell_s)
                rates[ALERTMANAGER].append(rate_of(shots, stored))
        medians = {name: middle(r) for name, r in rates.items() if r}
        self.say(f"storm:{alerts}:{connections}  " + "  ".join(f"{n} {r:,.0f}/s" for n, r in medians.items()))
        return medians

    async def storms(self) -> dict[str, Value]:
        found: dict[str, Value] = {}
        for alerts, connections in CELLS:
            rates = await self.cell(alerts, connections)
            found[f"intake.storm.{alerts}.vs_noop"] = rounded(ratio(rates[SUBJECT], rates[NOOP]))
            if alerts > 1:
                against = ratio(rates[SUBJECT], rates.get(ALERTMANAGER))
                found[f"intake.storm.{alerts}.vs_alertmanager"] = rounded(against)
        return found

    async def on_schedule(self) -> dict[str, Value]:
        """1,000 requests a second of 10 alerts, whatever the answers do."""
        waits: dict[str, list[float]] = {SUBJECT: [], NOOP: []}
        for _ in range(self.plan.open_loop_rounds):
            count = int(self.plan.open_loop_rate * self.plan.open_loop_s)
            shots = self.storm().shots(ENTRANCES_OF_STORM, count, 10)
            outcome = await open_loop(self.subject.port, shots, self.plan.open_loop_rate)
            self._took(shots, outcome)
            waits[SUBJECT].append(percentile(outcome.waits, 0.99) * 1000)
            free = await open_loop(self.noop.port, shots, self.plan.open_loop_rate)
            waits[NOOP].append(percentile(free.waits, 0.99) * 1000)
        subject, noop = middle(waits[SUBJECT]), middle(waits[NOOP])
        self.say(f"open loop  p99 {subject:.1f} ms, no-op {noop:.1f} ms")
        return {
            "intake.open_loop.p99_ms": rounded(subject, 2),
            "intake.open_loop.p99_over_noop": rounded(ratio(subject, noop), 2),
        }

    async def hot_incident(self) -> dict[str, Value]:
        """One service, one alertname: every alert belongs to the same incident. With slow flushes and without."""
        rates: dict[bool, list[float]] = {False: [], True: []}
        try:
            for _ in range(self.plan.rounds):
                for slow in (False, True):
                    await self.town.flushes(slow)
                    requests = int(FASTEST[1] * self.plan.hot_s)
                    shots = self.storm(names=1).shots(ENTRANCES_OF_STORM[:1], requests, 1)
                    rates[slow].append(await self.shoot(shots, 32, self.plan.hot_s))
        finally:
            await self.town.flushes(False)
        fast, slow_rate = middle(rates[False]), middle(rates[True])
        self.say(f"hot incident  {fast:,.0f}/s, with flushes of 2 ms {slow_rate:,.0f}/s")
        return {"intake.hot_incident.slow_fsync_vs_fast": rounded(ratio(slow_rate, fast))}

    async def many_rules(self) -> dict[str, Value]:
        """A thousand routing rules beside ten, of which each alert matches one."""
        rates: dict[int, list[float]] = {10: [], 1000: []}
        for _ in range(self.plan.rounds):
            for rules, found in rates.items():
                await self.town.routes(rules)
                await self.shoot(self.storm().shots(ENTRANCES_OF_STORM, 32, 10), 32, 10.0)  # compiles them
                requests = int(FASTEST[10] / 10 * self.plan.hot_s)
                shots = self.storm().shots(ENTRANCES_OF_STORM, requests, 10)
                found.append(await self.shoot(shots, 32, self.plan.hot_s))
        await self.town.routes(0)
        few, many = middle(rates[10]), middle(rates[1000])
        self.say(f"routing rules  {few:,.0f}/s with 10, {many:,.0f}/s with 1,000")
        return {"intake.rules.1000_vs_10": rounded(ratio(many, few))}

    async def growth(self, idle: float) -> dict[str, Value]:
        left = self.plan.grow_alerts
        while left > 0:
            count = min(left, 50_000)
            shots = self.storm().shots(ENTRANCES_OF_STORM, count // 10, 10)
            await self.shoot(shots, 32, 600.0)
            left -= count
        after = self.subject.rss_mb
        self.say(f"memory  {idle:.0f} MB idle, {after:.0f} MB after {self.plan.grow_alerts:,} alerts")
        return {"memory.serve_mb": rounded(idle, 1), "memory.growth": rounded(after / idle)}


ENTRANCES_OF_STORM: Final = [Entrance(path_of(n)) for n in range(1, ENTRANCES + 1)]


def rate_of(shots: list[Shot], outcome: Outcome) -> float:
    """Alerts a second, counting what was answered with 2xx only."""
    return sum(len(shots[n].alerts) for n in outcome.answered) / outcome.took if outcome.took else 0.0


async def measure(plan: Plan, with_history: bool, say: Callable[[str], None]) -> dict[str, Value]:
    """All keys of the report, those included that cannot be measured here (None)."""
    with tempfile.TemporaryDirectory(prefix="tocsin-bench-") as folder:
        async with AsyncExitStack() as running:
            directory = Path(folder)
            subject = programs.serve(directory / "data")
            running.push_async_callback(subject.stop)
            await subject.start("/readyz")
            await subject.stop()
            starts = []
            for _ in range(plan.starts):
                await subject.stop()
                starts.append(await subject.start("/readyz") * 1000)
            say(f"start  {middle(starts):,.0f} ms")
            await subject.settled("/login")
            noop = await running.enter_async_context(programs.noop(directory))
            await noop.start("")
            alertmanager = programs.alertmanager(directory)
            if alertmanager is not None:
                running.push_async_callback(alertmanager.stop)
                await alertmanager.start("/-/ready")
            town = await Town.open(directory / "data")
            running.push_async_callback(town.close)
            await town.settle()
            m = Measurement(plan, say, subject, noop, alertmanager, town)
            found: dict[str, Value] = {"start.serve_ms": rounded(middle(starts), 1)}
            found |= await m.growth(subject.rss_mb)
            found |= await m.storms()
            found |= await m.on_schedule()
            found |= await m.hot_incident()
            found["intake.lost"] = await town.lost(m.answered)
            say(f"answered  {sum(map(len, m.answered)):,} alerts, lost {found['intake.lost']}")
            found["intake.history.10m_vs_empty"] = await history.against_empty(m, directory) if with_history else None
            found |= await m.many_rules()
            return found

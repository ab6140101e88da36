"""The world outside while a night is played: its instants in order, and who waits for them.

Nothing here takes real time. A worker that waits for a provider waits for a virtual instant; the stage lets one wait
end at a time and looks on until everything that follows is recorded, so that a night is the same whenever it is played.
"""

from __future__ import annotations

import asyncio
import heapq
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count

from nights.evidence import Evidence, Letter
from nights.script import Night, Trouble

Call = Callable[[], Awaitable[None]]


@dataclass(order=True)
class _Planned:
    at: datetime
    order: int
    call: Call = field(compare=False)


class Outside:
    """`now` only grows. `doomed`: workers whose next message is their last, and when they die."""

    def __init__(self, night: Night, evidence: Evidence) -> None:
        self.night = night
        self.evidence = evidence
        self.now = night.began
        self.doomed: dict[int, str] = {}
        self.doomed_calls: dict[int, str] = {}
        self.dying: set[int] = set()
        self.taken: dict[str, Letter] = {}
        """By the token of the attempt: what the provider has."""
        self.silent = False
        """Nobody answers any more."""
        self.arrived: Callable[[Letter], Awaitable[None]]
        self.reports: Callable[[Letter, str, str], Awaitable[None]]
        self._plans: list[_Planned] = []
        self._order = count()
        self._counts: Counter[tuple[str, str]] = Counter()
        self._waiting: dict[int, set[asyncio.Task[None]]] = {}
        self._troubles: list[tuple[datetime, datetime, Trouble]] = []

    # -- instants

    def plan(self, at: datetime, call: Call) -> None:
        heapq.heappush(self._plans, _Planned(at, next(self._order), call))

    @property
    def next_at(self) -> datetime | None:
        return self._plans[0].at if self._plans else None

    def take_next(self) -> Call:
        return heapq.heappop(self._plans).call

    # -- workers that wait for a provider

    def waiting(self, worker: int) -> int:
        return len(self._waiting.get(worker, ()))

    async def until(self, worker: int, at: datetime) -> None:
        """For a task of this worker. Ends at `at`, or with the worker."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        task = self._me(worker)

        async def go_on() -> None:
            self._waiting[worker].discard(task)
            if not future.done():
                future.set_result(None)

        self.plan(at, go_on)
        await future

    async def for_ever(self, worker: int) -> None:
        """The last thing that a task of a worker does that dies."""
        self._me(worker)
        await asyncio.get_running_loop().create_future()

    def _me(self, worker: int) -> asyncio.Task[None]:
        task = asyncio.current_task()
        assert task is not None
        self._waiting.setdefault(worker, set()).add(task)
        return task

    def end(self, worker: int) -> None:
        """Whatever it waits for, it does not wait any more."""
        for task in self._waiting.pop(worker, set()):
            task.cancel()
        self._waiting[worker] = set()

    # -- troubles

    def begins(self, trouble: Trouble, until: datetime) -> None:
        self._troubles.append((self.now, until, trouble))

    def mended(self) -> None:
        self._troubles.clear()

    def trouble(self, channel: str, person: str) -> str:
        """What is wrong with this channel for this person now; empty: nothing."""
        for since, until, trouble in self._troubles:
            if since <= self.now < until and trouble.channel == channel and trouble.person in ("", person):
                return trouble.kind
        return ""

    def nth(self, channel: str, to: str) -> int:
        """Counts the messages to this address."""
        self._counts[channel, to] += 1
        return self._counts[channel, to]

"""The road, played on shadow tables: what came in goes along `flow.receive` and `flow.climb` once more, at the instants
at which it came, under other rules. Nothing here decides; the road does (behaviour.md 16).

What a simulation leaves out: people. Nobody acknowledges, resolves or snoozes, so only the first step of each ladder is
climbed and counted. Repeats, which changed nothing, are not replayed; alerts that fell silent end when they did.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection

from app import clock, flow
from app.db import hot
from app.ingest.adapters.labels import fingerprint
from app.ingest.event import Event, Parsed
from app.ingest.requests import Door, Request
from app.notifications.due import NEXT_DUE
from app.rehearsal import shadow_store
from app.standing import Standings

SLICE: Final = 2_000
CLAIM: Final = 500
"""How many ladders one climb claims."""
TOGETHER: Final = timedelta(minutes=1)
"""Events of the same minute are received together, as of the last of them."""


class TooSlow(Exception):
    """The time that was given is over. `played` of the events were."""

    def __init__(self, played: int) -> None:
        super().__init__(f"{played} events were played")
        self.played = played


@dataclass(slots=True)
class Player:
    """Plays on `conn`, which is shadowed. `deadline` on the monotonic clock."""

    conn: AsyncConnection
    channels: Collection[str]
    deadline: float
    standings: Standings = field(default_factory=Standings)
    due: datetime | None = None
    played: int = 0
    after: Callable[[AsyncConnection, datetime], Awaitable[object]] = shadow_store.settle
    """What follows a climb: nobody climbs further, unless somebody else says what is delivered."""

    async def play_events(self, doors: Mapping[int, Door]) -> None:
        """All that was collected. Raises `TooSlow`."""
        async for minute in _minutes(self.conn):
            at: datetime = minute[-1].at
            await self.pass_time(at)
            await self.play([_request(doors[i], list(rows), at) for i, rows in groupby(minute, _integration)], at)
            self.played += len(minute)
        if self.due is not None:
            await self._tick(self.due)

    async def play(self, requests: Sequence[Request], at: datetime) -> None:
        """One batch at an instant, and what it makes due at once."""
        self._in_time()
        await shadow_store.set_clock(self.conn, at)
        async with hot.together(self.conn):
            received = await flow.receive(self.conn, requests, self.standings)
        if received.wake:
            await self._tick(at)
        else:
            self.due = await self._next_due(at)

    async def pass_time(self, to: datetime) -> None:
        """All that falls due until `to`. Raises `TooSlow`."""
        while self.due is not None and self.due <= to:
            await self._tick(self.due)

    async def _tick(self, at: datetime) -> None:
        """What falls due until `at`. What stays due in spite of a tick waits for the next minute."""
        self._in_time()
        await shadow_store.set_clock(self.conn, at)
        claimed = CLAIM
        while claimed >= CLAIM:
            claimed = len((await flow.climb(self.conn, self.channels, self.standings)).lateness)
        await self.after(self.conn, at)
        due = await self._next_due(at)
        self.due = None if due is None else max(due, at + TOGETHER) if due <= at else due

    async def _next_due(self, at: datetime) -> datetime | None:
        seconds = (await self.conn.execute(NEXT_DUE)).scalar_one()
        return None if seconds is None else at + timedelta(seconds=float(seconds))

    def _in_time(self) -> None:
        if clock.elapsed() > self.deadline:
            raise TooSlow(self.played)


def _integration(row: Any) -> int:
    return int(row.integration_id)


async def _minutes(conn: AsyncConnection) -> AsyncIterator[list[Any]]:
    """What was collected, in the order in which it came, the events of one minute together."""
    after, minute = 0, list[Any]()
    while rows := await shadow_store.replayed(conn, after, SLICE):
        after = rows[-1].n
        for row in rows:
            if minute and row.at - minute[0].at >= TOGETHER:
                yield minute
                minute = []
            minute.append(row)
    if minute:
        yield minute


def _request(door: Door, rows: Sequence[Any], at: datetime) -> Request:
    """What one integration sent, parsed already."""
    request = Request(door, b"", {})
    request.parsed = Parsed(tuple((index, _event(row)) for index, row in enumerate(rows)))
    request.read_at = at
    return request


def _event(row: Any) -> Event:
    """A kept event, with the title that its alert has now. What fires does not expire: its end is replayed."""
    return Event(
        kind=row.kind,
        dedup_key=row.dedup_key,
        fingerprint=fingerprint(row.labels),
        title=row.title,
        severity=row.severity,
        labels=row.labels,
        starts_at=row.starts_at,
        ends_at=None if row.kind == "firing" else row.ends_at,
        annotations=row.annotations,
    )

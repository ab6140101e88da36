"""Partitions of the road's history: made ahead of time, dropped when what they hold has been kept long enough.

Ids are uuid v7, so a range of ids is a span of time. A row for which no partition was made goes to the default one and
is found all the same; `keep_house` moves it when its partition is made, or deletes it when it is old.

Locks: attaching takes the default partition for itself, dropping takes the table, each for a moment in a transaction of
its own that never waits longer than a second: whoever comes behind us would wait as long.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final, Literal, Protocol

import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app import clock
from app.db import partition_store as store
from app.db.partition_store import MOST_MOVED

EVERY: Final = timedelta(hours=1)

LOCK_NOT_AVAILABLE: Final = "55P03"


class Chore(Protocol):
    """Something else that gets old. Run in a transaction of its own."""

    def __call__(self, conn: AsyncConnection, now: datetime) -> Awaitable[None]: ...


log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Partitioned:
    """A table, the length of its partitions, how many are made ahead of now, and how long what is in them is kept."""

    table: str
    unit: Literal["day", "month"]
    ahead: int
    keep: timedelta
    needed: str = ""
    """What a row looks like that must stay, however old: SQL over the columns of the table."""


def partitioned(receipts: timedelta, history: timedelta) -> tuple[Partitioned, ...]:
    """What is kept for how long."""
    return (
        Partitioned("receipts", "day", 3, receipts),
        Partitioned("events", "month", 1, history),
        Partitioned("occurrences", "month", 1, history, needed="ended_at IS NULL"),
        Partitioned("timeline_entries", "month", 1, history),
        Partitioned("changes", "month", 1, history),
    )


@dataclass(frozen=True, slots=True)
class Span:
    """One partition's time, half open, in UTC."""

    start: datetime
    end: datetime
    name: str


def span(p: Partitioned, at: datetime) -> Span:
    """The partition into which a row of this instant belongs."""
    day = at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    if p.unit == "day":
        return Span(day, day + timedelta(days=1), f"{p.table}_p_{day:%Y%m%d}")
    start = day.replace(day=1)
    return Span(start, (start + timedelta(days=31)).replace(day=1), f"{p.table}_p_{start:%Y%m}")


def wanted(p: Partitioned, now: datetime) -> list[Span]:
    """This partition and the next ones."""
    spans = [span(p, now)]
    for _ in range(p.ahead):
        spans.append(span(p, spans[-1].end))
    return spans


def span_named(p: Partitioned, name: str) -> Span | None:
    """The span of an existing partition; None for the default one and what somebody else made."""
    digits = re.fullmatch(rf"{p.table}_p_(\d{{4}})(\d\d)(\d\d)?", name)
    if digits is None or (digits[3] is None) != (p.unit == "month"):
        return None
    return span(p, datetime(int(digits[1]), int(digits[2]), int(digits[3] or 1), tzinfo=UTC))


async def keep_house(engine: AsyncEngine, tables: Sequence[Partitioned], chores: Sequence[Chore] = ()) -> bool:
    """Makes and drops partitions and does the chores, unless somebody has done it within the hour (False).

    What cannot get its lock in time is left for the next hour; there is more than one until it would matter. Raises
    what the database raises otherwise.
    """
    async with engine.begin() as conn:
        now = await clock.read(conn)
        if not await store.claim(conn, now, now - EVERY):
            return False
    for p in tables:
        for step in (make, drop, clean):
            await _alone(engine, p.table, partial(step, p=p, now=now))
    for chore in chores:
        await _alone(engine, "chore", partial(chore, now=now))
    return True


async def make(conn: AsyncConnection, p: Partitioned, now: datetime) -> None:
    """The partitions that are missing, with the rows that came before them."""
    there = set(await store.existing(conn, p.table))
    for missing in [s for s in wanted(p, now) if s.name not in there]:
        if await store.make(conn, p.table, missing.name, missing.start, missing.end):
            log.info("partition_made", partition=missing.name)
        else:
            log.warning("partition_not_made", partition=missing.name, because=f"over {MOST_MOVED} rows came before it")


async def drop(conn: AsyncConnection, p: Partitioned, now: datetime) -> None:
    """Partitions whose last row is old enough, and that hold nothing that is needed."""
    for name in await store.existing(conn, p.table):
        old = span_named(p, name)
        if old is None or old.end > now - p.keep or (p.needed and await store.holds(conn, name, p.needed)):
            continue
        await store.drop(conn, p.table, name)
        log.info("partition_dropped", partition=name)


async def clean(conn: AsyncConnection, p: Partitioned, now: datetime) -> None:
    """Old rows that never got a partition."""
    await store.delete_old(conn, p.table, now - p.keep, p.needed)


async def _alone(engine: AsyncEngine, what: str, step: Callable[[AsyncConnection], Awaitable[None]]) -> None:
    """One step in its own transaction. A lock that cannot be had is not worth waiting for."""
    try:
        async with engine.begin() as conn:
            await store.be_alone(conn)
            await step(conn)
    except DBAPIError as e:
        if getattr(e.orig, "sqlstate", "") != LOCK_NOT_AVAILABLE:
            raise
        log.info("housekeeping_put_off", what=what)

"""Asks providers about what they took and have not told the end of (behaviour.md 8): status, and what it cost.

Bad news found so acts as a callback does: the same commands take it. Claim in one transaction, ask in none, keep in
another. The rate is bounded: a pass asks about so many, and there is a pass every few seconds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app import metrics
from app.channels.channel import RANK, Askable, CallProgress, Channel, SendFailed, Told
from app.channels.several import Several, askable
from app.db.engine import transaction
from app.notifications import calls, health_store, polling_store
from app.notifications.polling_plan import STUCK_AFTER, asked_next
from app.notifications.reports import report_delivery
from app.notifications.watch import duration

AT_ONCE: Final = 5
A_PASS: Final = 20
"""So many are asked about in a pass, and `AT_ONCE` of them at the same time."""

log = structlog.get_logger()


async def ask_due(engine: AsyncEngine, channels: Mapping[str, Channel]) -> bool:
    """One pass. True: something changed that somebody may wait for."""
    async with transaction(engine) as (conn, now):
        named = {"now": now, "channels": list(channels), "final": polling_store.FINAL, "limit": A_PASS}
        due = (await conn.execute(polling_store.TO_ASK, named)).all()
        asking = [(r, asked) for r in due if (asked := _worth_asking(r, channels)) is not None]
        await _keep_next(conn, now, due, {r.id for r, _ in asking})
        _count_passed_over(channels, await health_store.passed_over(conn, now))
    gate = asyncio.Semaphore(AT_ONCE)
    news = await asyncio.gather(*(_ask(engine, channels, r, provider, gate) for r, provider in asking))
    return any(news)


def _count_passed_over(channels: Mapping[str, Channel], rows: Sequence[Any]) -> None:
    for name, channel in channels.items():
        for provider in channel.providers if isinstance(channel, Several) else ():
            prefixes = sum((r.channel, r.provider) == (name, provider) for r in rows)
            metrics.provider_passed_over(name, provider, prefixes)


def _worth_asking(row: Any, channels: Mapping[str, Channel]) -> Askable | None:
    provider = askable(channels.get(row.channel), row.provider)
    if provider is None or (row.final and (row.priced or not provider.tells_price)):
        return None
    return provider


async def _keep_next(conn: AsyncConnection, now: datetime, due: Sequence[Any], asking: set[Any]) -> None:
    if due:
        again = [asked_next(r.channel, r.asks + 1, r.started_at, now) if r.id in asking else None for r in due]
        await conn.execute(polling_store.ASKED, {"ids": [r.id for r in due], "ask_at": again})


async def _ask(
    engine: AsyncEngine, channels: Mapping[str, Channel], row: Any, provider: Askable, gate: asyncio.Semaphore
) -> bool:
    async with gate:
        try:
            told = await provider.ask(row.provider_id)
        except SendFailed as failed:
            metrics.provider_asked(row.channel, "failed")
            log.warning("status_not_told", channel=row.channel, provider=row.provider, code=failed.code)
            return False
    metrics.provider_asked(row.channel, "final" if row.final else "asked")
    async with transaction(engine) as (conn, now):
        news = await _report(conn, now, row, told, list(channels))
        found = {
            "id": row.id,
            "price": told.price.amount if told.price else None,
            "currency": told.price.currency if told.price else None,
            "may_have_price": provider.tells_price,
            "final": polling_store.FINAL,
        }
        await conn.execute(polling_store.FOUND_OUT, found)
    return news


async def _report(conn: AsyncConnection, now: datetime, row: Any, told: Told, channels: Sequence[str]) -> bool:
    """As if the provider had called back. Whether it can change anything, the command decides."""
    if told.report is None or row.final:
        return False
    if isinstance(told.report, CallProgress):
        return await calls.report(conn, now, row.callback_hash, told.report, channels)
    if row.prefix and told.report.rank < RANK["sent"] and now - row.started_at >= STUCK_AFTER:
        key = row.channel, row.provider, row.prefix
        words = f"a message was still {told.report.status} after {duration((now - row.started_at).total_seconds())}"
        await health_store.note(conn, now, key, "undelivered", "stuck", words)
    return await report_delivery(conn, now, row.callback_hash, told.report, channels)

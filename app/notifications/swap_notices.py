"""Who is told of a swap: the person it is offered to, whoever asked, and before the shift whoever took it."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from app.hours import local, zone
from app.notifications.telling import call_off, tell
from app.oncall.store import StoredSchedule
from app.oncall.swap_store import StoredSwap

REMIND_BEFORE = (timedelta(days=1), timedelta(hours=1))
"""The first of these that is still to come."""


async def offered(
    conn: AsyncConnection, now: datetime, swap: StoredSwap, schedule: StoredSchedule, channels: Collection[str]
) -> None:
    """To whom it is offered; nobody in particular is told of a swap for whoever wants."""
    if swap.to_id is None:
        return
    words = f"{swap.user} asks you to take {schedule.document.name} {_span(schedule, swap.starts_at, swap.ends_at)}"
    if swap.return_starts_at and swap.return_ends_at:
        words += f", and takes yours {_span(schedule, swap.return_starts_at, swap.return_ends_at)}"
    subject = f"{swap.user} offers you a swap"
    key = f"swap:{swap.id}:offered"
    await tell(conn, now, swap.to_id, subject=subject, words=f"{words}.", key=key, channels=channels)


async def taken(
    conn: AsyncConnection, now: datetime, swap: StoredSwap, schedule: StoredSchedule, channels: Collection[str]
) -> None:
    """To whoever asked, at once; to whoever took it, before the shift: reminders are queued for then."""
    name, span = schedule.document.name, _span(schedule, swap.starts_at, swap.ends_at)
    subject, words = f"{swap.taken_by} takes your shift", f"{swap.taken_by} takes {name} {span} for you."
    key = f"swap:{swap.id}:taken"
    await tell(conn, now, swap.user_id, subject=subject, words=words, key=key, channels=channels)
    soon = f"You are on call in {name} {span}, for {swap.user}."
    await _remind(conn, now, swap.taken_by_id, soon, swap.starts_at, f"swap:{swap.id}:reminder", channels)
    if swap.return_starts_at and swap.return_ends_at:
        span = _span(schedule, swap.return_starts_at, swap.return_ends_at)
        soon = f"You are on call in {name} {span}, for {swap.taken_by}."
        await _remind(conn, now, swap.user_id, soon, swap.return_starts_at, f"swap:{swap.id}:return", channels)


async def called_off(conn: AsyncConnection, now: datetime, swap_id: int) -> None:
    """An override that carries it out was withdrawn: nobody is reminded of what is not so."""
    keys = [f"swap:{swap_id}:{part}" for part in ("reminder", "return")]
    await call_off(conn, now, keys, "the swap was called off")


async def _remind(
    conn: AsyncConnection,
    now: datetime,
    user_id: int | None,
    words: str,
    starts_at: datetime,
    key: str,
    channels: Collection[str],
) -> None:
    due_at = next((starts_at - before for before in REMIND_BEFORE if starts_at - before > now), None)
    if due_at is not None and user_id is not None:
        subject = "You are on call soon"
        await tell(conn, now, user_id, subject=subject, words=words, key=key, channels=channels, due_at=due_at)


def _span(schedule: StoredSchedule, starts_at: datetime, ends_at: datetime) -> str:
    where = zone(schedule.document.time_zone)
    first, last = (f"{local(at, where):%a %d %b %H:%M}" for at in (starts_at, ends_at))
    return f"from {first} to {last} {local(ends_at, where):%Z}"

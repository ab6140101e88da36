"""Who is told of a swap: the person it is offered to, whoever asked, and before the shift whoever took it, or whoever
asked when nobody did."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from app.hours import local, zone
from app.notifications.telling import call_off, tell
from app.oncall.store import StoredSchedule, names
from app.oncall.swap_store import StoredSwap

REMIND_BEFORE = (timedelta(days=1), timedelta(hours=1))
"""The first of these that is still to come."""
UNTAKEN = "Nobody took your swap"


async def offered(
    conn: AsyncConnection, now: datetime, swap: StoredSwap, schedule: StoredSchedule, channels: Collection[str]
) -> None:
    """To whom it is offered; nobody in particular is told of a swap for whoever wants. To whoever asked, before the
    shift, in case nobody takes it."""
    known = await _names(conn, swap)
    shift = f"{schedule.document.name} {_span(schedule, swap.starts_at, swap.ends_at)}"
    still = f"Nobody has taken {shift}, as you asked: unless somebody else was put in, you are on call then."
    await _remind(conn, now, swap.user_id, still, swap.starts_at, f"swap:{swap.id}:untaken", channels, UNTAKEN)
    if swap.to_id is None:
        return
    words = f"{known[swap.user_id]} asks you to take {shift}"
    if swap.return_starts_at and swap.return_ends_at:
        words += f", and takes yours {_span(schedule, swap.return_starts_at, swap.return_ends_at)}"
    words += f". Why: {swap.comment}" if swap.comment else "."
    subject = f"{known[swap.user_id]} offers you a swap"
    await tell(conn, now, swap.to_id, subject=subject, words=words, key=f"swap:{swap.id}:offered", channels=channels)


async def taken(
    conn: AsyncConnection, now: datetime, swap: StoredSwap, schedule: StoredSchedule, channels: Collection[str]
) -> None:
    """To whoever asked, at once; to whoever took it, before the shift: reminders are queued for then."""
    await decided(conn, now, swap)
    known = await _names(conn, swap)
    asker, taker = known[swap.user_id], known.get(swap.taken_by_id or 0, "")
    name, span = schedule.document.name, _span(schedule, swap.starts_at, swap.ends_at)
    subject, words = f"{taker} takes your shift", f"{taker} takes {name} {span} for you."
    key = f"swap:{swap.id}:taken"
    await tell(conn, now, swap.user_id, subject=subject, words=words, key=key, channels=channels)
    soon = f"You are on call in {name} {span}, for {asker}."
    await _remind(conn, now, swap.taken_by_id, soon, swap.starts_at, f"swap:{swap.id}:reminder", channels)
    if swap.return_starts_at and swap.return_ends_at:
        span = _span(schedule, swap.return_starts_at, swap.return_ends_at)
        soon = f"You are on call in {name} {span}, for {taker}."
        await _remind(conn, now, swap.user_id, soon, swap.return_starts_at, f"swap:{swap.id}:return", channels)


async def declined(
    conn: AsyncConnection, now: datetime, swap: StoredSwap, schedule: StoredSchedule, channels: Collection[str]
) -> None:
    """To whoever asked, who has to ask somebody else."""
    await decided(conn, now, swap)
    who = (await _names(conn, swap)).get(swap.to_id or 0, "")
    shift = f"{schedule.document.name} {_span(schedule, swap.starts_at, swap.ends_at)}"
    words, key = f"{who} does not take {shift} for you. Ask somebody else.", f"swap:{swap.id}:declined"
    subject = f"{who} declines your swap"
    await tell(conn, now, swap.user_id, subject=subject, words=words, key=key, channels=channels)


async def decided(conn: AsyncConnection, now: datetime, swap: StoredSwap) -> None:
    """It is open no more: an offer that was not sent yet is not, nor that nobody has taken it."""
    keys = [f"swap:{swap.id}:{part}" for part in ("offered", "untaken")]
    await call_off(conn, now, keys, f"the swap is {swap.state}")


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
    subject: str = "You are on call soon",
) -> None:
    due_at = next((starts_at - before for before in REMIND_BEFORE if starts_at - before > now), None)
    if due_at is not None and user_id is not None:
        await tell(conn, now, user_id, subject=subject, words=words, key=key, channels=channels, due_at=due_at)


async def _names(conn: AsyncConnection, swap: StoredSwap) -> dict[int, str]:
    concerned = [user for user in (swap.user_id, swap.to_id, swap.taken_by_id) if user is not None]
    return {user: name for user, (_, name) in (await names(conn, concerned)).items()}


def _span(schedule: StoredSchedule, starts_at: datetime, ends_at: datetime) -> str:
    where = zone(schedule.document.time_zone)
    first, last = (f"{local(at, where):%a %d %b %H:%M}" for at in (starts_at, ends_at))
    return f"from {first} to {last} {local(ends_at, where):%Z}"

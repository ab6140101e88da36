"""Who is told of a swap: the person it is offered to and whoever asked, at once; before the shift whoever took it, or
whoever asked when nobody did; and both when the shift was edited away.

What comes later is decided when it falls due: schedules are edited and overrides withdrawn meanwhile, so a worker looks
at what is so then. A message is told once for its key.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from app.hours import clock, local, zone
from app.notifications.telling import call_off, tell
from app.oncall import commands, shifts, store, swap_notice_store, swap_store
from app.oncall.intervals import Interval, joined
from app.oncall.store import StoredSchedule, names
from app.oncall.swap_notice_store import SwapNotice
from app.oncall.swap_store import StoredSwap

SOON, UNTAKEN = "You are on call soon", "Nobody took your swap"


async def offered(
    conn: AsyncConnection, now: datetime, swap: StoredSwap, schedule: StoredSchedule, channels: Collection[str]
) -> None:
    """To whom it is offered; nobody in particular is told of a swap for whoever wants."""
    if swap.to_id is None:
        return
    known = await _names(conn, swap)
    words = f"{known[swap.user_id]} asks you to take {_shift(schedule, swap)}"
    if swap.return_starts_at and swap.return_ends_at:
        words += f", and takes yours {_span(schedule, swap.return_starts_at, swap.return_ends_at)}"
    words += f". Why: {swap.comment}" if swap.comment else "."
    subject = f"{known[swap.user_id]} offers you a swap"
    await tell(conn, now, swap.to_id, subject=subject, words=words, key=f"swap:{swap.id}:offered", channels=channels)


async def taken(
    conn: AsyncConnection, now: datetime, swap: StoredSwap, schedule: StoredSchedule, channels: Collection[str]
) -> None:
    """To whoever asked."""
    await decided(conn, now, swap)
    taker = (await _names(conn, swap)).get(swap.taken_by_id or 0, "")
    subject, words = f"{taker} takes your shift", f"{taker} takes {_shift(schedule, swap)} for you."
    key = f"swap:{swap.id}:taken"
    await tell(conn, now, swap.user_id, subject=subject, words=words, key=key, channels=channels)


async def declined(
    conn: AsyncConnection, now: datetime, swap: StoredSwap, schedule: StoredSchedule, channels: Collection[str]
) -> None:
    """To whoever asked, who has to ask somebody else."""
    await decided(conn, now, swap)
    who = (await _names(conn, swap)).get(swap.to_id or 0, "")
    words, key = f"{who} does not take {_shift(schedule, swap)} for you. Ask somebody else.", f"swap:{swap.id}:declined"
    subject = f"{who} declines your swap"
    await tell(conn, now, swap.user_id, subject=subject, words=words, key=key, channels=channels)


async def decided(conn: AsyncConnection, now: datetime, swap: StoredSwap) -> None:
    """It is open no more: an offer that was not sent yet is not."""
    await call_off(conn, now, [f"swap:{swap.id}:offered"], f"the swap is {swap.state}")


async def tell_due(conn: AsyncConnection, now: datetime, channels: Collection[str]) -> int:
    """Tells what is due, if it is still so. Returns how many were due."""
    due = await swap_notice_store.claim(conn, now)
    for notice in due:
        swap = await swap_store.by_id(conn, notice.swap_id)
        if swap is None:
            continue
        schedule = await commands.read(conn, swap.schedule)
        if notice.kind == "void":
            await _tell_void(conn, now, notice, swap, schedule, channels)
        elif notice.kind == "untaken":
            await _tell_untaken(conn, now, swap, schedule, channels)
        else:
            await _tell_soon(conn, now, notice, swap, schedule, channels)
    return len(due)


async def _tell_void(
    conn: AsyncConnection,
    now: datetime,
    notice: SwapNotice,
    swap: StoredSwap,
    schedule: StoredSchedule,
    channels: Collection[str],
) -> None:
    await decided(conn, now, swap)
    asker, own = (await _names(conn, swap))[swap.user_id], notice.user_id == swap.user_id
    whose = "Your swap" if own else f"The swap that {asker} offered you"
    words = f"{whose} of {_shift(schedule, swap)} is off: {swap.because}."
    subject = "Your swap is off" if own else f"{asker}'s swap is off"
    key = f"swap:{swap.id}:void:{notice.user_id}"
    await tell(conn, now, notice.user_id, subject=subject, words=words, key=key, channels=channels)


async def _tell_untaken(
    conn: AsyncConnection, now: datetime, swap: StoredSwap, schedule: StoredSchedule, channels: Collection[str]
) -> None:
    """To whoever asked, who still has the shift."""
    if swap.state == "open" and await _own(conn, swap, swap.user_id, (max(swap.starts_at, now), swap.ends_at)):
        words = f"Nobody has taken {_shift(schedule, swap)}, as you asked: you are on call then."
        key = f"swap:{swap.id}:untaken"
        await tell(conn, now, swap.user_id, subject=UNTAKEN, words=words, key=key, channels=channels)


async def _tell_soon(
    conn: AsyncConnection,
    now: datetime,
    notice: SwapNotice,
    swap: StoredSwap,
    schedule: StoredSchedule,
    channels: Collection[str],
) -> None:
    """To whoever has a shift because of the swap: the hours that there are by now, if any."""
    back = notice.kind == "return"
    starts_at, ends_at = (swap.return_starts_at, swap.return_ends_at) if back else (swap.starts_at, swap.ends_at)
    if swap.state != "taken" or starts_at is None or ends_at is None:
        return
    own = await _own(conn, swap, notice.user_id, (max(starts_at, now), ends_at), overrides=swap.overrides)
    if not own:
        return
    instead_of = (await _names(conn, swap)).get((swap.taken_by_id if back else swap.user_id) or 0, "")
    spans = " and ".join(_span(schedule, *each) for each in own)
    words = f"You are on call in {schedule.document.name} {spans}, for {instead_of}."
    key = f"swap:{swap.id}:{'return' if back else 'reminder'}"
    await tell(conn, now, notice.user_id, subject=SOON, words=words, key=key, channels=channels)


async def _own(
    conn: AsyncConnection, swap: StoredSwap, user_id: int, window: Interval, overrides: Sequence[int] | None = None
) -> list[Interval]:
    """When this user is on call in a window; `overrides`: because of one of these."""
    if window[0] >= window[1]:
        return []
    schedule = (await store.schedules(conn, [swap.schedule_id], window=window))[swap.schedule_id]
    found = [shift for shift in shifts.final(schedule, *window) if shift.user_id == user_id]
    because = [s for s in found if overrides is None or s.override_id in overrides]
    return joined((shift.starts_at, shift.ends_at) for shift in because)


async def _names(conn: AsyncConnection, swap: StoredSwap) -> dict[int, str]:
    concerned = [user for user in (swap.user_id, swap.to_id, swap.taken_by_id) if user is not None]
    return {user: name for user, (_, name) in (await names(conn, concerned)).items()}


def _shift(schedule: StoredSchedule, swap: StoredSwap) -> str:
    return f"{schedule.document.name} {_span(schedule, swap.starts_at, swap.ends_at)}"


def _span(schedule: StoredSchedule, starts_at: datetime, ends_at: datetime) -> str:
    where = zone(schedule.document.time_zone)
    first, last = local(starts_at, where), local(ends_at, where)
    return f"from {first:%a %d %b} {clock(first)} to {last:%a %d %b %H:%M %Z}"

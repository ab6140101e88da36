"""An open swap whose shift was edited away is void: nobody can take what is not there any more.

It is so at the edit, whatever the edit was (a version, an undo, an override, another swap), and both it was between are
told once, by a worker (`app.notifications.swap_notices`).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from app.audit import commands as audit
from app.oncall import edit_store, shifts, store, swap_notice_store, swap_store
from app.oncall.swap_store import StoredSwap

Window = tuple[datetime, datetime]


async def void_lost(conn: AsyncConnection, now: datetime, schedule_ids: Sequence[int], actor: str) -> None:
    """After an edit of these schedules, which are locked or follow one that is. `actor`: who edited."""
    found = await swap_store.open_ones(conn, now, schedule_ids)
    if not found:
        return
    editor, name = await edit_store.editor(conn, actor)
    for swap in found:
        if (loser := await lost(conn, now, swap)) is None:
            continue
        because = f"{loser} has no shift in that time any more, since {name} edited the schedule"
        await swap_store.decide(conn, now, swap.id, "void", actor, because=because)
        await swap_notice_store.drop(conn, swap.id, ["untaken"])
        for user in [u for u in (swap.user_id, swap.to_id) if u is not None and u != editor]:
            await swap_notice_store.insert(conn, swap.id, "void", user, now)
        after = {"id": swap.id, "because": because}
        await audit.record(
            conn, now, actor=actor, action="swap.void", entity="swap", entity_key=swap.schedule, after=after
        )


async def lost(conn: AsyncConnection, now: datetime, swap: StoredSwap) -> str | None:
    """Whose shift is gone: of whoever asked, or the one that was wanted in return. What is over was not edited away."""
    wanted: list[tuple[str, int, Window]] = [(swap.user, swap.user_id, (swap.starts_at, swap.ends_at))]
    if swap.to and swap.to_id and swap.return_starts_at and swap.return_ends_at:
        wanted.append((swap.to, swap.to_id, (swap.return_starts_at, swap.return_ends_at)))
    for user, user_id, (starts_at, ends_at) in wanted:
        if ends_at > now and not await has_shift(conn, swap.schedule_id, user_id, (max(starts_at, now), ends_at)):
            return user
    return None


async def has_shift(conn: AsyncConnection, schedule_id: int, user_id: int, window: Window) -> bool:
    """Whether this user is on call at any time of the window."""
    schedule = (await store.schedules(conn, [schedule_id], window=window))[schedule_id]
    return any(shift.user_id == user_id for shift in shifts.final(schedule, *window))

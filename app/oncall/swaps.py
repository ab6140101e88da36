"""What people do with swaps: ask, take, decline, withdraw. Until a swap is taken nothing changes; once it is, overrides
carry it out and name it. Only the people it touches may act on it, and admins.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from app.access.permissions import Caller
from app.errors import Conflict, Forbidden, Invalid, NotFound
from app.oncall import editing, override_store, overriding, store, swap_notice_store, swap_store, voiding
from app.oncall.commands import MAX_WINDOW, invalid, lock, record
from app.oncall.intervals import joined, without
from app.oncall.override_document import OverrideDocument, SwapDocument
from app.oncall.places import Override
from app.oncall.shifts import by_user, final
from app.oncall.swap_notice_store import Kind
from app.oncall.swap_store import StoredSwap

REMIND_BEFORE = (timedelta(days=1), timedelta(hours=1))
"""The first of these that is still to come."""
_LAST = 2**63 - 1
"""The override that is not written yet has the last word."""
Window = tuple[datetime, datetime]


async def read(conn: AsyncConnection, key: str, swap_id: int) -> StoredSwap:
    """Locked until the transaction ends. Raises `NotFound`."""
    if (found := await swap_store.one(conn, key, swap_id)) is None:
        raise NotFound(f"schedule {key!r} has no swap {swap_id}", key=key)
    return found


async def ask(conn: AsyncConnection, now: datetime, key: str, wanted: SwapDocument, caller: Caller) -> StoredSwap:
    """Asks for somebody to take the shifts that a user has in a window.

    Raises `NotFound`; `Forbidden` (`not_yours`) for somebody else's shifts; `Conflict` (`asked_already`); `Invalid` for
    people who do not exist, a time that is over or longer than 400 days, and one without a shift.
    """
    schedule_id = await lock(conn, key, None)
    user = wanted.user or caller.user_key
    if user is None:
        raise invalid([{"field": "user", "message": "is missing: this API key acts for no person"}])
    if user != caller.user_key and caller.role != "admin":
        raise Forbidden("only your own shifts can be swapped", code="not_yours")
    users = await _people(conn, now, wanted, user)
    window = (wanted.starts_at, wanted.ends_at)
    await _require_shift(conn, now, schedule_id, users[user], user, window, "starts_at")
    if wanted.in_return and wanted.to:
        back = (wanted.in_return.starts_at, wanted.in_return.ends_at)
        await _require_shift(conn, now, schedule_id, users[wanted.to], wanted.to, back, "in_return.starts_at")
    if (other := await swap_store.open_one(conn, schedule_id, users[user], window)) is not None:
        raise Conflict(f"swap {other} asks for that already", code="asked_already", swap=other)
    values = {
        "schedule_id": schedule_id,
        "user_id": users[user],
        "to_id": users[wanted.to] if wanted.to else None,
        "starts_at": wanted.starts_at,
        "ends_at": wanted.ends_at,
        "return_starts_at": wanted.in_return.starts_at if wanted.in_return else None,
        "return_ends_at": wanted.in_return.ends_at if wanted.in_return else None,
        "comment": wanted.comment,
        "actor": caller.actor,
        "now": now,
    }
    swap_id = await swap_store.insert(conn, values)
    await _remind(conn, now, swap_id, "untaken", users[user], wanted.starts_at)
    after = {"id": swap_id} | wanted.model_dump(mode="json") | {"user": user}
    await record(conn, now, caller.actor, "asked", key, after=after, entity="swap")
    return await read(conn, key, swap_id)


async def take(conn: AsyncConnection, now: datetime, key: str, swap_id: int, caller: Caller) -> StoredSwap:
    """Whoever it was offered to takes it, or whoever wants; an admin for whom it was offered to.

    Raises `NotFound`, `Forbidden` (`not_yours`), `Conflict` (`decided`, `over`, `own`, `no_shift`), `Invalid`.
    """
    await lock(conn, key, None)
    swap = await _open(conn, now, key, swap_id)
    taker, taker_id = (swap.to, swap.to_id) if swap.to else (caller.user_key, caller.user_id)
    if taker is None or taker_id is None:
        raise Invalid("this API key acts for no person, who could take it", code="no_person")
    if taker != caller.user_key and caller.role != "admin":
        raise Forbidden(f"it was offered to {taker}", code="not_yours")
    if taker == swap.user:
        raise Conflict("these are your own shifts: withdraw the swap instead", code="own")
    if (loser := await voiding.lost(conn, now, swap)) is not None:
        raise Conflict(f"{loser} has no shift in that time any more", code="no_shift")
    async with editing.agreed(conn, now, swap.schedule_id):
        await _carry_out(conn, now, key, swap, (taker, taker_id), caller.actor)
    await swap_store.decide(conn, now, swap.id, "taken", caller.actor, taker_id)
    await record(conn, now, caller.actor, "taken", key, after={"id": swap.id, "by": taker}, entity="swap")
    await voiding.void_lost(conn, now, [swap.schedule_id], caller.actor)
    await swap_notice_store.drop(conn, swap.id, ["untaken"])
    await _remind(conn, now, swap.id, "soon", taker_id, swap.starts_at)
    if swap.return_starts_at:
        await _remind(conn, now, swap.id, "return", swap.user_id, swap.return_starts_at)
    return await read(conn, key, swap_id)


async def _carry_out(
    conn: AsyncConnection, now: datetime, key: str, swap: StoredSwap, taker: tuple[str, int], actor: str
) -> None:
    """What somebody else took over of these shifts stays theirs: they agreed to nothing."""
    asker = (swap.user, swap.user_id)
    windows = [(taker, asker, (swap.starts_at, swap.ends_at))]
    if swap.return_starts_at and swap.return_ends_at:
        windows.append((asker, taker, (swap.return_starts_at, swap.return_ends_at)))
    for (user, user_id), (replaces, replaced_id), (starts_at, ends_at) in windows:
        if ends_at <= now:
            continue
        wanted = Override(_LAST, user_id, max(starts_at, now), ends_at, replaces_user_id=replaced_id)
        for start, end in await _without_others(conn, swap.schedule_id, wanted):
            instead = OverrideDocument(user=user, replaces=replaces, starts_at=start, ends_at=end)
            await overriding.override(conn, now, key, instead, actor=actor, swap=swap.id)


async def _without_others(conn: AsyncConnection, schedule_id: int, wanted: Override) -> list[Window]:
    """The time of an override, less that in which it would take from people whom it does not name what an override gave
    them. What layers do by it (`order: rested`) is theirs to decide."""
    window = (wanted.starts_at, wanted.ends_at)
    schedule = (await store.schedules(conn, [schedule_id], window=window))[schedule_id]
    given = by_user(s for s in final(schedule, *window) if s.override_id and s.user_id != wanted.replaces_user_id)
    after = by_user(final(replace(schedule, overrides=(*schedule.overrides, wanted)), *window))
    return without([window], joined(lost for user in given for lost in without(given[user], after.get(user, []))))


async def _remind(
    conn: AsyncConnection, now: datetime, swap_id: int, kind: Kind, user_id: int, starts_at: datetime
) -> None:
    due_at = next((starts_at - before for before in REMIND_BEFORE if starts_at - before > now), None)
    if due_at is not None:
        await swap_notice_store.insert(conn, swap_id, kind, user_id, due_at)


async def decline(conn: AsyncConnection, now: datetime, key: str, swap_id: int, caller: Caller) -> StoredSwap:
    """Whoever it was offered to will not take it. Raises `NotFound`, `Forbidden` (`not_yours`), `Conflict`."""
    swap = await _open(conn, now, key, swap_id)
    if swap.to is None:
        raise Conflict("it was offered to nobody in particular", code="not_offered")
    if swap.to != caller.user_key and caller.role != "admin":
        raise Forbidden(f"it was offered to {swap.to}", code="not_yours")
    await swap_store.decide(conn, now, swap.id, "declined", caller.actor)
    await swap_notice_store.drop(conn, swap.id, ["untaken"])
    await record(conn, now, caller.actor, "declined", key, after={"id": swap.id}, entity="swap")
    return await read(conn, key, swap_id)


async def withdraw(conn: AsyncConnection, now: datetime, key: str, swap_id: int, caller: Caller) -> StoredSwap:
    """Whoever asked does not need it any more. Raises `NotFound`, `Forbidden` (`not_yours`), `Conflict` (`decided`)."""
    swap = await _open(conn, now, key, swap_id, even_over=True)
    if swap.user != caller.user_key and caller.role != "admin":
        raise Forbidden(f"{swap.user} asked for it", code="not_yours")
    await swap_store.decide(conn, now, swap.id, "withdrawn", caller.actor)
    await swap_notice_store.drop(conn, swap.id, ["untaken"])
    await record(conn, now, caller.actor, "withdrawn", key, after={"id": swap.id}, entity="swap")
    return await read(conn, key, swap_id)


async def _open(conn: AsyncConnection, now: datetime, key: str, swap_id: int, *, even_over: bool = False) -> StoredSwap:
    swap = await read(conn, key, swap_id)
    if swap.state != "open":
        why = f" by {swap.taken_by}" if swap.taken_by else f": {swap.because}" if swap.because else ""
        raise Conflict(f"swap {swap_id} is {swap.state}{why}", code="decided", state=swap.state)
    if swap.ends_at <= now and not even_over:
        raise Conflict(f"the time of swap {swap_id} is over", code="over")
    return swap


async def _people(conn: AsyncConnection, now: datetime, wanted: SwapDocument, user: str) -> dict[str, int]:
    users = await override_store.find_active(conn, [name for name in (user, wanted.to) if name])
    errors = [
        {"field": field, "message": f"there is no active user {name!r}"}
        for field, name in (("user", user), ("to", wanted.to))
        if name and name not in users
    ]
    if wanted.to == user:
        errors.append({"field": "to", "message": "nobody swaps with themselves"})
    for at, part in (("ends_at", wanted), ("in_return.ends_at", wanted.in_return)):
        if part is not None and part.ends_at <= now:
            errors.append({"field": at, "message": "that is over already"})
        if part is not None and part.ends_at - part.starts_at > MAX_WINDOW:
            errors.append({"field": at, "message": f"a swap lasts {MAX_WINDOW.days} days at most"})
    if errors:
        raise invalid(errors)
    return users


async def _require_shift(
    conn: AsyncConnection, now: datetime, schedule_id: int, user_id: int, user: str, window: Window, field: str
) -> None:
    if not await voiding.has_shift(conn, schedule_id, user_id, (max(window[0], now), window[1])):
        raise invalid([{"field": field, "message": f"{user} has no shift in that time"}])

"""What becomes of handshakes: begun before a handoff, confirmed by somebody, closed when there is no such handoff.

A handshake keeps whoever leaves on call beside whoever comes, by overrides: the one function that says who is on call
knows nothing of it, so paging, screens and feeds agree, and history says why. It only ever adds people, so it makes no
gap.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy.ext.asyncio import AsyncConnection

from app.access.permissions import Caller
from app.errors import Conflict, Forbidden, NotFound
from app.oncall import handoff_store, handoffs, store
from app.oncall.commands import record
from app.oncall.handoff_store import StoredHandshake
from app.oncall.handoffs import LOOK_AHEAD, ChangeOfHands, Handshake
from app.oncall.shifts import Schedule

ACTOR = "tocsin"


@dataclass(frozen=True, slots=True)
class Answered:
    """What a confirmation came to. `now`: it counts; `before`: somebody had confirmed; `over`: there is nothing to
    confirm any more."""

    result: Literal["now", "before", "over"]
    handshake: StoredHandshake


async def confirm(conn: AsyncConnection, now: datetime, handshake_id: int, user_id: int, actor: str) -> Answered:
    """Whoever comes has it; whoever stayed for it need not any longer. Raises `NotFound`, and `Forbidden` (`not_yours`)
    for somebody who does not come with it."""
    schedule_id = await handoff_store.lock_schedule(conn, handshake_id)
    found = await handoff_store.one(conn, handshake_id)
    if schedule_id is None or found is None:
        raise NotFound(f"there is no handshake {handshake_id}", handshake=handshake_id)
    if user_id not in found.incoming:
        raise Forbidden("whoever comes on call confirms it", code="not_yours")
    if found.state != "open":
        return Answered("before" if found.state == "confirmed" else "over", found)
    await handoff_store.decide(conn, now, found.id, "confirmed", actor, at=now)
    await handoff_store.touch(conn, now, schedule_id)
    after = {"id": found.id, "starts_at": found.starts_at.isoformat()}
    await record(conn, now, actor, "confirmed", found.schedule, after=after, entity="handshake")
    return Answered("now", replace(found, state="confirmed", decided_by=actor, decided_at=now))


async def confirm_as(conn: AsyncConnection, now: datetime, key: str, handshake_id: int, caller: Caller) -> Answered:
    """The same over the API or on a screen; an admin may for whoever comes. Raises `NotFound`, `Forbidden`, and
    `Conflict` (`over`)."""
    found = await handoff_store.one(conn, handshake_id)
    if found is None or found.schedule != key:
        raise NotFound(f"schedule {key!r} has no handshake {handshake_id}", key=key)
    user_id = caller.user_id if caller.user_id in found.incoming or caller.role != "admin" else found.incoming[0]
    answered = await confirm(conn, now, handshake_id, user_id or 0, caller.actor)
    if answered.result == "over":
        raise Conflict("there is nothing to confirm any more", code="over")
    return answered


async def begin(
    conn: AsyncConnection, now: datetime, schedule: Schedule, schedule_id: int, change: ChangeOfHands
) -> StoredHandshake | None:
    """Asks for a confirmation of this handoff; None when its shift is over already. `schedule` is complete from then
    on."""
    ends_at = handoffs.on_call_until(schedule, change.incoming, change.at) or change.at + LOOK_AHEAD
    if ends_at <= now:
        return None
    begun = Handshake(change.at, ends_at, change.incoming, change.outgoing)
    return await handoff_store.one(conn, await handoff_store.insert(conn, now, schedule_id, begun))


async def look_again(conn: AsyncConnection, now: datetime, schedule_id: int) -> list[StoredHandshake]:
    """The open handshakes of a schedule, after those that edits or time have overtaken were changed or closed."""
    going = []
    for stored in await handoff_store.open_ones(conn, [schedule_id]):
        start = min(stored.starts_at, now) - timedelta(seconds=2)
        schedule = (await store.schedules(conn, [schedule_id], window=(start, now + 2 * LOOK_AHEAD)))[schedule_id]
        plan = replace(schedule, overrides=tuple(o for o in schedule.overrides if o.handshake_id != stored.id))
        must = handoffs.gone_on(plan, stored.plain, now)
        if must is None or must.ends_at <= now:
            at = max(stored.starts_at, now) if must is None else must.ends_at
            await handoff_store.decide(conn, now, stored.id, "closed", ACTOR, at=at)
            continue
        if must != stored.plain:
            await handoff_store.change(conn, now, stored, must)
        found = await handoff_store.one(conn, stored.id)
        going += [found] if found is not None else []
    return going


async def close_all(conn: AsyncConnection, now: datetime, schedule_id: int) -> None:
    """Nobody has to confirm handoffs of this schedule any more."""
    for stored in await handoff_store.open_ones(conn, [schedule_id]):
        await handoff_store.decide(conn, now, stored.id, "closed", ACTOR, at=now)

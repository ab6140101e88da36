"""SQL of handoffs: when to look at them again, and handshakes."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import RowMapping, text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.oncall.handoffs import Handshake
from app.oncall.schedule_document import HandoffNotices

CLAIM_AT_MOST = 50


@dataclass(frozen=True, slots=True)
class Watched:
    """A schedule whose handoffs are due to be looked at. `notices` None: nobody is told any more."""

    schedule_id: int
    name: str
    zone: str
    looked_at: datetime
    notices: HandoffNotices | None


@dataclass(frozen=True, slots=True)
class StoredHandshake:
    """See `HandshakeRow`."""

    id: int
    schedule_id: int
    schedule: str
    starts_at: datetime
    ends_at: datetime
    incoming: tuple[int, ...]
    outgoing: tuple[int, ...]
    state: Literal["open", "confirmed", "closed"]
    asked: int
    due_at: datetime | None
    told_at: datetime | None
    created_at: datetime
    decided_by: str | None
    decided_at: datetime | None

    @property
    def plain(self) -> Handshake:
        return Handshake(self.starts_at, self.ends_at, self.incoming, self.outgoing)


_DUE = text("""
    SELECT schedule_id FROM handoff_watches WHERE due_at <= :now ORDER BY due_at LIMIT :limit FOR UPDATE SKIP LOCKED
""")
# Whoever edits a schedule holds its row, and waits for the watch: a schedule that is being edited is left for later.
_FREE = text("SELECT id FROM schedules WHERE id = ANY (CAST(:ids AS bigint[])) FOR KEY SHARE SKIP LOCKED")
_WATCHED = text("""
    SELECT s.id, s.name, v.time_zone, w.looked_at, s.handoff_notices AS notices
    FROM handoff_watches w JOIN schedules s ON s.id = w.schedule_id
    JOIN schedule_versions v ON v.schedule_id = s.id AND v.effective_until IS NULL
    WHERE w.schedule_id = ANY (CAST(:ids AS bigint[])) ORDER BY w.schedule_id
""")
_LOOKED = text("UPDATE handoff_watches SET looked_at = :now, due_at = :due_at WHERE schedule_id = :id")
_WATCH = text("""
    INSERT INTO handoff_watches (schedule_id, looked_at, due_at) VALUES (:id, :now, :now)
    ON CONFLICT (schedule_id) DO NOTHING
""")
_UNWATCH = text("DELETE FROM handoff_watches WHERE schedule_id = :id")
# An edit of a schedule changes those that are like it, too.
_TOUCH = text("""
    UPDATE handoff_watches SET due_at = least(due_at, :now) WHERE schedule_id = :id OR schedule_id IN (
        SELECT v.schedule_id FROM schedule_versions v
        WHERE v.like_schedule_id = :id AND (v.effective_until IS NULL OR v.effective_until > :now))
""")
NEXT_DUE = """
    SELECT least((SELECT min(due_at) FROM handoff_watches), (SELECT min(due_at) FROM edit_notices),
                 (SELECT min(due_at) FROM swap_notices))
"""

_HANDSHAKES = """
    SELECT h.id, h.schedule_id, s.key AS schedule, h.starts_at, h.ends_at, h.incoming, h.outgoing, h.state, h.asked,
           h.due_at, h.told_at, h.created_at, h.decided_by, h.decided_at
    FROM handshakes h JOIN schedules s ON s.id = h.schedule_id
"""
_OPEN = text(f"""
    {_HANDSHAKES} WHERE h.schedule_id = ANY (CAST(:ids AS bigint[])) AND h.state = 'open' ORDER BY h.starts_at
""")
_ONE = text(f"{_HANDSHAKES} WHERE h.id = :id")
_LIST = text(f"""
    {_HANDSHAKES} WHERE s.key = :schedule AND (CAST(:before AS bigint) IS NULL OR h.id < CAST(:before AS bigint))
    ORDER BY h.id DESC LIMIT :limit
""")
# Handoffs that somebody was asked about already.
_ASKED = text("""
    SELECT starts_at FROM handshakes WHERE schedule_id = :id AND state <> 'closed' AND starts_at >= :since
""")
_LOCK_SCHEDULE = text("""
    SELECT s.id FROM schedules s JOIN handshakes h ON h.schedule_id = s.id WHERE h.id = :id FOR UPDATE OF s
""")
_INSERT = text("""
    INSERT INTO handshakes (schedule_id, starts_at, ends_at, incoming, outgoing, due_at, created_at)
    VALUES (:schedule_id, :starts_at, :ends_at, :incoming, :outgoing, :now, :now) RETURNING id
""")
_CHANGE = text("UPDATE handshakes SET ends_at = :ends_at, outgoing = :outgoing WHERE id = :id")
_MOVE = text("UPDATE handshakes SET asked = :asked, due_at = :due_at, told_at = :told_at WHERE id = :id")
_DECIDE = text("""
    UPDATE handshakes SET state = :state, decided_by = :actor, decided_at = :now, due_at = NULL WHERE id = :id
""")
_STAY = text("""
    INSERT INTO overrides (schedule_id, kind, user_id, starts_at, ends_at, handshake_id, created_by, created_at)
    SELECT :schedule_id, 'add', t.user_id, :starts_at, :ends_at, :id, 'tocsin', :now
    FROM unnest(CAST(:users AS bigint[])) AS t (user_id)
""")
# Those that somebody ended by hand stay ended.
_PROLONG = text("UPDATE overrides SET ends_at = :ends_at WHERE handshake_id = :id AND ends_at = :was")
_NEVER_STAYED = text("DELETE FROM overrides WHERE handshake_id = :id AND starts_at >= :at")
_STAYED = text("UPDATE overrides SET ends_at = :at WHERE handshake_id = :id AND ends_at > :at")


async def claim(conn: AsyncConnection, now: datetime) -> list[Watched]:
    """Schedules whose handoffs are due, each for one worker; nobody edits them meanwhile."""
    due = list((await conn.execute(_DUE, {"now": now, "limit": CLAIM_AT_MOST})).scalars())
    free = list((await conn.execute(_FREE, {"ids": due})).scalars()) if due else []
    rows = (await conn.execute(_WATCHED, {"ids": free})).all() if free else []
    return [
        Watched(r.id, r.name, r.time_zone, r.looked_at, HandoffNotices(**r.notices) if r.notices else None)
        for r in rows
    ]


async def looked(conn: AsyncConnection, schedule_id: int, now: datetime, due_at: datetime) -> None:
    await conn.execute(_LOOKED, {"id": schedule_id, "now": now, "due_at": due_at})


async def watch(conn: AsyncConnection, now: datetime, schedule_id: int) -> None:
    """From now on somebody is told of its handoffs."""
    await conn.execute(_WATCH, {"id": schedule_id, "now": now})


async def unwatch(conn: AsyncConnection, schedule_id: int) -> None:
    await conn.execute(_UNWATCH, {"id": schedule_id})


async def touch(conn: AsyncConnection, now: datetime, schedule_id: int) -> None:
    """Its handoffs may be others by now, and those of schedules that are like it."""
    await conn.execute(_TOUCH, {"id": schedule_id, "now": now})


async def open_ones(conn: AsyncConnection, schedule_ids: Collection[int]) -> list[StoredHandshake]:
    """Handshakes that nobody has confirmed yet, by their start."""
    return [_handshake(r) for r in (await conn.execute(_OPEN, {"ids": list(schedule_ids)})).mappings()]


async def one(conn: AsyncConnection, handshake_id: int) -> StoredHandshake | None:
    row = (await conn.execute(_ONE, {"id": handshake_id})).mappings().first()
    return None if row is None else _handshake(row)


async def listed(conn: AsyncConnection, schedule: str, *, before: int | None, limit: int) -> list[StoredHandshake]:
    """Of a schedule, the newest first, from the one before an id on."""
    values = {"schedule": schedule, "before": before, "limit": limit}
    return [_handshake(r) for r in (await conn.execute(_LIST, values)).mappings()]


def _handshake(row: RowMapping) -> StoredHandshake:
    return StoredHandshake(**dict(row) | {side: tuple(row[side]) for side in ("incoming", "outgoing")})


async def asked_about(conn: AsyncConnection, schedule_id: int, since: datetime) -> set[datetime]:
    """The handoffs since then for which there is a handshake, open or confirmed."""
    return set((await conn.execute(_ASKED, {"id": schedule_id, "since": since})).scalars())


async def lock_schedule(conn: AsyncConnection, handshake_id: int) -> int | None:
    """The schedule of a handshake, locked until the transaction ends."""
    found: int | None = (await conn.execute(_LOCK_SCHEDULE, {"id": handshake_id})).scalar()
    return found


async def insert(conn: AsyncConnection, now: datetime, schedule_id: int, begun: Handshake) -> int:
    """Who is asked first is asked now; whoever leaves stays from the handoff on, or from now on."""
    values: dict[str, Any] = {"schedule_id": schedule_id, "starts_at": begun.starts_at, "ends_at": begun.ends_at}
    values |= {"incoming": list(begun.incoming), "outgoing": list(begun.outgoing), "now": now}
    handshake_id = int((await conn.execute(_INSERT, values)).scalar_one())
    await _stay(conn, now, handshake_id, schedule_id, begun)
    return handshake_id


async def _stay(
    conn: AsyncConnection, now: datetime, handshake_id: int, schedule_id: int, handshake: Handshake
) -> None:
    starts_at = max(handshake.starts_at, now)
    values = {"id": handshake_id, "schedule_id": schedule_id, "starts_at": starts_at, "ends_at": handshake.ends_at}
    await conn.execute(_STAY, values | {"users": list(handshake.outgoing), "now": now})


async def change(conn: AsyncConnection, now: datetime, stored: StoredHandshake, to: Handshake) -> None:
    """The shift ends at another time; before it has begun, others may be the ones who leave."""
    values = {"id": stored.id, "ends_at": to.ends_at, "outgoing": list(to.outgoing)}
    await conn.execute(_CHANGE, values)
    if to.outgoing != stored.outgoing:
        await conn.execute(_NEVER_STAYED, {"id": stored.id, "at": now})
        await _stay(conn, now, stored.id, stored.schedule_id, to)
    else:
        await conn.execute(_PROLONG, {"id": stored.id, "ends_at": to.ends_at, "was": stored.ends_at})


async def move(
    conn: AsyncConnection, handshake_id: int, *, asked: int, due_at: datetime | None, told_at: datetime | None
) -> None:
    await conn.execute(_MOVE, {"id": handshake_id, "asked": asked, "due_at": due_at, "told_at": told_at})


async def decide(
    conn: AsyncConnection,
    now: datetime,
    handshake_id: int,
    state: Literal["confirmed", "closed"],
    actor: str,
    *,
    at: datetime,
) -> None:
    """Nobody stays because of it after `at`; what was so before stays on record."""
    await conn.execute(_DECIDE, {"id": handshake_id, "state": state, "actor": actor, "now": now})
    await conn.execute(_NEVER_STAYED, {"id": handshake_id, "at": at})
    await conn.execute(_STAYED, {"id": handshake_id, "at": at})

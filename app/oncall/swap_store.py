"""SQL of swaps."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

State = Literal["open", "taken", "declined", "withdrawn", "void"]


@dataclass(frozen=True, slots=True)
class StoredSwap:
    """Somebody is asked to take the shifts of `user` in `[starts_at, ends_at)`; `to`: only this person. `overrides`:
    what carries it out once it is taken. `because`: why it is void."""

    id: int
    schedule_id: int
    schedule: str
    user: str
    user_id: int
    to: str | None
    to_id: int | None
    starts_at: datetime
    ends_at: datetime
    return_starts_at: datetime | None
    return_ends_at: datetime | None
    comment: str
    state: State
    taken_by: str | None
    taken_by_id: int | None
    overrides: list[int]
    created_by: str
    created_at: datetime
    decided_by: str | None
    decided_at: datetime | None
    because: str


_SWAPS = """
    SELECT w.id, w.schedule_id, s.key AS schedule, u.key AS user, w.user_id, t.key AS to,
           w.offered_to_user_id AS to_id, w.starts_at, w.ends_at, w.return_starts_at, w.return_ends_at, w.comment,
           w.state, b.key AS taken_by, w.taken_by_user_id AS taken_by_id,
           ARRAY(SELECT o.id FROM overrides o WHERE o.swap_id = w.id ORDER BY o.id) AS overrides,
           w.created_by, w.created_at, w.decided_by, w.decided_at, w.because
    FROM swaps w JOIN schedules s ON s.id = w.schedule_id JOIN users u ON u.id = w.user_id
    LEFT JOIN users t ON t.id = w.offered_to_user_id LEFT JOIN users b ON b.id = w.taken_by_user_id
"""
# Swaps of a schedule, the newest first, from the one before an id on.
_LIST = text(f"""
    {_SWAPS} WHERE s.key = :schedule AND (CAST(:before AS bigint) IS NULL OR w.id < CAST(:before AS bigint))
      AND (CAST(:state AS text) IS NULL OR w.state = CAST(:state AS text))
    ORDER BY w.id DESC LIMIT :limit
""")
# Open swaps that are not over and concern a user: asked by or offered to that person, or for whoever wants in one of
# these schedules or in one that one of these teams owns. The next shifts first.
_CONCERNING = text(f"""
    {_SWAPS} WHERE w.state = 'open' AND w.ends_at > :now
      AND (w.user_id = :user_id OR w.offered_to_user_id = :user_id OR (w.offered_to_user_id IS NULL
           AND (s.team_id = ANY(CAST(:teams AS bigint[])) OR s.id = ANY(CAST(:schedules AS bigint[])))))
    ORDER BY w.starts_at, w.id LIMIT :limit
""")
_ONE = text(f"{_SWAPS} WHERE s.key = :schedule AND w.id = :id FOR UPDATE OF w")
_BY_ID = text(f"{_SWAPS} WHERE w.id = :id")
# Open swaps of schedules that are not over.
_OPEN_ONES = text(f"""
    {_SWAPS} WHERE w.schedule_id = ANY (CAST(:ids AS bigint[])) AND w.state = 'open' AND w.ends_at > :now
    ORDER BY w.id FOR UPDATE OF w
""")
# Open swaps of somebody that touch a window.
_OPEN = text("""
    SELECT id FROM swaps
    WHERE schedule_id = :schedule_id AND user_id = :user_id AND state = 'open' AND starts_at < :t1 AND ends_at > :t0
    ORDER BY id LIMIT 1
""")
_INSERT = text("""
    INSERT INTO swaps (schedule_id, user_id, offered_to_user_id, starts_at, ends_at, return_starts_at, return_ends_at,
                       comment, created_by, created_at)
    VALUES (:schedule_id, :user_id, :to_id, :starts_at, :ends_at, :return_starts_at, :return_ends_at, :comment, :actor,
            :now)
    RETURNING id
""")
_DECIDE = text("""
    UPDATE swaps SET state = :state, taken_by_user_id = :taken_by, decided_by = :actor, decided_at = :now,
           because = :because
    WHERE id = :id
""")


_VIEWER = text("SELECT 1 FROM users WHERE id = :id AND role = 'viewer'")


async def may_only_read(conn: AsyncConnection, user_id: int) -> bool:
    return (await conn.execute(_VIEWER, {"id": user_id})).first() is not None


async def swaps(
    conn: AsyncConnection, schedule: str, *, state: State | None = None, before: int | None = None, limit: int
) -> list[StoredSwap]:
    """Of a schedule, the newest first, from the one before an id on."""
    values = {"schedule": schedule, "state": state, "before": before, "limit": limit}
    return [StoredSwap(**row) for row in (await conn.execute(_LIST, values)).mappings()]


async def concerning(
    conn: AsyncConnection,
    now: datetime,
    user_id: int,
    *,
    teams: Collection[int],
    schedules: Collection[int],
    limit: int,
) -> list[StoredSwap]:
    """Open swaps that a user asked for, was asked for, or might take: of these teams' schedules, and of these."""
    values = {"now": now, "user_id": user_id, "teams": list(teams), "schedules": list(schedules), "limit": limit}
    return [StoredSwap(**row) for row in (await conn.execute(_CONCERNING, values)).mappings()]


async def one(conn: AsyncConnection, schedule: str, swap_id: int) -> StoredSwap | None:
    """The swap, locked until the transaction ends."""
    row = (await conn.execute(_ONE, {"schedule": schedule, "id": swap_id})).mappings().first()
    return None if row is None else StoredSwap(**row)


async def by_id(conn: AsyncConnection, swap_id: int) -> StoredSwap | None:
    row = (await conn.execute(_BY_ID, {"id": swap_id})).mappings().first()
    return None if row is None else StoredSwap(**row)


async def open_ones(conn: AsyncConnection, now: datetime, schedule_ids: Collection[int]) -> list[StoredSwap]:
    """Of these schedules those whose time is not over, locked until the transaction ends."""
    rows = (await conn.execute(_OPEN_ONES, {"ids": list(schedule_ids), "now": now})).mappings()
    return [StoredSwap(**row) for row in rows]


async def open_one(
    conn: AsyncConnection, schedule_id: int, user_id: int, window: tuple[datetime, datetime]
) -> int | None:
    """An open swap of this user that touches the window."""
    values = {"schedule_id": schedule_id, "user_id": user_id, "t0": window[0], "t1": window[1]}
    found: int | None = (await conn.execute(_OPEN, values)).scalar()
    return found


async def insert(conn: AsyncConnection, values: dict[str, Any]) -> int:
    return int((await conn.execute(_INSERT, values)).scalar_one())


async def decide(
    conn: AsyncConnection,
    now: datetime,
    swap_id: int,
    state: State,
    actor: str,
    taken_by: int | None = None,
    *,
    because: str = "",
) -> None:
    values = {"id": swap_id, "state": state, "actor": actor, "taken_by": taken_by, "because": because, "now": now}
    await conn.execute(_DECIDE, values)

"""SQL of feeds: who may read which shifts by which token, and what they were told last."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.calendars.following import Told

_FEEDS = text("""
    SELECT f.id, f.schedule_id, f.user_id, f.name, f.hint, f.created_by, f.created_at, f.rotated_at, f.last_read_at
    FROM calendar_feeds f
    WHERE (CAST(:schedule_id AS bigint) IS NULL OR f.schedule_id = CAST(:schedule_id AS bigint))
      AND (CAST(:user_id AS bigint) IS NULL OR f.user_id = CAST(:user_id AS bigint))
      AND (CAST(:id AS bigint) IS NULL OR f.id = CAST(:id AS bigint))
    ORDER BY f.id
""")
# Nobody reads the feed of somebody who left.
_BY_TOKEN = text("""
    SELECT f.id, f.schedule_id, f.user_id, coalesce(u.key, s.key) AS key, coalesce(u.name, s.name) AS name,
           f.last_read_at
    FROM calendar_feeds f LEFT JOIN users u ON u.id = f.user_id LEFT JOIN schedules s ON s.id = f.schedule_id
    WHERE f.token_hash = :hash AND (u.id IS NULL OR u.active)
""")
_INSERT = text("""
    INSERT INTO calendar_feeds (schedule_id, user_id, name, token_hash, hint, created_by, created_at)
    VALUES (:schedule_id, :user_id, :name, :hash, :hint, :actor, :now) RETURNING id
""")
_ROTATE = text("""
    UPDATE calendar_feeds SET token_hash = :hash, hint = :hint, rotated_at = :now, last_read_at = NULL WHERE id = :id
""")
_DELETE = text("DELETE FROM calendar_feeds WHERE id = :id")
_WAS_READ = text("UPDATE calendar_feeds SET last_read_at = :now WHERE id = :id")
_TOLD = text("""
    SELECT schedule_id, uid, user_id, starts_at, ends_at, because, sequence, changed_at FROM feed_shifts
    WHERE schedule_id = ANY (CAST(:ids AS bigint[])) ORDER BY schedule_id, starts_at, user_id, uid
""")
# One reader at a time writes down what is told of a schedule.
_LOCK = text("SELECT id FROM schedules WHERE id = :id FOR NO KEY UPDATE")
_FORGET = text("DELETE FROM feed_shifts WHERE schedule_id = :id AND uid <> ALL (CAST(:uids AS text[]))")
_TELL = text("""
    INSERT INTO feed_shifts (uid, schedule_id, user_id, starts_at, ends_at, because, sequence, changed_at)
    SELECT t.uid, :id, nullif(t.user_id, 0), t.starts_at, t.ends_at, t.because, t.sequence, t.changed_at
    FROM unnest(CAST(:uids AS text[]), CAST(:users AS bigint[]), CAST(:starts AS timestamptz[]),
                CAST(:ends AS timestamptz[]), CAST(:because AS text[]), CAST(:sequences AS int[]),
                CAST(:changed AS timestamptz[]))
         AS t (uid, user_id, starts_at, ends_at, because, sequence, changed_at)
    ON CONFLICT (uid) DO UPDATE SET starts_at = excluded.starts_at, ends_at = excluded.ends_at,
        because = excluded.because, sequence = excluded.sequence, changed_at = excluded.changed_at
""")


@dataclass(frozen=True, slots=True)
class StoredFeed:
    """Of a schedule or of a user, one of the two ids. `hint`: the last characters of its token."""

    id: int
    schedule_id: int | None
    user_id: int | None
    name: str
    hint: str
    created_by: str
    created_at: datetime
    rotated_at: datetime | None
    last_read_at: datetime | None


async def feeds(
    conn: AsyncConnection, *, schedule_id: int | None = None, user_id: int | None = None, feed_id: int | None = None
) -> list[StoredFeed]:
    """Those of a schedule or of a user, the oldest first; with `feed_id` that one, if it is."""
    named = {"schedule_id": schedule_id, "user_id": user_id, "id": feed_id}
    return [StoredFeed(**row) for row in (await conn.execute(_FEEDS, named)).mappings()]


async def by_token(conn: AsyncConnection, token_hash: bytes) -> Any | None:
    """`id`, `schedule_id`, `user_id`, `key` and `name` of the one that it is of, `last_read_at`; None for no feed."""
    return (await conn.execute(_BY_TOKEN, {"hash": token_hash})).first()


async def insert(conn: AsyncConnection, values: dict[str, Any]) -> int:
    return int((await conn.execute(_INSERT, values)).scalar_one())


async def rotate(conn: AsyncConnection, now: datetime, feed_id: int, token_hash: bytes, hint: str) -> None:
    await conn.execute(_ROTATE, {"id": feed_id, "hash": token_hash, "hint": hint, "now": now})


async def delete(conn: AsyncConnection, feed_id: int) -> None:
    await conn.execute(_DELETE, {"id": feed_id})


async def was_read(conn: AsyncConnection, now: datetime, feed_id: int) -> None:
    await conn.execute(_WAS_READ, {"id": feed_id, "now": now})


async def told(conn: AsyncConnection, schedule_ids: Collection[int]) -> dict[int, list[Told]]:
    """By schedule id what feeds said last."""
    found: dict[int, list[Told]] = {}
    for row in await conn.execute(_TOLD, {"ids": list(schedule_ids)}):
        found.setdefault(row.schedule_id, []).append(Told(*row[1:]))
    return found


async def lock(conn: AsyncConnection, schedule_id: int) -> None:
    await conn.execute(_LOCK, {"id": schedule_id})


async def tell(conn: AsyncConnection, schedule_id: int, told: Iterable[Told]) -> None:
    """What feeds of a schedule say from now on."""
    rows = list(told)
    uids = [row.uid for row in rows]
    await conn.execute(_FORGET, {"id": schedule_id, "uids": uids})
    values: dict[str, Any] = {"uids": uids, "users": [row.user_id or 0 for row in rows]}
    values |= {"starts": [row.starts_at for row in rows], "ends": [row.ends_at for row in rows]}
    values |= {"because": [row.because for row in rows], "sequences": [row.sequence for row in rows]}
    await conn.execute(_TELL, values | {"changed": [row.changed_at for row in rows], "id": schedule_id})

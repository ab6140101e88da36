"""SQL of overrides."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from app.oncall.override_document import OverrideKind


@dataclass(frozen=True, slots=True)
class StoredOverride:
    """`user` in place of whoever the layers of `schedule` say, or of `replaces` only, or besides them, or nobody in the
    place of `replaces` (`kind`), during `[starts_at, ends_at)`. `swap`: the one it carries out."""

    id: int
    schedule: str
    kind: OverrideKind
    user: str | None
    replaces: str | None
    starts_at: datetime
    ends_at: datetime
    swap: int | None
    created_by: str
    created_at: datetime


class Overlaps(Exception):
    """Another override replaces everybody at that time."""


_OVERRIDES = """
    SELECT o.id, s.key AS schedule, o.kind, u.key AS user, r.key AS replaces, o.starts_at, o.ends_at, o.swap_id AS swap,
           o.created_by, o.created_at
    FROM overrides o JOIN schedules s ON s.id = o.schedule_id LEFT JOIN users u ON u.id = o.user_id
    LEFT JOIN users r ON r.id = o.replaces_user_id
"""
# Overrides of a schedule that touch a window, in the order of their ids; a slice after an id.
_LIST = text(f"""
    {_OVERRIDES} WHERE s.key = :schedule AND o.starts_at < :t1 AND o.ends_at > :t0 AND o.id > :after
    ORDER BY o.id LIMIT :limit
""")
_ONE = text(f"{_OVERRIDES} WHERE s.key = :schedule AND o.id = :id FOR UPDATE OF o")
_ACTIVE_USERS = text("SELECT key, id FROM users WHERE key = ANY(CAST(:keys AS text[])) AND active")
_INSERT = text("""
    INSERT INTO overrides (schedule_id, kind, user_id, replaces_user_id, starts_at, ends_at, swap_id, created_by,
                           created_at)
    VALUES (:schedule_id, :kind, :user_id, :replaces_user_id, :starts_at, :ends_at, :swap_id, :actor, :now) RETURNING id
""")
_END = text("UPDATE overrides SET ends_at = :now WHERE id = :id")
_DELETE = text("DELETE FROM overrides WHERE id = :id")


async def overrides(
    conn: AsyncConnection, schedule: str, window: tuple[datetime, datetime], *, after: int = 0, limit: int | None = None
) -> list[StoredOverride]:
    """The overrides of a schedule that touch `[t0, t1)`."""
    values = {"schedule": schedule, "t0": window[0], "t1": window[1], "after": after, "limit": limit}
    return [StoredOverride(**r) for r in (await conn.execute(_LIST, values)).mappings()]


async def one(conn: AsyncConnection, schedule: str, override_id: int) -> StoredOverride | None:
    """The override, locked until the transaction ends."""
    row = (await conn.execute(_ONE, {"schedule": schedule, "id": override_id})).mappings().first()
    return None if row is None else StoredOverride(**row)


async def find_active(conn: AsyncConnection, keys: list[str]) -> dict[str, int]:
    """The ids of those users that exist and may be paged."""
    return {r.key: r.id for r in await conn.execute(_ACTIVE_USERS, {"keys": keys})}


async def insert(conn: AsyncConnection, values: dict[str, Any]) -> int:
    """Raises `Overlaps` when the exclusion constraint refuses; the transaction stays usable."""
    try:
        async with conn.begin_nested():
            return int((await conn.execute(_INSERT, values)).scalar_one())
    except IntegrityError as refused:
        if "ex_overrides_overlap" in str(refused.orig):
            raise Overlaps from refused
        raise


async def end(conn: AsyncConnection, override_id: int, now: datetime) -> None:
    await conn.execute(_END, {"id": override_id, "now": now})


async def delete(conn: AsyncConnection, override_id: int) -> None:
    await conn.execute(_DELETE, {"id": override_id})

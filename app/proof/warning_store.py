"""SQL of warnings about the next 48 hours."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db.engine import dumps
from app.proof.upcoming import SAME_WITHIN, Danger, Known

# Each schedule for one worker only, the one that waits longest first. A new one is left alone for as long as others
# wait for their next look: people furnish it first.
_CLAIM: Final = text("""
    UPDATE schedules s SET looked_at = :now WHERE s.id IN (
        SELECT c.id FROM schedules c WHERE coalesce(c.looked_at, c.created_at) <= :before
        ORDER BY coalesce(c.looked_at, c.created_at) LIMIT :limit FOR NO KEY UPDATE SKIP LOCKED)
    RETURNING s.id, s.key, s.name
""")
_KNOWN: Final = text("""
    SELECT w.id, w.schedule_id, w.code, w.user_id, w.starts_at, w.ends_at, w.state,
           w.told_at IS NOT NULL OR w.repeats_id IS NOT NULL AS told
    FROM schedule_warnings w
    WHERE w.schedule_id = ANY (CAST(:ids AS bigint[]))
      AND (w.state = 'open' OR (w.state = 'passed' AND w.starts_at > :since))
    ORDER BY w.id
""")
_INSERT: Final = text("""
    INSERT INTO schedule_warnings (schedule_id, code, user_id, starts_at, ends_at, found_at, repeats_id)
    VALUES (:schedule_id, :code, :user_id, :starts_at, :ends_at, :now, :repeats_id) RETURNING id
""")
_BOUNDS: Final = text("UPDATE schedule_warnings SET ends_at = :ends_at WHERE id = :id")
_OVER: Final = text("""
    UPDATE schedule_warnings SET state = :state, over_at = :now WHERE id = ANY (CAST(:ids AS bigint[]))
""")
_TOLD: Final = text("""
    UPDATE schedule_warnings SET told_at = :now, told = CAST(:told AS jsonb), notice = :notice
    WHERE id = ANY (CAST(:ids AS bigint[]))
""")
_WHOM: Final = text("""
    SELECT w.id, u.id AS user_id FROM schedule_warnings w, jsonb_array_elements_text(w.told) AS t (key)
    JOIN users u ON u.key = t.key WHERE w.id = ANY (CAST(:ids AS bigint[])) ORDER BY w.id, u.id
""")
_NAMES: Final = text("SELECT id, key FROM users WHERE id = ANY (CAST(:ids AS bigint[])) ORDER BY key")
_LISTED: Final = text("""
    SELECT w.id, s.key AS schedule, s.name AS schedule_name, w.code, u.key AS user, u.name AS user_name, w.starts_at,
           w.ends_at, w.state, w.found_at, w.over_at, w.told_at, w.repeats_id, coalesce((
               SELECT jsonb_agg(jsonb_build_object('key', t.key, 'name', t.name, 'notification', n.state)
                                ORDER BY t.key)
               FROM jsonb_array_elements_text(w.told) AS k (key) JOIN users t ON t.key = k.key
               LEFT JOIN notifications n ON n.key = w.notice || ':' || t.id), '[]') AS told
    FROM schedule_warnings w JOIN schedules s ON s.id = w.schedule_id LEFT JOIN users u ON u.id = w.user_id
    WHERE (CAST(:schedule AS text) IS NULL OR s.key = :schedule) AND (CAST(:state AS text) IS NULL OR w.state = :state)
      AND (CAST(:before AS bigint) IS NULL OR w.id < :before)
    ORDER BY w.id DESC LIMIT :limit
""")


async def claim(conn: AsyncConnection, now: datetime, before: datetime, limit: int) -> Sequence[Any]:
    """Rows with `id`, `key`, `name` of schedules that nobody has looked at since `before`."""
    return (await conn.execute(_CLAIM, {"now": now, "before": before, "limit": limit})).all()


async def known(conn: AsyncConnection, now: datetime, schedule_ids: Collection[int]) -> dict[int, list[Known]]:
    """By schedule: warnings that are open, or passed lately."""
    found: dict[int, list[Known]] = {i: [] for i in schedule_ids}
    for r in await conn.execute(_KNOWN, {"ids": list(schedule_ids), "since": now - 2 * SAME_WITHIN}):
        danger = Danger(r.code, r.user_id, r.starts_at, r.ends_at)
        found[r.schedule_id].append(Known(r.id, danger, r.state, r.told))
    return found


async def insert(conn: AsyncConnection, now: datetime, schedule_id: int, danger: Danger, repeats_id: int | None) -> int:
    values = {
        "schedule_id": schedule_id,
        "code": danger.code,
        "user_id": danger.user_id,
        "starts_at": danger.starts_at,
        "ends_at": danger.ends_at,
        "repeats_id": repeats_id,
        "now": now,
    }
    return int((await conn.execute(_INSERT, values)).scalar_one())


async def lengthen(conn: AsyncConnection, warning_id: int, danger: Danger) -> None:
    await conn.execute(_BOUNDS, {"id": warning_id, "ends_at": danger.ends_at})


async def over(conn: AsyncConnection, now: datetime, state: str, warning_ids: Sequence[int]) -> None:
    if warning_ids:
        await conn.execute(_OVER, {"ids": list(warning_ids), "state": state, "now": now})


async def told(conn: AsyncConnection, now: datetime, warning_ids: Sequence[int], whom: Sequence[int], key: str) -> None:
    """These users were told of these warnings, in notifications whose keys are `key`, a colon, and the user's id."""
    keys = [r.key for r in await conn.execute(_NAMES, {"ids": list(whom)})]
    await conn.execute(_TOLD, {"ids": list(warning_ids), "told": dumps(keys), "notice": key, "now": now})


async def whom(conn: AsyncConnection, warning_ids: Sequence[int]) -> dict[int, list[int]]:
    """Ids of the users who were told of each."""
    found: dict[int, list[int]] = {}
    for r in await conn.execute(_WHOM, {"ids": list(warning_ids)}) if warning_ids else ():
        found.setdefault(r.id, []).append(r.user_id)
    return found


async def listed(
    conn: AsyncConnection, *, schedule: str | None = None, state: str | None = None, before: int | None, limit: int
) -> Sequence[Any]:
    """The newest first, each with whom it was told to and what became of that message."""
    named = {"schedule": schedule, "state": state, "before": before, "limit": limit}
    return (await conn.execute(_LISTED, named)).all()

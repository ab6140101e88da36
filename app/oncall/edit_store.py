"""SQL of edits that somebody has not been told of yet."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db.engine import dumps
from app.oncall.edits import AHEAD, SETTLES_IN, SETTLES_WITHIN
from app.oncall.intervals import Interval

CLAIM_AT_MOST = 200

# A schedule and those that are like it.
_CONCERNED = text("""
    SELECT DISTINCT v.schedule_id FROM schedule_versions v
    WHERE v.like_schedule_id = :id AND (v.effective_until IS NULL OR v.effective_until > :now)
    UNION SELECT CAST(:id AS bigint)
""")
# Whoever an actor of audit records is: a person, or whom an API key acts for.
_EDITOR = text("""
    SELECT u.id, u.name FROM users u WHERE :kind = 'user' AND u.key = :key
    UNION ALL
    SELECT u.id, coalesce(u.name, 'API key ' || k.key) FROM api_keys k LEFT JOIN users u ON u.id = k.user_id
    WHERE :kind = 'api_key' AND k.key = :key
""")
_NOTE = text("""
    INSERT INTO edit_notices (schedule_id, user_id, since, until, before, edited_by, due_at)
    VALUES (:schedule_id, :user_id, :now, :until, CAST(:before AS jsonb), :by, :soon)
    ON CONFLICT (schedule_id, user_id) DO UPDATE
    SET due_at = greatest(:now, least(:soon, edit_notices.since + CAST(:within AS interval))), edited_by = :by
""")
_FORGET = text("DELETE FROM edit_notices WHERE schedule_id = :schedule_id AND user_id = :user_id")
_UNTOLD = """
    SELECT e.schedule_id, e.user_id, e.since, e.until, e.before, e.edited_by, e.due_at, s.name AS schedule,
           coalesce(u.time_zone, o.time_zone) AS time_zone
    FROM edit_notices e JOIN schedules s ON s.id = e.schedule_id JOIN users u ON u.id = e.user_id
    JOIN organisation o ON o.id = 1
"""
_DUE = text(f"""
    {_UNTOLD}
    WHERE e.due_at <= :now ORDER BY e.due_at, e.schedule_id, e.user_id LIMIT :limit FOR UPDATE OF e SKIP LOCKED
""")
_UNSETTLED = text(f"""
    {_UNTOLD} WHERE e.schedule_id = ANY (CAST(:ids AS bigint[])) ORDER BY e.schedule_id, e.user_id FOR UPDATE OF e
""")
_KNOWS = text("""
    UPDATE edit_notices SET before = CAST(:before AS jsonb) WHERE schedule_id = :schedule_id AND user_id = :user_id
""")
_LATER = text("UPDATE edit_notices SET due_at = :at WHERE schedule_id = :schedule_id AND user_id = :user_id")


@dataclass(frozen=True, slots=True)
class Untold:
    """Somebody's hours of `[since, until)` were `before`, until others edited a schedule."""

    schedule_id: int
    schedule: str
    user_id: int
    time_zone: str
    since: datetime
    until: datetime
    before: tuple[Interval, ...]
    edited_by: str
    due_at: datetime


async def concerned(conn: AsyncConnection, now: datetime, schedule_id: int) -> list[int]:
    """The schedules whose hours an edit of this one changes."""
    return list((await conn.execute(_CONCERNED, {"id": schedule_id, "now": now})).scalars())


async def editor(conn: AsyncConnection, actor: str) -> tuple[int | None, str]:
    """The user id of whoever edits, if it is a person, and what they are called."""
    kind, _, key = actor.partition(":")
    row = (await conn.execute(_EDITOR, {"kind": kind, "key": key})).first()
    return (None, "an administrator") if row is None else (row.id, row.name)


async def note(
    conn: AsyncConnection, now: datetime, schedule_id: int, user_id: int, before: Sequence[Interval], by: str
) -> None:
    """Somebody is to be told of an edit, unless they are already; what they knew before counts."""
    values = {"schedule_id": schedule_id, "user_id": user_id, "before": _plain(before), "by": by, "now": now}
    values |= {"until": now + AHEAD, "soon": now + SETTLES_IN, "within": SETTLES_WITHIN}
    await conn.execute(_NOTE, values)


async def forget(conn: AsyncConnection, schedule_id: int, user_id: int) -> None:
    await conn.execute(_FORGET, {"schedule_id": schedule_id, "user_id": user_id})


async def claim(conn: AsyncConnection, now: datetime) -> list[Untold]:
    """Whoever is due to be told, each for one worker."""
    return [_untold(r) for r in await conn.execute(_DUE, {"now": now, "limit": CLAIM_AT_MOST})]


async def unsettled(conn: AsyncConnection, schedule_ids: Collection[int]) -> list[Untold]:
    """Whoever has not been told of edits of these schedules yet, locked until the transaction ends."""
    return [_untold(r) for r in await conn.execute(_UNSETTLED, {"ids": list(schedule_ids)})]


async def knows(conn: AsyncConnection, untold: Untold, hours: Sequence[Interval]) -> None:
    """These are the hours that this person knows of."""
    values = {"schedule_id": untold.schedule_id, "user_id": untold.user_id, "before": _plain(hours)}
    await conn.execute(_KNOWS, values)


def _plain(hours: Sequence[Interval]) -> str:
    return dumps([[start.isoformat(), end.isoformat()] for start, end in hours])


def _untold(r: Any) -> Untold:
    return Untold(
        r.schedule_id, r.schedule, r.user_id, r.time_zone, r.since, r.until,
        tuple((datetime.fromisoformat(a), datetime.fromisoformat(b)) for a, b in r.before), r.edited_by, r.due_at,
    )  # fmt: skip


async def later(conn: AsyncConnection, untold: Untold, at: datetime) -> None:
    await conn.execute(_LATER, {"schedule_id": untold.schedule_id, "user_id": untold.user_id, "at": at})

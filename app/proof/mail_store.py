"""SQL of the weekly mails about lint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db.engine import dumps
from app.proof.reach_store import OWNED

_IS_PLANNED: Final = text("SELECT 1 FROM lint_weeks WHERE week = :week")
_PLAN_WEEK: Final = text("""
    INSERT INTO lint_weeks (week, planned_at) VALUES (:week, :now) ON CONFLICT (week) DO NOTHING RETURNING week
""")
_IS_FIRST: Final = text("SELECT count(*) = 1 FROM (SELECT 1 FROM lint_weeks LIMIT 2) AS few")
_EVERY_OWNER: Final = text(f"""
    {OWNED} SELECT DISTINCT u.id, coalesce(u.time_zone, o.time_zone) AS time_zone
    FROM owned JOIN users u ON u.id = owned.user_id JOIN organisation o ON o.id = 1 ORDER BY u.id
""")
_PLAN: Final = text("""
    INSERT INTO lint_mails (user_id, week, due_at)
    SELECT t.user_id, :week, t.due_at
    FROM unnest(CAST(:users AS bigint[]), CAST(:dues AS timestamptz[])) AS t (user_id, due_at)
    ON CONFLICT (user_id, week) DO NOTHING
""")
_CLAIM: Final = text("""
    SELECT m.user_id, m.week, m.due_at, m.after_id, m.found, coalesce(u.time_zone, o.time_zone) AS time_zone, u.active
    FROM lint_mails m JOIN users u ON u.id = m.user_id JOIN organisation o ON o.id = 1
    WHERE m.done_at IS NULL AND m.due_at <= :now ORDER BY m.due_at, m.user_id LIMIT 1 FOR UPDATE OF m SKIP LOCKED
""")
_OWN: Final = text(f"""
    {OWNED} SELECT s.id, s.key, s.name FROM owned o JOIN schedules s ON s.id = o.schedule_id
    WHERE o.user_id = :user_id AND s.id > :after ORDER BY s.id LIMIT :limit
""")
_KEEP: Final = text("""
    UPDATE lint_mails SET due_at = :due_at, after_id = :after_id, found = CAST(:found AS jsonb), done_at = :done_at
    WHERE user_id = :user_id AND week = :week
""")
# Of the newest week before: an owner about whom nothing was wrong has an empty list.
_BEFORE: Final = text("""
    SELECT m.found FROM lint_mails m WHERE m.user_id = :user_id AND m.week < :week AND m.done_at IS NOT NULL
    ORDER BY m.week DESC LIMIT 1
""")


async def is_planned(conn: AsyncConnection, week: date) -> bool:
    return (await conn.execute(_IS_PLANNED, {"week": week})).first() is not None


async def plan_week(conn: AsyncConnection, now: datetime, week: date) -> bool:
    """False: another worker plans it."""
    return (await conn.execute(_PLAN_WEEK, {"week": week, "now": now})).first() is not None


async def is_first(conn: AsyncConnection) -> bool:
    """Whether the week that was just planned is the only one so far."""
    return bool((await conn.execute(_IS_FIRST)).scalar_one())


async def owners(conn: AsyncConnection) -> dict[int, str]:
    """The zone of everybody who answers for a schedule, by user id."""
    return {r.id: r.time_zone for r in await conn.execute(_EVERY_OWNER)}


async def plan(conn: AsyncConnection, week: date, dues: Mapping[int, datetime]) -> None:
    await conn.execute(_PLAN, {"week": week, "users": list(dues), "dues": list(dues.values())})


async def claim(conn: AsyncConnection, now: datetime) -> Any:
    """One mail that is due, for this worker only: `user_id`, `week`, `due_at`, `after_id`, `found`, `time_zone`,
    `active`; None when there is none."""
    return (await conn.execute(_CLAIM, {"now": now})).first()


async def own(conn: AsyncConnection, user_id: int, after: int, limit: int) -> Sequence[Any]:
    """Schedules that a user answers for, by id: `id`, `key`, `name`."""
    return (await conn.execute(_OWN, {"user_id": user_id, "after": after, "limit": limit})).all()


async def keep(
    conn: AsyncConnection, mail: Any, *, due_at: datetime, after_id: int, found: Sequence[Any], done_at: datetime | None
) -> None:
    values = {"due_at": due_at, "after_id": after_id, "found": dumps(found), "done_at": done_at}
    await conn.execute(_KEEP, {"user_id": mail.user_id, "week": mail.week} | values)


async def before(conn: AsyncConnection, user_id: int, week: date) -> list[Any] | None:
    """What was wrong at the owner's mail before; None: there was none."""
    found: list[Any] | None = (await conn.execute(_BEFORE, {"user_id": user_id, "week": week})).scalar_one_or_none()
    return found

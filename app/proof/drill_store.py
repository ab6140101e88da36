"""SQL of drills."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db.engine import dumps
from app.proof.scoring import Answered, Told

# What a drill may be for, with the service whose incident it becomes: a schedule's or a person's own as far as there is
# one, else the first that there is.
_TARGETS: Final[Mapping[str, Any]] = {
    "service": text("""
        SELECT s.id, s.key, s.name, ARRAY[s.team_id] AS teams, s.id AS service_id,
               coalesce(s.policy_id, o.catch_all_policy_id) AS policy_id
        FROM services s LEFT JOIN organisation o ON o.id = 1 WHERE s.key = :key
    """),
    "schedule": text("""
        SELECT c.id, c.key, c.name, ARRAY[c.team_id] AS teams, CAST(NULL AS bigint) AS policy_id, (
            SELECT s.id FROM services s
            ORDER BY EXISTS (SELECT 1 FROM escalation_steps e JOIN escalation_targets g ON g.step_id = e.id
                             WHERE e.policy_id = s.policy_id AND g.schedule_id = c.id) DESC,
                     (s.team_id IS NOT DISTINCT FROM c.team_id) DESC, s.id LIMIT 1) AS service_id
        FROM schedules c WHERE c.key = :key
    """),
    "user": text("""
        SELECT u.id, u.key, u.name, ARRAY(SELECT m.team_id FROM team_members m WHERE m.user_id = u.id) AS teams,
               CAST(NULL AS bigint) AS policy_id, (
            SELECT s.id FROM services s
            ORDER BY EXISTS (SELECT 1 FROM team_members m WHERE m.user_id = u.id AND m.team_id = s.team_id) DESC, s.id
            LIMIT 1) AS service_id
        FROM users u WHERE u.key = :key AND u.active
    """),
}

_INSERT: Final = text("""
    INSERT INTO drills (id, target_type, target_id, target_key, target_name, incident_id, loudness, last_resort, note,
                        started_by, started_at, look_at, score)
    VALUES (:id, :type, :target_id, :target_key, :target_name, :incident_id, :loudness, :last_resort, :note, :actor,
            :now, :look_at, CAST(:score AS jsonb))
    ON CONFLICT (target_type, target_id) WHERE ended_at IS NULL DO NOTHING RETURNING id
""")

_DUE: Final = text("""
    SELECT d.id, d.incident_id, d.started_at FROM drills d
    WHERE d.look_at <= :now ORDER BY d.look_at LIMIT :limit FOR UPDATE SKIP LOCKED
""")
_OPEN_ONE: Final = text("""
    SELECT d.id, d.incident_id, d.started_at FROM drills d
    WHERE d.target_type = :type AND d.target_id = :target_id AND d.ended_at IS NULL FOR UPDATE
""")
_LADDER: Final = text("""
    SELECT l.next_step_at FROM ladders l WHERE l.incident_id = :incident_id AND l.purpose = 'page'
""")
_LOOK_AGAIN: Final = text("UPDATE drills SET look_at = :at WHERE id = :id")
_END: Final = text("""
    UPDATE drills SET ended_at = :ended_at, outcome = :outcome, look_at = NULL, score = CAST(:score AS jsonb)
    WHERE id = :id
""")

_DRILLS: Final = text("""
    SELECT d.id, d.target_type, d.target_id, d.target_key, d.target_name, d.incident_id, i.number AS incident,
           d.loudness, d.last_resort, d.note, d.started_by, d.started_at,
           coalesce(d.ended_at, i.resolved_at) AS ended_at,
           coalesce(d.outcome, CASE WHEN i.resolved_at IS NULL THEN NULL
                                    WHEN i.acknowledged_by_id IS NOT NULL THEN 'acknowledged'
                                    WHEN i.resolved_by = 'tocsin' THEN 'unanswered' ELSE 'ended' END) AS outcome,
           d.score
    FROM drills d JOIN incidents i ON i.id = d.incident_id
    WHERE (CAST(:id AS uuid) IS NULL OR d.id = CAST(:id AS uuid))
      AND (CAST(:type AS text) IS NULL OR d.target_type = :type)
      AND (CAST(:key AS text) IS NULL OR d.target_key = :key)
      AND (CAST(:before AS uuid) IS NULL OR d.id < CAST(:before AS uuid))
    ORDER BY d.id DESC LIMIT :limit
""")

_MESSAGES: Final = text("""
    SELECT u.key, u.name, n.channel, n.state, n.because, coalesce(n.step, 0) + 1 AS step, n.tries > 0 AS tried,
           n.created_at, n.finished_at
    FROM notifications n JOIN users u ON u.id = n.user_id
    WHERE n.incident_id = :incident_id AND n.purpose = 'drill' ORDER BY n.id
""")
_ANSWERS: Final = text("""
    SELECT u.key, u.name, a.at, n.channel FROM acknowledgements a JOIN users u ON u.id = a.user_id
    LEFT JOIN notifications n ON n.id = a.notification_id
    WHERE a.incident_id = :incident_id AND a.withdrawn_at IS NULL ORDER BY a.at
""")


@dataclass(frozen=True, slots=True)
class Aim:
    """What a drill is for. `teams`: those whose managers may start one; `service_id`: whose incident it becomes, None
    where there is no service at all; `policy_id`: what is climbed, for services."""

    id: int
    key: str
    name: str
    teams: tuple[int | None, ...]
    service_id: int | None
    policy_id: int | None


@dataclass(frozen=True, slots=True)
class StoredDrill:
    """A drill. It ends with its incident; `score` is kept when a worker sees that, before it has `unreachable` only."""

    id: UUID
    target_type: str
    target_id: int
    target_key: str
    target_name: str
    incident_id: UUID
    incident: int
    loudness: str
    last_resort: bool
    note: str
    started_by: str
    started_at: datetime
    ended_at: datetime | None
    outcome: str | None
    score: Mapping[str, Any]


async def aim(conn: AsyncConnection, type_: str, key: str) -> Aim | None:
    row = (await conn.execute(_TARGETS[type_], {"key": key})).first()
    return None if row is None else Aim(row.id, row.key, row.name, tuple(row.teams), row.service_id, row.policy_id)


async def insert(conn: AsyncConnection, values: Mapping[str, Any], score: Mapping[str, Any]) -> bool:
    """False when one for this target is under way."""
    return (await conn.execute(_INSERT, {**values, "score": dumps(score)})).first() is not None


async def due(conn: AsyncConnection, now: datetime, limit: int) -> Sequence[Any]:
    """Rows with `id`, `incident_id`, `started_at`, locked; those that another worker looks at are left to it."""
    return (await conn.execute(_DUE, {"now": now, "limit": limit})).all()


async def open_one(conn: AsyncConnection, type_: str, target_id: int) -> Any:
    """The one for this target that has not ended, locked."""
    return (await conn.execute(_OPEN_ONE, {"type": type_, "target_id": target_id})).first()


async def climbs(conn: AsyncConnection, incident_id: UUID) -> bool:
    """Whether its ladder still has something to do."""
    return (await conn.execute(_LADDER, {"incident_id": incident_id})).scalar() is not None


async def look_again(conn: AsyncConnection, drill_id: UUID, at: datetime) -> None:
    await conn.execute(_LOOK_AGAIN, {"id": drill_id, "at": at})


async def end(
    conn: AsyncConnection, drill_id: UUID, ended_at: datetime, outcome: str, score: Mapping[str, Any]
) -> None:
    values = {"id": drill_id, "ended_at": ended_at, "outcome": outcome, "score": dumps(score)}
    await conn.execute(_END, values)


async def drills(
    conn: AsyncConnection,
    *,
    drill_id: UUID | None = None,
    type_: str | None = None,
    key: str | None = None,
    before: UUID | None = None,
    limit: int = 50,
) -> list[StoredDrill]:
    """The newest first."""
    named = {"id": drill_id, "type": type_, "key": key, "before": before, "limit": limit}
    return [StoredDrill(**row) for row in (await conn.execute(_DRILLS, named)).mappings()]


async def told(conn: AsyncConnection, incident_id: UUID) -> tuple[list[Told], list[Answered]]:
    """What its score is made of."""
    messages = [Told(*row) for row in await conn.execute(_MESSAGES, {"incident_id": incident_id})]
    return messages, [Answered(*row) for row in await conn.execute(_ANSWERS, {"incident_id": incident_id})]

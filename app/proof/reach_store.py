"""SQL of reachability: contact methods with what is known of them, who is on whose duty, who owns what."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.channels import sms
from app.db import ids
from app.proof.levels import LATELY, Method

_USERS: Final = text("""
    SELECT u.id, u.key, u.name, u.active FROM users u
    WHERE (CAST(:ids AS bigint[]) IS NULL OR u.id = ANY (CAST(:ids AS bigint[])))
      AND (CAST(:ids AS bigint[]) IS NOT NULL OR u.active)
      AND (CAST(:team AS text) IS NULL OR EXISTS (
          SELECT 1 FROM team_members m JOIN teams t ON t.id = m.team_id WHERE m.user_id = u.id AND t.key = :team))
      AND u.key > :after
    ORDER BY u.key LIMIT :limit
""")

# What became of the messages of the last months, each contact method by its own index; an answer proves more than any
# provider can tell.
_METHODS: Final = text("""
    SELECT m.id, m.user_id, m.channel, m.address, m.label, m.verified_at, m.broken_at, m.broken_because, m.links,
           n.delivered_at, n.failed_at, a.answered_at
    FROM contact_methods m
    LEFT JOIN LATERAL (
        SELECT max(n.finished_at) FILTER (WHERE n.state = 'delivered') AS delivered_at,
               max(n.finished_at) FILTER (WHERE n.state IN ('failed', 'undelivered') AND n.tries > 0) AS failed_at
        FROM notifications n WHERE n.contact_method_id = m.id AND n.id >= CAST(:since AS uuid)) AS n ON true
    LEFT JOIN LATERAL (
        SELECT max(a.at) AS answered_at FROM acknowledgements a JOIN notifications n ON n.id = a.notification_id
        WHERE a.user_id = m.user_id AND a.id >= CAST(:since AS uuid) AND n.contact_method_id = m.id) AS a ON true
    WHERE m.user_id = ANY (CAST(:ids AS bigint[])) AND m.channel <> 'webhook'
    ORDER BY m.user_id, m.id
""")

_TEAM_SCHEDULES: Final = text("""
    SELECT s.id FROM schedules s JOIN teams t ON t.id = s.team_id WHERE t.key = :team ORDER BY s.key
""")
_TEAM: Final = text("""
    SELECT t.id, t.name, coalesce(array_agg(m.user_id) FILTER (WHERE m.user_id IS NOT NULL), '{}') AS members
    FROM teams t LEFT JOIN team_members m ON m.team_id = t.id WHERE t.id = :id GROUP BY t.id
""")
_TEAM_OF: Final = text("SELECT team_id FROM schedules WHERE id = :id")
_NAMED: Final = text("""
    SELECT g.user_id, array_agg(DISTINCT 'policy ' || p.key ORDER BY 'policy ' || p.key) AS places
    FROM escalation_targets g JOIN escalation_steps s ON s.id = g.step_id
    JOIN escalation_policies p ON p.id = s.policy_id
    WHERE g.user_id = ANY (CAST(:ids AS bigint[])) GROUP BY g.user_id
""")
_LEFT: Final = text("""
    SELECT u.key, u.name, array_agg(DISTINCT 'policy ' || p.key ORDER BY 'policy ' || p.key) AS places
    FROM escalation_targets g JOIN escalation_steps s ON s.id = g.step_id
    JOIN escalation_policies p ON p.id = s.policy_id JOIN users u ON u.id = g.user_id
    WHERE NOT u.active GROUP BY u.key, u.name ORDER BY u.key
""")
# Who answers for a schedule: the active managers of its team; without any, the admins.
OWNED: Final = """
    WITH managing AS (
        SELECT m.team_id, m.user_id FROM team_members m JOIN users u ON u.id = m.user_id
        WHERE m.role = 'manager' AND u.active
    ), owned AS (
        SELECT s.id AS schedule_id, m.user_id FROM schedules s JOIN managing m ON m.team_id = s.team_id
        UNION ALL
        SELECT s.id, u.id FROM schedules s JOIN users u ON u.role = 'admin' AND u.active
        WHERE NOT EXISTS (SELECT 1 FROM managing m WHERE m.team_id = s.team_id))
"""
_OWNERS: Final = text(f"""
    {OWNED} SELECT o.schedule_id, o.user_id FROM owned o
    WHERE o.schedule_id = ANY (CAST(:ids AS bigint[])) ORDER BY o.schedule_id, o.user_id
""")
_ADMINS: Final = text("SELECT id FROM users WHERE role = 'admin' AND active ORDER BY id")


@dataclass(frozen=True, slots=True)
class Known:
    """A user with all contact methods, those that do not count included."""

    id: int
    key: str
    name: str
    active: bool
    methods: tuple[Method, ...]


async def people(
    conn: AsyncConnection,
    now: datetime,
    channels: Collection[str],
    user_ids: Collection[int] | None = None,
    *,
    team: str | None = None,
    after: str = "",
    limit: int | None = None,
) -> list[Known]:
    """These users, or all active ones, in the order of their keys. `team`: its members only; `channels`: the names of
    the configured ones."""
    ids_ = None if user_ids is None else sorted(user_ids)
    users = (await conn.execute(_USERS, {"ids": ids_, "team": team, "after": after, "limit": limit})).all()
    since = ids.first_of(now - LATELY)
    rows = (await conn.execute(_METHODS, {"ids": [u.id for u in users], "since": since})).all() if users else []
    own: dict[int, list[Method]] = {}
    for r in rows:
        proofs = [at for at in (r.verified_at, r.delivered_at, r.answered_at) if at is not None]
        broken = (r.broken_because or "a message failed for good") if r.broken_at is not None else None
        own.setdefault(r.user_id, []).append(
            Method(
                r.id, r.channel, r.address, r.label, r.channel in channels, r.verified_at, broken,
                max(proofs, default=None), r.failed_at, r.channel != "sms" or sms.answerable(r.address, links=r.links),
            )
        )  # fmt: skip
    return [Known(u.id, u.key, u.name, u.active, tuple(own.get(u.id, ()))) for u in users]


async def schedules_of_team(conn: AsyncConnection, team: str) -> list[int]:
    return list((await conn.execute(_TEAM_SCHEDULES, {"team": team})).scalars())


async def team_of(conn: AsyncConnection, schedule_id: int) -> int | None:
    """The team that owns a schedule, if any."""
    found: int | None = (await conn.execute(_TEAM_OF, {"id": schedule_id})).scalar_one_or_none()
    return found


async def team(conn: AsyncConnection, team_id: int) -> tuple[str, frozenset[int]]:
    """Its name, and the ids of its members."""
    row = (await conn.execute(_TEAM, {"id": team_id})).one()
    return row.name, frozenset(row.members)


async def named_by_policies(conn: AsyncConnection, user_ids: Collection[int]) -> dict[int, list[str]]:
    """Of those users whom policies name: `policy <key>`, by user id."""
    if not user_ids:
        return {}
    return {r.user_id: list(r.places) for r in await conn.execute(_NAMED, {"ids": sorted(user_ids)})}


async def left_in_policies(conn: AsyncConnection) -> list[tuple[str, str, list[str]]]:
    """Key, name and `policy <key>`s of everybody who is not active and whom a policy names."""
    return [(r.key, r.name, list(r.places)) for r in await conn.execute(_LEFT)]


async def owners(conn: AsyncConnection, schedule_ids: Sequence[int]) -> dict[int, list[int]]:
    """Who answers for each schedule: user ids."""
    found: dict[int, list[int]] = {}
    for r in await conn.execute(_OWNERS, {"ids": list(schedule_ids)}):
        found.setdefault(r.schedule_id, []).append(r.user_id)
    return found


async def admins(conn: AsyncConnection) -> list[int]:
    return list((await conn.execute(_ADMINS)).scalars())

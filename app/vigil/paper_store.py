"""SQL of the paper: what is worth knowing when nothing else can be asked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

_PEOPLE: Final = text("""
    SELECT u.id, u.key, u.name, u.email,
           coalesce((SELECT jsonb_agg(jsonb_build_array(m.channel, m.address) ORDER BY m.channel, m.id)
                     FROM contact_methods m
                     WHERE m.user_id = u.id AND m.verified_at IS NOT NULL AND m.broken_at IS NULL), '[]') AS methods
    FROM users u WHERE u.active ORDER BY u.name, u.key
""")
_SERVICES: Final = text("""
    SELECT s.key, s.name, coalesce(p.key, c.key) AS policy
    FROM services s LEFT JOIN escalation_policies p ON p.id = s.policy_id
    LEFT JOIN organisation o ON o.id = 1 LEFT JOIN escalation_policies c ON c.id = o.catch_all_policy_id
    ORDER BY s.name, s.key
""")
_TEAMS: Final = text("""
    SELECT t.key, array_agg(u.name ORDER BY u.name) AS members
    FROM teams t JOIN team_members m ON m.team_id = t.id JOIN users u ON u.id = m.user_id AND u.active
    GROUP BY t.key
""")
_NAMES: Final = text("""
    SELECT 'user' AS type, key, name FROM users UNION ALL SELECT 'team', key, name FROM teams
    UNION ALL SELECT 'schedule', key, name FROM schedules UNION ALL SELECT 'webhook', key, name FROM webhooks
""")
_INCIDENTS: Final = text("""
    SELECT i.number, i.title, i.priority, i.state, i.opened_at, s.name AS service, u.name AS held_by
    FROM incidents i JOIN services s ON s.id = i.service_id LEFT JOIN users u ON u.id = i.acknowledged_by_id
    WHERE i.state IN ('triggered', 'acknowledged', 'mitigated') AND NOT i.drill
    ORDER BY i.priority, i.id LIMIT :limit
""")


async def people(conn: AsyncConnection) -> Sequence[Any]:
    """Active people by name: `key`, `name`, `email`, and `methods` as [channel, address]."""
    return (await conn.execute(_PEOPLE)).all()


async def services(conn: AsyncConnection) -> Sequence[Any]:
    """`key`, `name` and the key of the policy that pages for it."""
    return (await conn.execute(_SERVICES)).all()


async def teams(conn: AsyncConnection) -> dict[str, list[str]]:
    """Names of the active members of teams by key."""
    return {row.key: list(row.members) for row in await conn.execute(_TEAMS)}


async def names(conn: AsyncConnection) -> dict[tuple[str, str], str]:
    """Names of what a policy may target, by type and key."""
    return {(row.type, row.key): row.name for row in await conn.execute(_NAMES)}


async def incidents(conn: AsyncConnection, limit: int) -> Sequence[Any]:
    """What is open, the worst first."""
    return (await conn.execute(_INCIDENTS, {"limit": limit})).all()

"""SQL of where policies and their targets are in use, and of which policies follow one another."""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

_LEGS = text("""
    WITH RECURSIVE legs AS (
        SELECT p.id, p.key, p.hand_over_to_id, 0 AS n FROM escalation_policies p WHERE p.id = :id
        UNION ALL
        SELECT p.id, p.key, p.hand_over_to_id, l.n + 1
        FROM legs l JOIN escalation_policies p ON p.id = l.hand_over_to_id
        WHERE l.n < 100 AND (l.n = 0 OR l.id <> CAST(:id AS bigint)))
    SELECT l.key FROM legs l ORDER BY l.n
""")
_PLACES_OF_POLICY = text("""
    SELECT 'service' AS type, key FROM services WHERE policy_id = :id
    UNION ALL SELECT 'organisation', 'catch_all_policy' FROM organisation WHERE catch_all_policy_id = :id
    UNION ALL SELECT 'policy', key FROM escalation_policies WHERE hand_over_to_id = :id AND id <> :id
    UNION ALL SELECT 'support_tiers', coalesce(t.key, v.key) || ' ' || r.tier FROM support_tiers r
    LEFT JOIN teams t ON t.id = r.team_id LEFT JOIN services v ON v.id = r.service_id WHERE r.policy_id = :id
    UNION ALL SELECT 'escalation_matrix', coalesce(v.key || ' ', '') || 'P' || m.priority FROM escalation_matrix m
    LEFT JOIN services v ON v.id = m.service_id WHERE m.policy_id = :id
    ORDER BY 1, 2
""")
_PLACES_OF_TARGET = {
    kind: text(f"""
        SELECT DISTINCT 'policy' AS type, p.key FROM escalation_policies p
        JOIN escalation_steps s ON s.policy_id = p.id JOIN escalation_targets g ON g.step_id = s.id
        JOIN {table} x ON x.id = g.{kind}_id WHERE x.key = :key
        UNION ALL SELECT 'organisation', 'last_resort' FROM last_resort_targets g
        JOIN {table} x ON x.id = g.{kind}_id WHERE x.key = :key
        ORDER BY 1, 2
    """)
    for kind, table in (("user", "users"), ("team", "teams"), ("schedule", "schedules"))
} | {
    "webhook": text("""
        SELECT DISTINCT 'policy' AS type, p.key FROM escalation_policies p
        JOIN escalation_steps s ON s.policy_id = p.id JOIN escalation_targets g ON g.step_id = s.id
        JOIN webhooks x ON x.id = g.webhook_id WHERE x.key = :key ORDER BY 1, 2
    """)
}


async def legs(conn: AsyncConnection, policy_id: int) -> list[str]:
    """The keys of a policy and those that it hands over to, one after the other; a cycle ends with its first policy
    again."""
    return list((await conn.execute(_LEGS, {"id": policy_id})).scalars())


async def places_of_policy(conn: AsyncConnection, policy_id: int) -> list[dict[str, str]]:
    """Where a policy is in use: `[{"type": "service", "key": "checkout"}, {"type": "organisation", "key": ...}]`."""
    rows = await conn.execute(_PLACES_OF_POLICY, {"id": policy_id})
    return [{"type": r.type, "key": r.key} for r in rows]


async def places_of_target(conn: AsyncConnection, kind: str, key: str) -> list[dict[str, str]]:
    """Which policies name a user, schedule or team, and whether the last resort does."""
    rows = await conn.execute(_PLACES_OF_TARGET[kind], {"key": key})
    return [{"type": r.type, "key": r.key} for r in rows]

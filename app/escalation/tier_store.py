"""SQL of what support tiers come to, looked up live: the first step of the policy that a service's tier has now."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.escalation.policy_copy import Target
from app.escalation.policy_store import TARGET_BY_ID
from app.escalation.tiers import ServiceTiers, Tier

# A service's own tier before its team's.
_OF_SERVICES = text(f"""
    SELECT v.id, v.name, r.tier,
           CASE WHEN r.service_id IS NULL THEN 'team ' || t.name ELSE 'service ' || v.name END AS owner,
           (SELECT jsonb_agg({TARGET_BY_ID} ORDER BY g.position) FROM escalation_targets g
            WHERE g.step_id = (SELECT s.id FROM escalation_steps s WHERE s.policy_id = r.policy_id
                               ORDER BY s.position LIMIT 1)) AS targets
    FROM services v
    LEFT JOIN LATERAL (
        SELECT DISTINCT ON (r.tier) r.tier, r.service_id, r.team_id, r.policy_id FROM support_tiers r
        WHERE r.service_id = v.id OR r.team_id = v.team_id ORDER BY r.tier, r.service_id NULLS LAST) AS r ON true
    LEFT JOIN teams t ON t.id = r.team_id
    WHERE v.id = ANY (CAST(:ids AS bigint[])) ORDER BY v.id, r.tier
""")

# Tiers that the policy of a service, or one that it hands over to, names in a step or hands over to, and that the
# service does not have.
_UNMET = text("""
    WITH RECURSIVE used AS (
        SELECT v.id AS service_id, coalesce(v.policy_id, o.catch_all_policy_id) AS policy_id
        FROM services v LEFT JOIN organisation o ON o.id = 1
        UNION SELECT u.service_id, p.hand_over_to_id FROM used u JOIN escalation_policies p ON p.id = u.policy_id
        WHERE p.hand_over_to_id IS NOT NULL)
    SELECT DISTINCT v.key, g.tier FROM used u JOIN services v ON v.id = u.service_id
    JOIN (SELECT s.policy_id, t.tier FROM escalation_steps s JOIN escalation_targets t ON t.step_id = s.id
          UNION ALL SELECT p.id, p.hand_over_to_tier FROM escalation_policies p) g
      ON g.policy_id = u.policy_id AND g.tier IS NOT NULL
    WHERE NOT EXISTS (SELECT 1 FROM support_tiers r
                      WHERE r.tier = g.tier AND (r.service_id = v.id OR r.team_id = v.team_id))
    ORDER BY v.key, g.tier LIMIT :limit
""")


async def unmet(conn: AsyncConnection, limit: int) -> list[tuple[str, int]]:
    """Key of a service and the tier that its policy names in vain."""
    return [(r.key, r.tier) for r in await conn.execute(_UNMET, {"limit": limit})]


async def of_services(conn: AsyncConnection, service_ids: Collection[int]) -> dict[int, ServiceTiers]:
    """By service id; one without any has none, by name."""
    found: dict[int, ServiceTiers] = {}
    for r in await conn.execute(_OF_SERVICES, {"ids": sorted(service_ids)}):
        known = found.get(r.id, ServiceTiers(r.name, {})).tiers
        targets = tuple(Target(t["type"], t["id"]) for t in r.targets or ())
        own = {} if r.tier is None else {r.tier: Tier(r.owner, targets)}
        found[r.id] = ServiceTiers(r.name, {**known, **own})
    return found

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


async def of_services(conn: AsyncConnection, service_ids: Collection[int]) -> dict[int, ServiceTiers]:
    """By service id; one without any has none, by name."""
    found: dict[int, ServiceTiers] = {}
    for r in await conn.execute(_OF_SERVICES, {"ids": sorted(service_ids)}):
        known = found.get(r.id, ServiceTiers(r.name, {})).tiers
        targets = tuple(Target(t["type"], t["id"]) for t in r.targets or ())
        own = {} if r.tier is None else {r.tier: Tier(r.owner, targets)}
        found[r.id] = ServiceTiers(r.name, {**known, **own})
    return found

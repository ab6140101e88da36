"""SQL of what concerns a schedule: the incidents whose ladders page it."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

MOST = 50

PAGES_SCHEDULE = """(
    jsonb_path_exists(l.policy, '$.**.targets[*] ? (@.type == "schedule" && @.id == $id)',
                      jsonb_build_object('id', CAST(:schedule_id AS bigint)))
    OR jsonb_path_exists(l.policy, '$.**.targets[*] ? (@.type == "tier")') AND EXISTS (
        SELECT 1 FROM services v JOIN support_tiers r ON r.service_id = v.id OR r.team_id = v.team_id
        JOIN escalation_steps t ON t.policy_id = r.policy_id
        JOIN escalation_targets g ON g.step_id = t.id AND g.schedule_id = :schedule_id
        WHERE v.id = i.service_id
          AND t.position = (SELECT min(f.position) FROM escalation_steps f WHERE f.policy_id = r.policy_id)
          AND jsonb_path_exists(l.policy, '$.**.targets[*] ? (@.type == "tier" && @.id == $id)',
                                jsonb_build_object('id', r.tier))
          AND (r.service_id IS NOT NULL
               OR NOT EXISTS (SELECT 1 FROM support_tiers o WHERE o.service_id = v.id AND o.tier = r.tier))))
"""
"""SQL: whether the ladder `l` of the incident `i` pages a schedule at some step; by a support tier as it is now."""

_OPEN = text(f"""
    SELECT i.number, i.priority, i.title, i.state, s.name AS service
    FROM incidents i JOIN ladders l ON l.incident_id = i.id AND l.purpose = 'page'
    JOIN services s ON s.id = i.service_id
    WHERE i.state IN ('triggered', 'acknowledged', 'mitigated')
      AND {PAGES_SCHEDULE}
    ORDER BY i.priority, i.number LIMIT :limit
""")


@dataclass(frozen=True, slots=True)
class OpenIncident:
    number: int
    priority: int
    title: str
    state: str
    service: str


async def open_incidents(conn: AsyncConnection, schedule_id: int) -> list[OpenIncident]:
    """Open incidents that page this schedule at some step, the most important first; `MOST` of them."""
    rows = await conn.execute(_OPEN, {"schedule_id": schedule_id, "limit": MOST})
    return [OpenIncident(*r) for r in rows]

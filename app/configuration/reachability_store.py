"""SQL: who is paged by the configuration as it is, and by what."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

# Users named by a policy, the last resort, a schedule or the calendar of one, or members of a team that one of the
# first two names.
_PAGED = text("""
    WITH targets AS (
        SELECT 'policy ' || p.key AS place, g.user_id, g.team_id
        FROM escalation_targets g JOIN escalation_steps s ON s.id = g.step_id
        JOIN escalation_policies p ON p.id = s.policy_id
        UNION ALL SELECT 'last resort', user_id, team_id FROM last_resort_targets
    ), named AS (
        SELECT place, user_id FROM targets WHERE user_id IS NOT NULL
        UNION ALL SELECT t.place, m.user_id FROM targets t JOIN team_members m ON m.team_id = t.team_id
        UNION ALL SELECT 'schedule ' || c.key, CAST(member AS bigint)
        FROM schedule_versions v JOIN schedules c ON c.id = v.schedule_id, jsonb_array_elements(v.layers) AS l,
             jsonb_path_query(l, '$.members[*][*]') AS member
        WHERE (v.effective_until IS NULL OR v.effective_until > :now) AND l->>'mode' IS DISTINCT FROM 'shadow'
          AND (l->>'ends_at' IS NULL OR CAST(l->>'ends_at' AS timestamptz) > :now)
        UNION ALL SELECT 'schedule ' || c.key, e.user_id
        FROM schedule_versions v JOIN schedules c ON c.id = v.schedule_id, jsonb_array_elements(v.layers) AS l
        JOIN calendar_entries e ON e.calendar_id = CAST(l->>'calendar' AS bigint)
        WHERE (v.effective_until IS NULL OR v.effective_until > :now) AND l->>'mode' IS DISTINCT FROM 'shadow'
          AND (l->>'ends_at' IS NULL OR CAST(l->>'ends_at' AS timestamptz) > :now)
          AND e.ends_at > :now AND e.user_id IS NOT NULL
        UNION ALL SELECT 'schedule ' || c.key, o.user_id FROM overrides o JOIN schedules c ON c.id = o.schedule_id
        WHERE o.ends_at > :now
    )
    SELECT n.user_id, array_agg(DISTINCT n.place ORDER BY n.place) AS places
    FROM named n JOIN users u ON u.id = n.user_id WHERE u.active GROUP BY n.user_id ORDER BY n.user_id
""")


async def paged(conn: AsyncConnection, now: datetime) -> dict[int, list[str]]:
    """By id of an active user: what pages them now or later, e.g. `policy checkout`, `schedule payments`."""
    return {row.user_id: list(row.places) for row in await conn.execute(_PAGED, {"now": now})}

"""SQL of simulations: the road on temporary tables that shadow the real ones (behaviour.md 16).

Names are never qualified, and temporary tables come first in the search path. They are made in the order below on a
connection that has run nothing yet, so that no plan knows the real ones. Then the transaction is made read-only, in
which PostgreSQL refuses to write to, or lock a row of, anything but temporary tables: it cannot harm what is real.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

ROAD: Final = (
    "receipts",
    "events",
    "quarantine",
    "alerts",
    "occurrences",
    "incidents",
    "timeline_entries",
    "webhook_calls",
    "acknowledgements",
    "ladders",
    "notifications",
    "attempts",
    "chat_messages",
    "link_tokens",
    "clock_control",
    "changes",
    "heartbeats",
    "heartbeat_pings",
    "silent_sources",
    "own_signs",
    "inhibition_sources",
    "suppression_counts",
    "storms",
    "pacing",
    "correlation_acts",
    "required_acknowledgements",
    "handoff_watches",
    "edit_notices",
    "swap_notices",
    "reply_codes",
    "replies",
)
"""What the road writes: it begins empty. A table of the road that is missing here makes a simulation fail, not lie."""

# What came in, oldest first, and the ends of occurrences that fell silent, which no event tells.
_COLLECT: Final = text("""
    CREATE TEMP TABLE replayed ON COMMIT DROP AS
    SELECT row_number() OVER (ORDER BY r.at, r.id) AS n, r.* FROM (
        SELECT e.id, e.at, a.integration_id, a.dedup_key, a.title, e.kind, e.severity, e.labels, e.annotations,
               e.starts_at, e.ends_at
        FROM events e JOIN alerts a ON a.id = e.alert_id WHERE e.id >= CAST(:first AS uuid)
        UNION ALL
        SELECT o.id, o.ended_at, a.integration_id, a.dedup_key, a.title, 'resolved', o.severity, a.labels,
               a.annotations, o.starts_at, o.ended_at
        FROM occurrences o JOIN alerts a ON a.id = o.alert_id
        WHERE o.end_kind = 'expired' AND o.id >= CAST(:oldest AS uuid) AND o.ended_at >= CAST(:since AS timestamptz)
        ORDER BY 2 LIMIT :limit) r
""")
_RULES: Final = text("CREATE TEMP TABLE rule_set_versions ON COMMIT DROP AS SELECT * FROM rule_set_versions")
_DOORS_LOCKED: Final = text("CREATE TEMP TABLE integrations ON COMMIT DROP AS SELECT * FROM integrations")
"""The road locks integrations whose source may have fallen silent, and the number of the configuration that it used."""
_NUMBER_LOCKED: Final = text(
    "CREATE TEMP TABLE configuration_version ON COMMIT DROP AS SELECT * FROM configuration_version"
)
_TURNS: Final = text("CREATE TEMP TABLE round_robin_turns ON COMMIT DROP AS SELECT * FROM round_robin_turns")
"""Whose turn it is, as it is now. Such a copy has neither key nor default: `_TURNS_KEY` gives it both."""
_TURNS_KEY: Final = text("""
    ALTER TABLE round_robin_turns ADD PRIMARY KEY (policy_id, position), ALTER turns SET DEFAULT '{}'
""")
FIRST_OF_DRAFTS: Final = 2**62
DRAFTED: Final = (
    "services", "schedules", "schedule_versions", "escalation_policies", "escalation_steps", "escalation_targets",
)  # fmt: skip
"""What drafts of schedules and policies are written to: it begins as it is."""
_GIVE_POLICY: Final = text("UPDATE services SET policy_id = :policy_id WHERE id = :service_id")
_READ_ONLY: Final = text("SET TRANSACTION READ ONLY")
_TIMEOUT: Final = text("""
    SELECT set_config('statement_timeout', :milliseconds, true),
           set_config('idle_in_transaction_session_timeout', '0', true)
""")
"""Nobody waits for what it locks, and it may think for long."""
_CLOCK: Final = text("INSERT INTO clock_control (id, anchor_real, anchor_virtual, speed) VALUES (1, :now, :now, 0)")
_SET_CLOCK: Final = text("UPDATE clock_control SET anchor_virtual = :now")
_REPLAYED: Final = text("SELECT * FROM replayed WHERE n > :after ORDER BY n LIMIT :limit")
_COUNT: Final = text("SELECT count(*) FROM replayed")
_DOORS: Final = text("""
    SELECT id, key, source, service_id, ignored_labels, resolve_timeout_s, stale_window_s, mapping, enabled
    FROM integrations
""")
# Nobody acknowledges in a simulation, so only the first step of each ladder counts; and what is planned is sent.
_SETTLE: Final = text("""
    WITH parked AS (UPDATE ladders SET next_step_at = NULL, update_due_at = NULL
                    WHERE next_step_at IS NOT NULL OR update_due_at IS NOT NULL)
    UPDATE notifications SET state = 'sent', finished_at = :now WHERE state = 'pending'
""")

_KEEP_FIRING: Final = text("UPDATE alerts SET expires_at = NULL, expiry_due_at = NULL WHERE state = 'firing'")
_SENT: Final = text("UPDATE notifications SET state = 'delivered', finished_at = :now WHERE state = 'sending'")
_HAPPENED: Final = text("""
    SELECT e.at, e.kind, e.data, i.number FROM timeline_entries e JOIN incidents i ON i.id = e.incident_id
    ORDER BY e.at, e.id LIMIT :limit
""")
_INCIDENTS: Final = text("""
    SELECT i.number, i.title, i.state, i.priority, i.loudness, i.verdict, s.key AS service,
           l.policy ->> 'name' AS policy
    FROM incidents i JOIN services s ON s.id = i.service_id
    LEFT JOIN ladders l ON l.incident_id = i.id AND l.purpose = 'page' ORDER BY i.number
""")
# Every occurrence as the road left it, with the occurrence that opened its incident.
_VERDICTS: Final = text("""
    SELECT o.id, n.key AS integration, a.dedup_key, o.starts_at, a.title, s.key AS service, o.suppressed, o.routed,
           o.incident_id, i.title AS incident, i.priority, i.verdict, i.reopened,
           o.id = first_value(o.id) OVER (PARTITION BY o.incident_id ORDER BY o.id) AS opens,
           first_value(a.dedup_key) OVER (PARTITION BY o.incident_id ORDER BY o.id) AS opened_by
    FROM occurrences o JOIN alerts a ON a.id = o.alert_id JOIN integrations n ON n.id = a.integration_id
    JOIN services s ON s.id = o.service_id LEFT JOIN incidents i ON i.id = o.incident_id
    ORDER BY o.id
""")
# Who was paged when, each person once a step.
_PAGES: Final = text("""
    SELECT u.key AS user, u.name, coalesce(u.time_zone, o.time_zone) AS zone, min(n.created_at) AS at
    FROM notifications n JOIN users u ON u.id = n.user_id CROSS JOIN organisation o
    WHERE n.purpose = 'page' GROUP BY n.ladder_id, n.epoch, n.round, n.step, u.key, u.name, 3
""")


async def collect(conn: AsyncConnection, since: datetime, first: Any, oldest: Any, limit: int, timeout_s: float) -> int:
    """Copies what is to be replayed, before it is shadowed; how many that is."""
    await conn.execute(_TIMEOUT, {"milliseconds": str(int(timeout_s * 1000))})
    await conn.execute(_COLLECT, {"first": first, "oldest": oldest, "since": since, "limit": limit})
    return int((await conn.execute(_COUNT)).scalar_one())


async def limit(conn: AsyncConnection, timeout_s: float) -> None:
    """No statement of this transaction takes longer."""
    await conn.execute(_TIMEOUT, {"milliseconds": str(int(timeout_s * 1000))})


async def shadow(conn: AsyncConnection, now: datetime) -> None:
    """From here on the road of this connection is empty, and its time stands at `now`."""
    for table in ROAD:
        await conn.execute(text(f"CREATE TEMP TABLE {table} (LIKE {table} INCLUDING ALL) ON COMMIT DROP"))
    await conn.execute(_RULES)
    await conn.execute(_DOORS_LOCKED)
    await conn.execute(_NUMBER_LOCKED)
    await conn.execute(_TURNS)
    await conn.execute(_TURNS_KEY)
    await conn.execute(_CLOCK, {"now": now})


async def copy_drafted(conn: AsyncConnection) -> None:
    """From here on the schedules and policies of this connection are copies. What is added to them gets ids that no
    row has. Before `protect`."""
    for table in DRAFTED:
        await conn.execute(text(f"CREATE TEMP TABLE copied_{table} ON COMMIT DROP AS SELECT * FROM {table}"))
        await conn.execute(text(f"CREATE TEMP TABLE {table} (LIKE {table} INCLUDING ALL) ON COMMIT DROP"))
        await conn.execute(text(f"INSERT INTO {table} OVERRIDING SYSTEM VALUE SELECT * FROM copied_{table}"))
        await conn.execute(text(f"ALTER TABLE {table} ALTER id RESTART WITH {FIRST_OF_DRAFTS}"))


async def give_policy(conn: AsyncConnection, service_id: int, policy_id: int) -> None:
    """To a service of the copies."""
    await conn.execute(_GIVE_POLICY, {"service_id": service_id, "policy_id": policy_id})


async def protect(conn: AsyncConnection) -> None:
    """From here on this transaction can write to temporary tables only."""
    await conn.execute(_READ_ONLY)


async def set_clock(conn: AsyncConnection, now: datetime) -> None:
    await conn.execute(_SET_CLOCK, {"now": now})


async def replayed(conn: AsyncConnection, after: int, limit: int) -> Sequence[Any]:
    return (await conn.execute(_REPLAYED, {"after": after, "limit": limit})).all()


async def doors(conn: AsyncConnection) -> Sequence[Any]:
    """Rows for `door_of`."""
    return (await conn.execute(_DOORS)).all()


async def keep_firing(conn: AsyncConnection) -> None:
    """What fires goes on firing: its source would renew it."""
    await conn.execute(_KEEP_FIRING)


async def sent(conn: AsyncConnection, now: datetime) -> None:
    """Whatever was claimed arrived."""
    await conn.execute(_SENT, {"now": now})


async def happened(conn: AsyncConnection, limit: int) -> Sequence[Any]:
    """What timelines tell, oldest first: `at`, `kind`, `data`, `number` of the incident."""
    return (await conn.execute(_HAPPENED, {"limit": limit})).all()


async def incidents(conn: AsyncConnection) -> Sequence[Any]:
    """What was opened: `number`, `title`, `state`, `priority`, `loudness`, `verdict`, `service` by key, `policy`."""
    return (await conn.execute(_INCIDENTS)).all()


async def settle(conn: AsyncConnection, now: datetime) -> None:
    """After a climb: nobody climbs further, nothing waits to be sent."""
    await conn.execute(_SETTLE, {"now": now})


async def verdicts(conn: AsyncConnection) -> Sequence[Any]:
    return (await conn.execute(_VERDICTS)).all()


async def pages(conn: AsyncConnection) -> Sequence[Any]:
    return (await conn.execute(_PAGES)).all()

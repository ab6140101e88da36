"""The cast as bare rows, for tests of rooms that only need somebody to name."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection


async def cast(conn: AsyncConnection, now: datetime) -> dict[str, int]:
    """Ana, Ben, Cara and Dan; the team payments; the service checkout. Their ids by key."""
    users = await conn.execute(
        text("""
            INSERT INTO users (key, name, email, role, created_at, updated_at)
            SELECT k, initcap(k), k || '@example.org', CASE k WHEN 'cara' THEN 'admin' ELSE 'operator' END, :now, :now
            FROM unnest(ARRAY['ana', 'ben', 'cara', 'dan']) AS k RETURNING key, id
        """),
        {"now": now},
    )
    ids = {r.key: r.id for r in users}
    team = text(
        "INSERT INTO teams (key, name, created_at, updated_at) VALUES ('payments', 'Payments', :now, :now) RETURNING id"
    )
    ids["payments"] = (await conn.execute(team, {"now": now})).scalar_one()
    service = text("""
        INSERT INTO services (key, name, team_id, created_at, updated_at)
        VALUES ('checkout', 'Checkout', :team, :now, :now) RETURNING id
    """)
    ids["checkout"] = (await conn.execute(service, {"now": now, "team": ids["payments"]})).scalar_one()
    return ids


async def audited(conn: AsyncConnection) -> list[tuple[str, str]]:
    """Action and key of every audit record, oldest first."""
    rows = await conn.execute(text("SELECT action, entity_key FROM audit_records ORDER BY id"))
    return [(r.action, r.entity_key) for r in rows]

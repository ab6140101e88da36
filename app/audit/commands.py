"""One function: write down who changed what. Every command that changes configuration calls it in its transaction."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db import ids
from app.db.engine import dumps

_RECORD = text("""
    INSERT INTO audit_records (id, at, actor, action, entity, entity_key, before, after)
    VALUES (:id, :at, :actor, :action, :entity, :entity_key, CAST(:before AS jsonb), CAST(:after AS jsonb))
""")
_BUMP = text("UPDATE configuration_version SET version = version + 1")


async def record(
    conn: AsyncConnection,
    now: datetime,
    *,
    actor: str,
    action: str,
    entity: str,
    entity_key: str,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> None:
    """Writes an audit record and tells every process that its cached configuration is old. Secrets do not belong in
    `before` and `after`."""
    row = {
        "id": ids.new(now),
        "at": now,
        "actor": actor,
        "action": action,
        "entity": entity,
        "entity_key": entity_key,
        "before": None if before is None else dumps(before),
        "after": None if after is None else dumps(after),
    }
    await conn.execute(_RECORD, row)
    await conn.execute(_BUMP)

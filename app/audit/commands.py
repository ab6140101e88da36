"""One function: write down who changed what. Every command that changes configuration calls it in its transaction."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import insert, text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.audit.tables import AuditRecord
from app.db import ids

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
        "before": before,
        "after": after,
    }
    await conn.execute(insert(AuditRecord), row)
    await conn.execute(_BUMP)

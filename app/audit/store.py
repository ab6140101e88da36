"""Reading audit records. Nothing but the INSERT in `commands.py` writes them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, text
from sqlalchemy.ext.asyncio import AsyncConnection

_RECORDS = text("""
    SELECT id, at, actor, action, entity, entity_key AS key, before, after FROM audit_records
    WHERE (CAST(:entity AS text) IS NULL OR entity = :entity)
      AND (CAST(:key AS text) IS NULL OR entity_key = :key)
      AND (CAST(:actor AS text) IS NULL OR actor = :actor)
      AND (CAST(:since AS timestamptz) IS NULL OR at >= :since)
      AND (CAST(:before_id AS uuid) IS NULL OR id < :before_id)
    ORDER BY id DESC LIMIT :limit
""")


async def records(
    conn: AsyncConnection,
    *,
    entity: str | None = None,
    key: str | None = None,
    actor: str | None = None,
    since: datetime | None = None,
    before_id: UUID | None = None,
    limit: int = 50,
) -> Sequence[RowMapping]:
    """Newest first: id, at, actor, action, entity, key, before, after."""
    named: dict[str, Any] = {"entity": entity, "key": key, "actor": actor, "since": since}
    return (await conn.execute(_RECORDS, named | {"before_id": before_id, "limit": limit})).mappings().all()

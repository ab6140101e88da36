"""SQL of signs of our own: what Tocsin noticed about itself and its peer."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db.engine import dumps

_INTEGRATION: Final = text("""
    SELECT i.id, s.key AS service FROM integrations i JOIN services s ON s.id = i.service_id WHERE i.key = :key
""")
# Written only when it says something else than before; due when its alert was told something else.
_WRONG: Final = text("""
    INSERT INTO own_signs AS s (key, integration_id, wrong, title, description, severity, labels, since, due_at)
    VALUES (:key, :integration_id, :wrong, :title, :description, :severity, CAST(:labels AS jsonb), :now, :now)
    ON CONFLICT (key) DO UPDATE
    SET integration_id = excluded.integration_id, wrong = excluded.wrong, title = excluded.title,
        description = excluded.description, severity = excluded.severity, labels = excluded.labels,
        since = CASE WHEN s.wrong = '' THEN excluded.since ELSE s.since END,
        due_at = CASE WHEN s.told = excluded.wrong THEN NULL ELSE excluded.due_at END
    WHERE s.wrong <> excluded.wrong
    RETURNING key
""")
_FINE: Final = text("""
    UPDATE own_signs SET wrong = '', due_at = CASE WHEN told = '' THEN NULL ELSE CAST(:now AS timestamptz) END
    WHERE key = :key AND wrong <> '' RETURNING key
""")
_CLAIM: Final = text("""
    SELECT o.key, o.wrong, o.told, o.title, o.description, o.severity, o.labels, o.since, o.integration_id,
           i.key AS integration, i.source, i.service_id, i.enabled, s.key AS service
    FROM own_signs o JOIN integrations i ON i.id = o.integration_id JOIN services s ON s.id = i.service_id
    WHERE o.due_at <= :now ORDER BY o.key FOR UPDATE OF o SKIP LOCKED
""")
_TOLD: Final = text("UPDATE own_signs SET told = wrong, due_at = NULL WHERE key = ANY (CAST(:keys AS text[]))")

NEXT_DUE: Final = text("SELECT min(due_at) FROM own_signs WHERE due_at IS NOT NULL")


async def integration(conn: AsyncConnection, key: str) -> Any:
    """Its `id` and the key of its `service`; None: there is none."""
    return (await conn.execute(_INTEGRATION, {"key": key})).first()


async def wrong(conn: AsyncConnection, now: datetime, values: dict[str, Any]) -> bool:
    """`values` by the names of the columns. False: it was known."""
    named = values | {"labels": dumps(values["labels"]), "now": now}
    return (await conn.execute(_WRONG, named)).first() is not None


async def fine(conn: AsyncConnection, now: datetime, key: str) -> bool:
    """False: it was known, or nothing was ever wrong."""
    return (await conn.execute(_FINE, {"key": key, "now": now})).first() is not None


async def claim(conn: AsyncConnection, now: datetime) -> Sequence[Any]:
    return (await conn.execute(_CLAIM, {"now": now})).all()


async def told(conn: AsyncConnection, keys: list[str]) -> None:
    await conn.execute(_TOLD, {"keys": keys})

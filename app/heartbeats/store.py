"""SQL of heartbeats as people configure them. Beats and pings: `beat_store.py`."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.directory.changes import Stored
from app.heartbeats.documents import FedBy, HeartbeatDocument, HeartbeatEdit

_HEARTBEATS = text("""
    SELECT h.id, h.key, h.name, i.key AS integration, h.interval_s, h.cron, h.time_zone, h.grace_s, h.severity,
           f.key AS fed_by, h.fed_by_matchers, s.team_id, h.version, h.created_at, h.updated_at
    FROM heartbeats h JOIN integrations i ON i.id = h.integration_id JOIN services s ON s.id = i.service_id
    LEFT JOIN integrations f ON f.id = h.fed_by_id
    WHERE (CAST(:keys AS text[]) IS NULL OR h.key = ANY (CAST(:keys AS text[])))
      AND (CAST(:service AS text) IS NULL OR s.key = :service)
      AND (CAST(:integration AS text) IS NULL OR i.key = :integration) AND h.key > :after
    ORDER BY h.key LIMIT :limit
""")
_LOCK = text("SELECT id, version FROM heartbeats WHERE key = :key FOR UPDATE")
_INSERT = text("""
    INSERT INTO heartbeats (key, name, integration_id, interval_s, cron, time_zone, grace_s, severity, fed_by_id,
                            fed_by_matchers, token_hash, token_hint, created_at, updated_at)
    VALUES (:key, :name, :integration_id, :interval_s, :cron, :time_zone, :grace_s, :severity, :fed_by_id,
            :fed_by_matchers, :token_hash, :token_hint, :now, :now)
    ON CONFLICT (key) DO NOTHING RETURNING id
""")
_UPDATE = text("""
    UPDATE heartbeats SET name = :name, interval_s = :interval_s, cron = :cron, time_zone = :time_zone,
        grace_s = :grace_s, severity = :severity, fed_by_id = :fed_by_id, fed_by_matchers = :fed_by_matchers,
        version = version + 1, updated_at = :now
    WHERE id = :id
""")
_TOUCH = text("UPDATE heartbeats SET version = version + 1, updated_at = :now WHERE id = :id")
_SET_TOKEN = text("""
    UPDATE heartbeats SET token_hash = :hash, token_hint = :hint, version = version + 1, updated_at = :now
    WHERE id = :id
""")
_DELETE = text("DELETE FROM heartbeats WHERE id = :id")
_INTEGRATIONS = text("""
    SELECT i.key, i.id, i.source, s.team_id FROM integrations i JOIN services s ON s.id = i.service_id
    WHERE i.key = ANY (CAST(:keys AS text[]))
""")
_NEVER_PINGED = text("""
    SELECT key FROM heartbeats WHERE state = 'new' AND last_ping_at IS NULL ORDER BY key LIMIT :limit
""")
_FEEDS = text("""
    SELECT id, fed_by_id, fed_by_matchers FROM heartbeats WHERE fed_by_id IS NOT NULL ORDER BY id
""")


async def heartbeats(
    conn: AsyncConnection,
    keys: Collection[str] | None = None,
    *,
    service: str | None = None,
    integration: str | None = None,
    after: str = "",
    limit: int | None = None,
) -> list[Stored[HeartbeatDocument]]:
    """In the order of their keys; `team_id` is that of the service."""
    named = {"keys": None if keys is None else list(keys), "service": service, "integration": integration}
    rows = await conn.execute(_HEARTBEATS, named | {"after": after, "limit": limit})
    return [_stored(row) for row in rows.mappings()]


async def lock(conn: AsyncConnection, key: str) -> tuple[int, int] | None:
    """(id, version) of a heartbeat, locked until the transaction ends."""
    row = (await conn.execute(_LOCK, {"key": key})).one_or_none()
    return None if row is None else (row.id, row.version)


async def insert(
    conn: AsyncConnection,
    now: datetime,
    heartbeat: HeartbeatDocument,
    integration_id: int,
    fed_by_id: int | None,
    token: tuple[bytes, str],
) -> bool:
    """False when the key is taken. `token`: hash and hint."""
    values = _values(heartbeat, now, fed_by_id) | {"key": heartbeat.key, "integration_id": integration_id}
    named = values | {"token_hash": token[0], "token_hint": token[1]}
    return (await conn.execute(_INSERT, named)).one_or_none() is not None


async def update(
    conn: AsyncConnection, now: datetime, heartbeat_id: int, edit: HeartbeatEdit, fed_by_id: int | None
) -> None:
    await conn.execute(_UPDATE, _values(edit, now, fed_by_id) | {"id": heartbeat_id})


async def touch(conn: AsyncConnection, now: datetime, heartbeat_id: int) -> None:
    """It was edited in what is kept elsewhere: another version."""
    await conn.execute(_TOUCH, {"id": heartbeat_id, "now": now})


async def set_token(conn: AsyncConnection, now: datetime, heartbeat_id: int, token: tuple[bytes, str]) -> None:
    await conn.execute(_SET_TOKEN, {"id": heartbeat_id, "hash": token[0], "hint": token[1], "now": now})


async def delete(conn: AsyncConnection, heartbeat_id: int) -> None:
    await conn.execute(_DELETE, {"id": heartbeat_id})


async def integrations(conn: AsyncConnection, keys: Collection[str]) -> dict[str, Any]:
    """Rows with `id`, `source` and `team_id`, by key."""
    return {row.key: row for row in await conn.execute(_INTEGRATIONS, {"keys": list(keys)})}


async def never_pinged(conn: AsyncConnection, limit: int) -> list[str]:
    """Keys of heartbeats that nothing was ever heard of."""
    return [row.key for row in await conn.execute(_NEVER_PINGED, {"limit": limit})]


async def feeds(conn: AsyncConnection) -> list[Any]:
    """Heartbeats that alerts feed: `id`, `fed_by_id`, `fed_by_matchers`."""
    return list(await conn.execute(_FEEDS))


def _values(edit: HeartbeatEdit, now: datetime, fed_by_id: int | None) -> dict[str, Any]:
    matchers = None if edit.fed_by is None else edit.fed_by.matchers
    values = HeartbeatEdit.model_dump(edit, exclude={"key", "integration", "fed_by"})
    return values | {"fed_by_id": fed_by_id, "fed_by_matchers": matchers, "now": now}


def _stored(row: RowMapping) -> Stored[HeartbeatDocument]:
    """What is stored was checked when it came in; it is read as it is."""
    values = {name: row[name] for name in HeartbeatDocument.model_fields}
    if row["fed_by"] is not None:
        values["fed_by"] = FedBy.model_construct(integration=row["fed_by"], matchers=row["fed_by_matchers"])
    document = HeartbeatDocument.model_construct(**values)
    return Stored(row["id"], document, row["version"], row["created_at"], row["updated_at"], row["team_id"])

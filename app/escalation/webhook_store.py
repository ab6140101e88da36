"""SQL of webhooks."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.directory.changes import Stored
from app.escalation.webhook_documents import WebhookDocument, WebhookEdit

_WEBHOOKS = text("""
    SELECT w.id, w.key, w.name, w.version, w.created_at, w.updated_at FROM webhooks w
    WHERE (CAST(:keys AS text[]) IS NULL OR w.key = ANY (CAST(:keys AS text[]))) AND w.key > :after
    ORDER BY w.key LIMIT :limit
""")
_LOCK = text("SELECT id, version FROM webhooks WHERE key = :key FOR UPDATE")
_SHOWN = text("SELECT key, address_shown FROM webhooks WHERE key = ANY (CAST(:keys AS text[]))")
_WITH_ADDRESS = text("SELECT key FROM webhooks WHERE sealed_address IS NOT NULL ORDER BY key")
_PLAIN = text("SELECT id, url FROM webhooks WHERE url IS NOT NULL ORDER BY id FOR UPDATE")
_INSERT = text("""
    INSERT INTO webhooks (key, name, created_at, updated_at) VALUES (:key, :name, :now, :now)
    ON CONFLICT (key) DO NOTHING RETURNING id
""")
_UPDATE = text("""
    UPDATE webhooks SET name = :name, version = version + 1, updated_at = :now WHERE id = :id
""")
# What is queued already is shown as going where it will go.
_ADDRESS = text("""
    WITH queued AS (
        UPDATE notifications SET address = :shown WHERE webhook_id = :id AND state = 'pending')
    UPDATE webhooks SET url = NULL, sealed_address = :sealed, address_shown = :shown, version = version + 1,
        updated_at = :now
    WHERE id = :id
""")
_RENEW = text("""
    UPDATE webhooks SET generation = generation + 1, version = version + 1, updated_at = :now WHERE id = :id
    RETURNING generation
""")
_DELETE = text("DELETE FROM webhooks WHERE id = :id")


async def webhooks(
    conn: AsyncConnection, keys: Sequence[str] | None = None, *, after: str = "", limit: int | None = None
) -> list[Stored[WebhookDocument]]:
    """In the order of their keys: all, these, or a slice after a key."""
    named = {"keys": None if keys is None else list(keys), "after": after, "limit": limit}
    return [
        Stored(r.id, WebhookDocument(key=r.key, name=r.name), r.version, r.created_at, r.updated_at)
        for r in await conn.execute(_WEBHOOKS, named)
    ]


async def lock(conn: AsyncConnection, key: str) -> tuple[int, int] | None:
    """(id, version), locked until the transaction ends."""
    row = (await conn.execute(_LOCK, {"key": key})).first()
    return None if row is None else (row.id, row.version)


async def insert(conn: AsyncConnection, now: datetime, webhook: WebhookDocument) -> bool:
    """False when the key is taken."""
    return (await conn.execute(_INSERT, webhook.model_dump() | {"now": now})).first() is not None


async def update(conn: AsyncConnection, now: datetime, webhook_id: int, edit: WebhookEdit) -> None:
    await conn.execute(_UPDATE, {"id": webhook_id, "name": edit.name, "now": now})


async def set_address(conn: AsyncConnection, now: datetime, webhook_id: int, sealed: bytes, shown: str) -> None:
    await conn.execute(_ADDRESS, {"id": webhook_id, "sealed": sealed, "shown": shown, "now": now})


async def addresses_shown(conn: AsyncConnection, keys: Sequence[str]) -> dict[str, str]:
    """What may be seen of the address of each, by key; empty: it has none yet."""
    return {r.key: r.address_shown for r in await conn.execute(_SHOWN, {"keys": list(keys)})}


async def with_address(conn: AsyncConnection) -> list[str]:
    """Keys of those whose address is known."""
    return list((await conn.execute(_WITH_ADDRESS)).scalars())


async def plain(conn: AsyncConnection) -> list[tuple[int, str]]:
    """Ids and addresses that are not sealed yet, locked."""
    return [(r.id, r.url) for r in await conn.execute(_PLAIN)]


async def next_generation(conn: AsyncConnection, now: datetime, webhook_id: int) -> int:
    return int((await conn.execute(_RENEW, {"id": webhook_id, "now": now})).scalar_one())


async def delete(conn: AsyncConnection, webhook_id: int) -> None:
    await conn.execute(_DELETE, {"id": webhook_id})

"""SQL of the secrets that senders sign with. They come and go sealed; this file cannot read them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

# The newest of the older ones lives until :until, or its own earlier end; those before it are of no use any more.
_KEEP_ONE = text("""
    UPDATE signing_secrets s SET expires_at = least(s.expires_at, CAST(:until AS timestamptz))
    WHERE s.id = (SELECT max(id) FROM signing_secrets WHERE integration_id = :id)
""")
_DELETE_OLDER = text("""
    DELETE FROM signing_secrets WHERE integration_id = :id
      AND (id < (SELECT max(id) FROM signing_secrets WHERE integration_id = :id) OR expires_at <= :now)
""")
_ADD = text("INSERT INTO signing_secrets (integration_id, sealed, created_at) VALUES (:id, :sealed, :now)")
_FORGET = text("DELETE FROM signing_secrets WHERE integration_id = :id")
_VALID = text("""
    SELECT integration_id, created_at, expires_at FROM signing_secrets
    WHERE integration_id = ANY (CAST(:ids AS bigint[])) AND (expires_at IS NULL OR expires_at > :now)
    ORDER BY integration_id, id DESC
""")

_SIGNED = text("""
    SELECT i.key FROM integrations i WHERE EXISTS (SELECT FROM signing_secrets s WHERE s.integration_id = i.id)
    ORDER BY i.key
""")

_SEALED = text("""
    SELECT i.id, i.key, array_agg(s.sealed ORDER BY s.id) AS sealed FROM integrations i
    JOIN signing_secrets s ON s.integration_id = i.id
    WHERE i.enabled AND (s.expires_at IS NULL OR s.expires_at > :now) GROUP BY i.id, i.key ORDER BY i.key
""")


@dataclass(frozen=True, slots=True)
class StoredSecret:
    """That there is one, and since when."""

    created_at: datetime
    expires_at: datetime | None


async def rotate(conn: AsyncConnection, now: datetime, integration_id: int, sealed: bytes, until: datetime) -> None:
    """A new one; the newest before it stays valid until `until` at most."""
    await conn.execute(_KEEP_ONE, {"id": integration_id, "until": until})
    await conn.execute(_DELETE_OLDER, {"id": integration_id, "now": now})
    await conn.execute(_ADD, {"id": integration_id, "sealed": sealed, "now": now})


async def forget(conn: AsyncConnection, integration_id: int) -> bool:
    """False when there was none."""
    return bool((await conn.execute(_FORGET, {"id": integration_id})).rowcount)


async def signed(conn: AsyncConnection) -> list[str]:
    """The keys of the integrations that have one."""
    return list((await conn.execute(_SIGNED)).scalars())


async def valid(conn: AsyncConnection, now: datetime, ids: Collection[int]) -> dict[int, list[StoredSecret]]:
    """Those of these integrations that count now, newest first."""
    found: dict[int, list[StoredSecret]] = {integration_id: [] for integration_id in ids}
    for row in await conn.execute(_VALID, {"ids": list(ids), "now": now}):
        found[row.integration_id].append(StoredSecret(row.created_at, row.expires_at))
    return found


async def sealed(conn: AsyncConnection, now: datetime) -> Sequence[Any]:
    """`id`, `key` of every enabled integration whose requests are signed, and its valid secrets: `sealed`."""
    return (await conn.execute(_SEALED, {"now": now})).all()

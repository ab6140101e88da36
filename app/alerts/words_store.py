"""SQL of what alerts say to people: title, labels, annotations, links."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any
from uuid import UUID

from msgspec import Struct
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db.hot import Hot

WORDS = Hot("""
    SELECT a.integration_id, a.dedup_key, a.title, a.severity, a.labels, a.annotations, a.links
    FROM unnest(CAST(:integrations AS bigint[]), CAST(:keys AS text[])) AS t (integration_id, dedup_key)
    JOIN alerts a ON a.integration_id = t.integration_id AND a.dedup_key = t.dedup_key
""")
"""What was told of the alerts of a batch; they are locked already."""

REWORD = text("""
    UPDATE alerts SET title = coalesce(CAST(:title AS text), title),
        annotations = annotations || CASE WHEN CAST(:description AS text) IS NULL THEN CAST('{}' AS jsonb)
                                          ELSE jsonb_build_object('description', CAST(:description AS text)) END
    WHERE integration_id = :integration_id AND dedup_key = :dedup_key
    RETURNING id
""")
"""Another title or description of an alert, whatever its state."""

KEY_OF = text("SELECT dedup_key FROM alerts WHERE id = :id AND integration_id = :integration_id")


class Words(Struct, frozen=True, gc=False):
    """What an alert says to people."""

    title: str
    severity: Any
    labels: dict[str, str]
    annotations: dict[str, str]
    links: tuple[tuple[str, str], ...]


async def words(conn: AsyncConnection, identities: Collection[tuple[int, str]]) -> dict[tuple[int, str], Words]:
    """By (integration id, dedup key); those of them that exist."""
    keys = sorted(identities)
    found = await WORDS.rows(conn, {"integrations": [i for i, _ in keys], "keys": [k for _, k in keys]})
    return {
        (r[0], r[1]): Words(r[2], r[3], r[4], r[5], tuple((address, said) for address, said in r[6])) for r in found
    }


async def reword(
    conn: AsyncConnection, integration_id: int, dedup_key: str, title: str | None, description: str | None
) -> UUID | None:
    """The id of the alert; None when there is none. What is None stays as it was."""
    named = {"integration_id": integration_id, "dedup_key": dedup_key, "title": title, "description": description}
    found: UUID | None = (await conn.execute(REWORD, named)).scalar_one_or_none()
    return found


async def key_of(conn: AsyncConnection, integration_id: int, alert_id: UUID) -> str | None:
    """The dedup key of an alert of this integration."""
    found: str | None = (
        await conn.execute(KEY_OF, {"id": alert_id, "integration_id": integration_id})
    ).scalar_one_or_none()
    return found

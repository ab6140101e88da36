"""SQL of acknowledgements that all of some people must give (behaviour.md 5)."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

CLEAR = text("""
    DELETE FROM required_acknowledgements r USING unnest(CAST(:ids AS uuid[])) AS t (id) WHERE r.incident_id = t.id
""")

REQUIRE = text("""
    INSERT INTO required_acknowledgements (incident_id, epoch, user_id)
    SELECT t.incident_id, t.epoch, t.user_id
    FROM unnest(CAST(:ids AS uuid[]), CAST(:epochs AS integer[]), CAST(:users AS bigint[]))
         AS t (incident_id, epoch, user_id)
""")

MISSING = text("""
    SELECT u.name FROM required_acknowledgements r JOIN users u ON u.id = r.user_id
    WHERE r.incident_id = :id AND r.epoch = :epoch AND NOT EXISTS (
        SELECT 1 FROM acknowledgements a WHERE a.incident_id = r.incident_id AND a.epoch = r.epoch
                                         AND a.user_id = r.user_id AND a.withdrawn_at IS NULL)
    ORDER BY u.name
""")
"""Who of them has not acknowledged."""

GIVEN = text("""
    SELECT u.name FROM required_acknowledgements r JOIN users u ON u.id = r.user_id
    JOIN acknowledgements a ON a.incident_id = r.incident_id AND a.epoch = r.epoch AND a.user_id = r.user_id
                            AND a.withdrawn_at IS NULL
    WHERE r.incident_id = :id AND r.epoch = :epoch ORDER BY a.at, u.name
""")

HAS = text("""
    SELECT EXISTS (SELECT 1 FROM acknowledgements a
                   WHERE a.incident_id = :id AND a.epoch = :epoch AND a.user_id = :user_id AND a.withdrawn_at IS NULL)
""")


async def put(conn: AsyncConnection, required: Mapping[tuple[UUID, int], tuple[int, ...]]) -> None:
    """`required`: by incident and epoch, who all must acknowledge; empty: anybody will do."""
    if not required:
        return
    await conn.execute(CLEAR, {"ids": [incident for incident, _ in required]})
    rows = [(incident, epoch, user) for (incident, epoch), users in required.items() for user in users]
    if rows:
        ids, epochs, users = zip(*rows, strict=True)
        await conn.execute(REQUIRE, {"ids": list(ids), "epochs": list(epochs), "users": list(users)})


async def missing(conn: AsyncConnection, incident_id: UUID, epoch: int) -> tuple[str, ...]:
    """The names of those who still must; empty where anybody's acknowledgement is enough."""
    return tuple((await conn.execute(MISSING, {"id": incident_id, "epoch": epoch})).scalars())


async def given(conn: AsyncConnection, incident_id: UUID, epoch: int) -> tuple[str, ...]:
    """The names of those who have, of those who must."""
    return tuple((await conn.execute(GIVEN, {"id": incident_id, "epoch": epoch})).scalars())


async def has_acknowledged(conn: AsyncConnection, incident_id: UUID, epoch: int, user_id: int) -> bool:
    return bool((await conn.execute(HAS, {"id": incident_id, "epoch": epoch, "user_id": user_id})).scalar_one())

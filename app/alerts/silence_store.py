"""All SQL of silences."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.alerts.suppression import Silence
from app.db.engine import dumps
from app.rules import matching
from app.rules.matching import Matching

State = Literal["active", "pending", "expired"]

_SILENCES = """
    SELECT s.id, s.matchers, s.starts_at, s.ends_at, s.created_by, s.comment, s.owner, s.service_id,
           v.key AS service, s.expired_at, s.expired_by, s.created_at, s.updated_at
    FROM silences s LEFT JOIN services v ON v.id = s.service_id
"""
_ONE = text(f"{_SILENCES} WHERE s.id = :id")
_LOCK = text(f"{_SILENCES} WHERE s.id = :id FOR UPDATE OF s")
# All that silence now or are going to.
_LIVE = text(f"{_SILENCES} WHERE s.ends_at > :now ORDER BY s.id")
# A slice of one state, newest first.
_SLICE = text(f"""
    {_SILENCES} WHERE (CAST(:before AS uuid) IS NULL OR s.id < CAST(:before AS uuid))
      AND CASE CAST(:state AS text) WHEN 'active' THEN s.starts_at <= :now AND s.ends_at > :now
                                    WHEN 'pending' THEN s.starts_at > :now
                                    WHEN 'expired' THEN s.ends_at <= :now ELSE true END
    ORDER BY s.id DESC LIMIT :limit
""")
# As Alertmanager lists them: those of all states that ended lately, of all services or those that concern one.
_SHOWN = text(f"""
    {_SILENCES} WHERE s.ends_at > :since
      AND (CAST(:service_id AS bigint) IS NULL OR s.service_id IS NULL OR s.service_id = CAST(:service_id AS bigint))
    ORDER BY s.id
""")
_INSERT = text("""
    INSERT INTO silences (id, matchers, starts_at, ends_at, created_by, comment, owner, service_id, created_at,
                          updated_at)
    VALUES (:id, CAST(:matchers AS jsonb), :starts_at, :ends_at, :created_by, :comment, :owner, :service_id, :now, :now)
""")
_UPDATE = text("""
    UPDATE silences SET starts_at = :starts_at, ends_at = :ends_at, created_by = :created_by, comment = :comment,
        updated_at = :now
    WHERE id = :id
""")
_EXPIRE = text("""
    UPDATE silences SET starts_at = least(starts_at, :now), ends_at = :now, expired_at = :now, expired_by = :by,
        updated_at = :now
    WHERE id = :id
""")


@dataclass(frozen=True, slots=True)
class StoredSilence:
    """A silence as it is kept. `service`: it silences only alerts of this one."""

    id: UUID
    matchers: list[dict[str, Any]]
    starts_at: datetime
    ends_at: datetime
    created_by: str
    comment: str
    owner: str | None
    service_id: int | None
    service: str | None
    expired_at: datetime | None
    expired_by: str | None
    created_at: datetime
    updated_at: datetime

    def state(self, now: datetime) -> State:
        """Half open, as Alertmanager's: at its end it is expired."""
        return "pending" if now < self.starts_at else "active" if now < self.ends_at else "expired"

    @property
    def matching(self) -> Matching:
        return matching.parse(self.matchers)

    def silence(self) -> Silence:
        return Silence(
            self.id, self.matching, self.starts_at, self.ends_at, self.created_by, self.comment, self.service_id
        )


async def one(conn: AsyncConnection, silence_id: UUID) -> StoredSilence | None:
    row = (await conn.execute(_ONE, {"id": silence_id})).mappings().first()
    return None if row is None else StoredSilence(**row)


async def lock(conn: AsyncConnection, silence_id: UUID) -> StoredSilence | None:
    """Locked until the transaction ends."""
    row = (await conn.execute(_LOCK, {"id": silence_id})).mappings().first()
    return None if row is None else StoredSilence(**row)


async def live(conn: AsyncConnection, now: datetime) -> list[StoredSilence]:
    """All that silence now or are going to."""
    return [StoredSilence(**r) for r in (await conn.execute(_LIVE, {"now": now})).mappings()]


async def slice_(
    conn: AsyncConnection, now: datetime, *, state: State | None, before: UUID | None, limit: int
) -> list[StoredSilence]:
    """Newest first. `before`: the id of the last one of the slice before."""
    named = {"now": now, "state": state, "before": before, "limit": limit}
    return [StoredSilence(**r) for r in (await conn.execute(_SLICE, named)).mappings()]


async def shown(conn: AsyncConnection, since: datetime, service_id: int | None) -> list[StoredSilence]:
    """Those that ended after `since`, or did not end, oldest first."""
    rows = await conn.execute(_SHOWN, {"since": since, "service_id": service_id})
    return [StoredSilence(**r) for r in rows.mappings()]


async def insert(conn: AsyncConnection, now: datetime, silence: dict[str, Any]) -> None:
    await conn.execute(_INSERT, silence | {"matchers": dumps(silence["matchers"]), "now": now})


async def update(conn: AsyncConnection, now: datetime, silence: dict[str, Any]) -> None:
    await conn.execute(_UPDATE, silence | {"now": now})


async def expire(conn: AsyncConnection, now: datetime, silence_id: UUID, by: str) -> None:
    await conn.execute(_EXPIRE, {"id": silence_id, "now": now, "by": by})

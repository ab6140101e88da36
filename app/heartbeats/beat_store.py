"""SQL of beats and pings: what is heard of heartbeats, and which of them are due."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db.engine import dumps
from app.heartbeats.documents import rhythm_of
from app.heartbeats.rhythm import Rhythm
from app.heartbeats.states import Beat

_BEATS = """
    SELECT h.id, h.key, h.name, h.severity, h.interval_s, h.cron, h.time_zone, h.grace_s, h.state, h.expected_at,
           h.runs, h.last_ping_at, h.last_kind, h.last_exit_status, h.last_duration_ms, h.last_success_at,
           h.down_since, h.down_because, h.firing, h.token_hint, i.id AS integration_id, i.key AS integration,
           i.service_id, s.key AS service, s.name AS service_name, i.enabled,
           coalesce(h.time_zone, (SELECT o.time_zone FROM organisation o), 'UTC') AS zone
    FROM heartbeats h JOIN integrations i ON i.id = h.integration_id JOIN services s ON s.id = i.service_id
"""
_READ = text(_BEATS + " WHERE h.id = ANY (CAST(:ids AS bigint[])) ORDER BY h.key")
_LOCK = text(_BEATS + " WHERE h.id = ANY (CAST(:ids AS bigint[])) ORDER BY h.id FOR UPDATE OF h")
_LOCK_BY_TOKEN = text(_BEATS + " WHERE h.token_hash = :hash FOR UPDATE OF h")
_LOCK_BY_KEY = text(_BEATS + " WHERE h.key = :key AND h.integration_id = :integration_id FOR UPDATE OF h")
_LOCK_BY_NEIGHBOUR = text(
    _BEATS
    + """ WHERE h.key = :key AND i.service_id = (SELECT n.service_id FROM integrations n WHERE n.id = :integration_id)
    FOR UPDATE OF h"""
)
_CLAIM = text(_BEATS + " WHERE h.due_at <= :now ORDER BY h.due_at LIMIT :limit FOR UPDATE OF h SKIP LOCKED")
"""Heartbeats that are due; each is one worker's."""

_PING_KEY = text("""
    SELECT i.id, i.enabled FROM routing_keys k JOIN integrations i ON i.id = k.integration_id
    WHERE k.key_hash = :hash AND i.source = 'heartbeat' AND (k.expires_at IS NULL OR k.expires_at > :now)
""")
_KEEP = text("""
    UPDATE heartbeats h
    SET state = t.state, due_at = t.due_at, expected_at = t.expected_at, runs = t.runs, last_ping_at = t.last_ping_at,
        last_kind = t.last_kind, last_exit_status = t.last_exit_status, last_duration_ms = t.last_duration_ms,
        last_success_at = t.last_success_at, down_since = t.down_since, down_because = t.down_because,
        firing = t.firing
    FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS t (
        id bigint, state text, due_at timestamptz, expected_at timestamptz, runs jsonb, last_ping_at timestamptz,
        last_kind text, last_exit_status smallint, last_duration_ms bigint, last_success_at timestamptz,
        down_since timestamptz, down_because text, firing boolean)
    WHERE h.id = t.id
""")
_ADD_PING = text("""
    INSERT INTO heartbeat_pings (id, heartbeat_id, at, kind, exit_status, run, duration_ms, via, body)
    VALUES (:id, :heartbeat_id, :now, :kind, :exit_status, :run, :duration_ms, :via, :body)
""")
_FORGET_PINGS = text("""
    DELETE FROM heartbeat_pings p
    WHERE p.heartbeat_id = :heartbeat_id
      AND p.id < (SELECT n.id FROM (SELECT id FROM heartbeat_pings WHERE heartbeat_id = :heartbeat_id
                  ORDER BY id DESC LIMIT :kept) AS n ORDER BY n.id LIMIT 1)
""")
_PINGS = text("""
    SELECT p.id, p.at, p.kind, p.exit_status, p.run, p.duration_ms, p.via, p.body FROM heartbeat_pings p
    WHERE p.heartbeat_id = :heartbeat_id AND (CAST(:before AS uuid) IS NULL OR p.id < :before)
    ORDER BY p.id DESC LIMIT :limit
""")

NEXT_DUE = text("SELECT min(due_at) FROM heartbeats WHERE due_at IS NOT NULL")


@dataclass(frozen=True, slots=True)
class Known:
    """A heartbeat with its beat, and whose alert it makes. `zone`: in which instants are told to people."""

    id: int
    key: str
    name: str
    severity: Any
    rhythm: Rhythm
    beat: Beat
    integration_id: int
    integration: str
    service_id: int
    service: str
    service_name: str
    enabled: bool
    zone: str
    token_hint: str


async def read(conn: AsyncConnection, ids: Collection[int]) -> list[Known]:
    """In the order of their keys."""
    return [_known(row) for row in await conn.execute(_READ, {"ids": list(ids)})]


async def lock(conn: AsyncConnection, ids: Collection[int]) -> list[Known]:
    return [_known(row) for row in await conn.execute(_LOCK, {"ids": list(ids)})]


async def lock_by_token(conn: AsyncConnection, token_hash: bytes) -> Known | None:
    return _one(list(await conn.execute(_LOCK_BY_TOKEN, {"hash": token_hash})))


async def lock_by_key(conn: AsyncConnection, key: str, integration_id: int) -> Known | None:
    return _one(list(await conn.execute(_LOCK_BY_KEY, {"key": key, "integration_id": integration_id})))


async def lock_by_neighbour(conn: AsyncConnection, key: str, integration_id: int) -> Known | None:
    """Of the service that this integration is bound to."""
    return _one(list(await conn.execute(_LOCK_BY_NEIGHBOUR, {"key": key, "integration_id": integration_id})))


async def claim(conn: AsyncConnection, now: datetime, limit: int) -> list[Known]:
    return [_known(row) for row in await conn.execute(_CLAIM, {"now": now, "limit": limit})]


async def ping_key(conn: AsyncConnection, now: datetime, key_hash: bytes) -> int | None:
    """The integration that a ping key opens, unless that is disabled."""
    row = (await conn.execute(_PING_KEY, {"hash": key_hash, "now": now})).one_or_none()
    return row.id if row is not None and row.enabled else None


async def keep(conn: AsyncConnection, beats: Sequence[tuple[int, Beat, datetime | None]]) -> None:
    """Writes beats as they are now: heartbeat id, beat, when it is due."""
    if beats:
        rows = [_row(beat) | {"id": heartbeat_id, "due_at": due_at} for heartbeat_id, beat, due_at in beats]
        await conn.execute(_KEEP, {"rows": dumps(rows)})


async def add_pings(conn: AsyncConnection, rows: Sequence[Mapping[str, Any]], kept: int) -> None:
    """Rows with the parameters of `_ADD_PING`; of each heartbeat the newest `kept` stay."""
    if rows:
        await conn.execute(_ADD_PING, [dict(row) for row in rows])
        of = {row["heartbeat_id"] for row in rows}
        await conn.execute(_FORGET_PINGS, [{"heartbeat_id": heartbeat_id, "kept": kept} for heartbeat_id in of])


async def pings(conn: AsyncConnection, heartbeat_id: int, before: UUID | None, limit: int) -> list[Any]:
    """Newest first."""
    return list(await conn.execute(_PINGS, {"heartbeat_id": heartbeat_id, "before": before, "limit": limit}))


def _row(beat: Beat) -> dict[str, Any]:
    return {name: getattr(beat, name) for name in Beat.__struct_fields__}


def _one(rows: list[Any]) -> Known | None:
    return _known(rows[0]) if rows else None


def _known(row: Any) -> Known:
    values = {name: getattr(row, name) for name in Beat.__struct_fields__}
    values["runs"] = {run: datetime.fromisoformat(at) for run, at in row.runs.items()}
    rhythm = rhythm_of(row.interval_s, row.cron, row.time_zone, row.grace_s)
    named = {name: getattr(row, name) for name in _SAME}
    return Known(rhythm=rhythm, beat=Beat(**values), **named)


_SAME = ("id", "key", "name", "severity", "integration_id", "integration", "service_id", "service", "service_name",
         "enabled", "zone", "token_hint")  # fmt: skip

"""Which integration a routing key opens. Looked up for every request, so kept in memory and read again in the moment.

A new key works at once (an unknown one makes us look again); a revoked one works for at most two seconds more. While
nobody can look, the keys that were known go on, and of any other nobody can tell.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from hashlib import sha256
from math import inf
from typing import Any

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from app import clock
from app.access.sealing import Unsealable, unseal
from app.access.secrets import Secrets
from app.access.signing import label
from app.db.engine import transaction
from app.ingest import store
from app.ingest.event import Entrance
from app.ingest.requests import Door, Unavailable

FRESH_S = 2.0
LOOK_AGAIN_S = 0.2
"""Looks for unknown keys are so far apart; who brings one waits."""

log = structlog.get_logger()


def door_of(row: Any) -> Door:
    """From a row of `ENTRANCES` or `ENTRANCE_OF`."""
    entrance = Entrance(
        row.id, row.source, row.service_id, frozenset(row.ignored_labels), row.resolve_timeout_s, row.mapping
    )
    return Door(entrance, row.key, row.stale_window_s, row.enabled)


def _unsealed(secrets: Secrets, row: Any) -> tuple[str, ...] | None:
    if row.sealed is None:
        return None
    found = []
    for sealed in row.sealed:
        try:
            found.append(unseal(secrets, label(row.id), bytes(sealed)))
        except Unsealable:
            log.error("signing_secret_not_readable", integration=row.key)
    return tuple(found)


class Entrances:
    """The routing keys that are valid now, by their SHA-256."""

    def __init__(self, engine: AsyncEngine, secrets: Secrets) -> None:
        self._engine = engine
        self._secrets = secrets
        self._doors: Mapping[bytes, Door] = {}
        self._read_at = -inf
        """Who came until then needs no other look: when the last one began, or when it failed."""
        self._failed = ""
        """Why the last look failed, if it did."""
        self._reading = asyncio.Lock()

    async def find(self, routing_key: str) -> Door | None:
        """The door of a key, or None where there is none. With the database away, what was known last still counts: the
        transaction that follows will tell. Raises `Unavailable` for any other key then: it may be good."""
        hashed, came_at = sha256(routing_key.encode("utf-8", "surrogatepass")).digest(), clock.elapsed()
        await self._read(since=came_at - FRESH_S)
        if hashed not in self._doors and self._read_at < came_at:  # it may have been made since
            await clock.pause(self._read_at + LOOK_AGAIN_S - clock.elapsed())
            await self._read(since=came_at)
        door = self._doors.get(hashed)
        if door is None and self._failed:
            raise Unavailable(self._failed)
        return door

    async def _read(self, *, since: float) -> None:
        """Unless a look began, or failed, since then."""
        if self._read_at >= since:
            return
        async with self._reading:
            if self._read_at >= since:
                return
            began = clock.elapsed()
            try:
                async with transaction(self._engine) as (conn, now):
                    rows = (await conn.execute(store.ENTRANCES, {"now": now})).all()
            except (SQLAlchemyError, OSError) as e:
                log.warning("entrances_not_read", error=repr(e))
                self._read_at, self._failed = clock.elapsed(), repr(e)
            else:
                self._doors = {
                    bytes(r.key_hash): replace(door_of(r), signing=_unsealed(self._secrets, r)) for r in rows
                }
                self._read_at, self._failed = began, ""

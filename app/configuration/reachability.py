"""Whether pages can reach those whom the configuration names."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from app.configuration import reachability_store
from app.directory import contacts


@dataclass(frozen=True, slots=True)
class Undeliverable:
    """Somebody whom a page would not reach: no contact method that is verified, not broken, on a configured channel."""

    key: str
    name: str
    places: list[str]
    """What pages this person: `policy checkout`, `schedule payments`, `last resort`."""


async def undeliverable(conn: AsyncConnection, channels: Collection[str], now: datetime) -> list[Undeliverable]:
    """In the order of their keys. `channels`: the names of the configured ones."""
    places = await reachability_store.paged(conn, now)
    people = await contacts.people(conn, places, channels)
    found = [Undeliverable(p.key, p.name, places[p.id]) for p in people.values() if not p.reachable]
    return sorted(found, key=lambda person: person.key)

"""Whether pages can reach those whom the configuration names."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from app.configuration import reachability_store
from app.directory import contacts
from app.proof import reach_store, reachability


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


@dataclass(frozen=True, slots=True)
class Paged:
    """Who is paged by the configuration: how many, and those of them whom one failure would make unreachable."""

    everybody: int
    partly: list[reachability.Person]


async def hardly(conn: AsyncConnection, channels: Collection[str], now: datetime) -> Paged:
    """In the order of their keys. `channels`: the names of the configured ones."""
    places = await reachability_store.paged(conn, now)
    found = await reachability.of(conn, now, channels, places)
    return Paged(len(found), [p for p in found if p.reach.level == "partly"])


async def left(conn: AsyncConnection) -> list[Undeliverable]:
    """Who is not active any more and is still named by a policy, by their keys."""
    return [Undeliverable(key, name, places) for key, name, places in await reach_store.left_in_policies(conn)]

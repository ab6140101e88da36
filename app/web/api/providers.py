"""`/providers`: who carries texts and calls, in which order, and how each fares with which numbers."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from fastapi import APIRouter

from app.channels.channel import Channel
from app.channels.several import Several
from app.notifications import health_store
from app.notifications.health import State
from app.web.auth import permission
from app.web.dependencies import ChannelsGiven, Tx
from app.web.models import Answer

router = APIRouter(tags=["providers"])


class PrefixHealth(Answer):
    """How a provider fares with numbers that begin so. `passed over`: until `until` nothing is sent by it while there
    is another provider; `to be tried`: the next message tries it again. `outcomes`: of the last messages, the newest
    last: a accepted, d delivered, f not taken, u taken and not delivered. `code` and `because`: of the last failure."""

    prefix: str
    state: State
    since: datetime | None
    until: datetime | None
    outcomes: str
    code: str
    because: str
    changed_at: datetime


class ProviderAnswer(Answer):
    """`positions`: its place in the order, from 1, by number prefix; `""` is every other number. `health` names the
    prefixes of which there is something to say; of all others it is held to work."""

    channel: str
    provider: str
    positions: dict[str, int]
    health: list[PrefixHealth]


class Providers(Answer):
    items: list[ProviderAnswer]


@router.get("/providers", dependencies=[permission("incidents.read")])
async def list_providers(tx: Tx, channels: ChannelsGiven) -> Providers:
    """All that are configured, by channel in their order."""
    known: dict[tuple[str, str], list[PrefixHealth]] = {}
    for row in await health_store.rows(tx.conn):
        known.setdefault((row.channel, row.provider), []).append(_health(row, tx.now))
    return Providers(items=[p for name, c in channels.items() for p in _of(name, c, known)])


def _of(name: str, channel: Channel, known: Mapping[tuple[str, str], list[PrefixHealth]]) -> list[ProviderAnswer]:
    if not isinstance(channel, Several):
        return []
    return [
        ProviderAnswer(
            channel=name,
            provider=provider,
            positions={p: order.index(provider) + 1 for p, order in channel.orders.items() if provider in order},
            health=known.get((name, provider), []),
        )
        for provider in channel.providers
    ]


def _health(row: Any, now: datetime) -> PrefixHealth:
    health = health_store.health_of(row)
    return PrefixHealth(
        prefix=row.prefix,
        state=health.state(now),
        since=health.over_since,
        until=health.over_until,
        outcomes=health.outcomes,
        code=health.code,
        because=health.because,
        changed_at=row.changed_at,
    )

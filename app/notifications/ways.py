"""Which provider carries a message, and how much each may have in flight: a provider that hangs holds up its own only.

What is in flight is known to this worker alone; how providers fare (`health.py`) is known to all of them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app import clock
from app.channels.channel import Channel
from app.channels.several import Several, provider_of
from app.notifications import health_store
from app.notifications.claiming import Parcel, Room
from app.notifications.health import WORKING, Health, choose
from app.notifications.health_store import Key

ROOM: Final = 25
"""Messages in flight per provider."""
STALLED_S: Final = 3.0
"""A provider that keeps a message waiting for so long gets no other one while another provider has room."""

_USED = text("""
    SELECT DISTINCT notification_id, provider FROM attempts
    WHERE notification_id = ANY (CAST(:ids AS uuid[])) AND provider <> ''
""")


@dataclass(frozen=True, slots=True)
class Way:
    """Who carries a message. `provider` and `prefix` are empty where the channel has just one provider, which is
    nobody's choice."""

    channel: str
    provider: str = ""
    prefix: str = ""
    health: Health = WORKING
    elsewhere: bool = False
    """Where this provider fails, another one that has not failed with this message may take it."""

    @property
    def key(self) -> Key:
        return self.channel, self.provider, self.prefix


class Ways:
    """Of one worker. `freed` is told when a provider that was full has room again."""

    def __init__(self, channels: Mapping[str, Channel], freed: Callable[[], None]) -> None:
        self._channels = channels
        self._freed = freed
        self._flying: dict[tuple[str, str], dict[UUID, float]] = defaultdict(dict)

    def provider(self, way: Way) -> Channel:
        """Who sends on this way. The channel itself, for a provider that is not configured any more."""
        channel = self._channels[way.channel]
        return provider_of(channel, way.provider) or channel

    def way_of(self, channel: str, provider: str, address: str) -> Way:
        """The way of an attempt that another worker began."""
        several = self._channels[channel]
        if not isinstance(several, Several):
            return Way(channel)
        return Way(channel, provider, several.health_prefix(address), elsewhere=len(several.ways(address)) > 1)

    def started(self, way: Way, attempt_id: UUID) -> None:
        self._flying[way.channel, way.provider][attempt_id] = clock.elapsed()

    def ended(self, way: Way, attempt_id: UUID) -> None:
        flying = self._flying[way.channel, way.provider]
        if len(flying) == ROOM:
            self._freed()
        flying.pop(attempt_id, None)

    def room(self) -> Room:
        """What may be claimed now."""
        channels, full, places = [], [], 0
        for name, channel in self._channels.items():
            orders = channel.orders if isinstance(channel, Several) else {"": ("",)}
            open_here = {prefix: self._open(name, order) for prefix, order in orders.items()}
            if any(open_here.values()):
                channels.append(name)
                places += ROOM * len({p for order in orders.values() for p in order if self._has_room(name, p)})
            if not all(open_here.values()):
                full += [(name, prefix, not is_open) for prefix, is_open in open_here.items()]
        return Room(channels, places, full)

    async def choose(self, conn: AsyncConnection, now: datetime, parcels: Sequence[Parcel]) -> list[Way]:
        """A way for each parcel. At most one message of all workers' goes to a provider that was passed over."""
        routed = {c for p in parcels if isinstance(self._channels[c := p[0].channel], Several)}
        if not routed:
            return [Way(p[0].channel) for p in parcels]
        healths = await health_store.healths(conn, routed)
        used = await self._used(conn, [p[0].id for p in parcels if p[0].channel in routed and _tries(p)])
        return [await self._way(conn, now, p, healths, used.get(p[0].id, frozenset())) for p in parcels]

    async def _way(
        self, conn: AsyncConnection, now: datetime, parcel: Parcel, healths: dict[Key, Health], used: frozenset[str]
    ) -> Way:
        row = parcel[0]
        several = self._channels[row.channel]
        if not isinstance(several, Several):
            return Way(row.channel)
        names, prefix = several.ways(row.address), several.health_prefix(row.address)
        stalled = {name for name in names if self._stalled(row.channel, name)}
        elsewhere = len(set(names) - used) > 1 and _tries(parcel) <= len(names)
        while True:
            known = {name: healths.get((row.channel, name, prefix), WORKING) for name in names}
            chosen = choose(names, known, now, used=used, stalled=stalled)
            way = Way(row.channel, chosen, prefix, known[chosen], elsewhere)
            if len(names) == 1 or known[chosen].state(now) != "to be tried":
                return way
            on_trial = await health_store.try_again(conn, now, way.key)
            if on_trial is None:
                on_trial = (await health_store.healths(conn, {row.channel})).get(way.key, WORKING)
                healths[way.key] = on_trial
                continue
            healths[way.key] = on_trial
            return Way(row.channel, chosen, prefix, on_trial, elsewhere)

    async def _used(self, conn: AsyncConnection, notification_ids: Sequence[UUID]) -> dict[UUID, frozenset[str]]:
        found: dict[UUID, frozenset[str]] = {}
        if notification_ids:
            for r in await conn.execute(_USED, {"ids": list(notification_ids)}):
                found[r.notification_id] = found.get(r.notification_id, frozenset()) | {r.provider}
        return found

    def _has_room(self, channel: str, provider: str) -> bool:
        return len(self._flying[channel, provider]) < ROOM

    def _stalled(self, channel: str, provider: str) -> bool:
        oldest = next(iter(self._flying[channel, provider].values()), None)
        return oldest is not None and clock.elapsed() - oldest > STALLED_S

    def _open(self, channel: str, order: Sequence[str]) -> bool:
        """Whether a message of this order can start: the first of its providers that does not hang has room, or, where
        all of them hang, any."""
        lively = [p for p in order if not self._stalled(channel, p)]
        return any(self._has_room(channel, p) for p in (lively[:1] or order))


def _tries(parcel: Parcel) -> int:
    return max(int(r.tries) for r in parcel)

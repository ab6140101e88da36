"""One channel and the providers that can carry it, in the order in which they are to be asked.

The order may differ by the prefix of a number; the longest prefix that fits decides. Which of them is passed over for a
while, and who goes on where another failed, is for `notifications` to decide: it sees how messages fared.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

import phonenumbers

from app.channels.channel import Askable, Capability, Channel, Message, Sent

EVERY_PREFIX: Final = ""


class Several:
    """A channel whose messages any of its providers may carry. `orders`: provider names by prefix; the one of
    `EVERY_PREFIX` is there always."""

    def __init__(
        self, capability: Capability, providers: Mapping[str, Channel], orders: Mapping[str, Sequence[str]]
    ) -> None:
        self.capability = capability
        self.providers = dict(providers)
        self.orders: Mapping[str, tuple[str, ...]] = {
            prefix: tuple(orders[prefix]) for prefix in sorted(orders, key=len, reverse=True)
        }

    def route(self, to: str) -> str:
        """The prefix whose order counts for this address."""
        return next(prefix for prefix in self.orders if to.startswith(prefix))

    def ways(self, to: str) -> tuple[str, ...]:
        """The providers for this address, the preferred one first."""
        return self.orders[self.route(to)]

    def health_prefix(self, to: str) -> str:
        """What how a provider fares is kept for: the prefix that has an order of its own, else the country's."""
        return self.route(to) or country_prefix(to)

    def normalise(self, address: str) -> str:
        return self._first.normalise(address)

    async def send(self, message: Message) -> Sent:
        """By the preferred provider, and no other."""
        return await self.providers[self.ways(message.to)[0]].send(message)

    async def find(self, message: Message, since: datetime) -> Sent | None:
        """At the preferred provider."""
        return await self.providers[self.ways(message.to)[0]].find(message, since)

    async def close(self) -> None:
        for provider in self.providers.values():
            await provider.close()

    @property
    def _first(self) -> Channel:
        return self.providers[self.orders[EVERY_PREFIX][0]]


def country_prefix(number: str) -> str:
    """`+` and the country code of a number in E.164; empty for what is none.

    >>> country_prefix("+4915112345001"), country_prefix("+15005550006"), country_prefix("ana@example.org")
    ('+49', '+1', '')
    """
    if not number.startswith("+"):
        return ""
    try:
        return f"+{phonenumbers.parse(number, None).country_code}"
    except phonenumbers.NumberParseException:
        return ""


def provider_of(channel: Channel, name: str) -> Channel | None:
    """The provider of a channel that has this name; a channel that has just one is its own."""
    return channel.providers.get(name) if isinstance(channel, Several) else channel


def askable(channel: Channel | None, name: str) -> Askable | None:
    """The provider of this name, if it can be asked later about what it took."""
    found = None if channel is None else provider_of(channel, name)
    return found if isinstance(found, Askable) else None

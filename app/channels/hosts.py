"""The host policy: who may be called at an address that somebody typed."""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from app.settings import Settings

_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")

Resolve = Callable[[str], Awaitable[list[str]]]
"""A host to its addresses, best first. Raises OSError."""


@dataclass(frozen=True, slots=True)
class HostPolicy:
    """Who may be called. `trusted` are (host, port) pairs that the operator configured for this very client."""

    allow_private: bool = False
    trusted: frozenset[tuple[str, int]] = frozenset()

    @classmethod
    def of(cls, settings: Settings, *configured: str) -> HostPolicy:
        """The policy of the settings; `configured` are addresses (URLs) out of the settings, trusted wherever they are.

        A client that calls what users typed gets none, or users could reach the operator's inner addresses with it.
        """
        return cls(settings.allow_private_networks, frozenset(_origin(url) for url in configured if url))

    def permits(self, host: str, port: int, address: str) -> bool:
        """True when a connection to this resolved address, asked for under this name, is allowed."""
        return self.allow_private or (host.lower(), port) in self.trusted or _is_public(ipaddress.ip_address(address))


def trusting(*urls: str) -> HostPolicy:
    """The policy of a client that whoever runs it told where to go: these addresses, and public ones."""
    return HostPolicy(trusted=frozenset(_origin(url) for url in urls))


def _origin(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return (parts.hostname or "").lower(), parts.port or (443 if parts.scheme == "https" else 80)


def _is_public(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """False for private, loopback, link-local (with the metadata services), shared, reserved and multicast, and for
    IPv6 forms that carry such an IPv4 address inside."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.scope_id:
            return False
        inner = address.ipv4_mapped or address.sixtofour
        if inner is None and address in _NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return _is_public(inner)
    return address.is_global and not address.is_multicast and not address.is_reserved

"""Connections whose other end is gone without a word: a host that lost its power, a network that is cut, a standby that
has taken over under another address.

TCP alone takes 15 minutes to notice what was sent in vain, and never ends a wait for an answer; PostgreSQL keeps the
transaction of a client that is gone, with the rows that it locked, for two hours. So both ends look: after 10 s of
silence every 5 s, and whoever gets no sign for 20 s ends the connection. A process that is there and does nothing (a
container that is frozen) answers such questions; its transaction is ended when it has been idle for 30 s.
Sources: PostgreSQL, "Connections and Authentication", TCP settings, and "Client Connection Defaults"; tcp(7).
"""

from __future__ import annotations

import socket
from datetime import timedelta
from typing import Final

import asyncpg

IDLE: Final = timedelta(seconds=10)
EVERY: Final = timedelta(seconds=5)
GONE_AFTER: Final = timedelta(seconds=20)
LEFT_LYING: Final = timedelta(seconds=30)
"""A transaction in which nobody asks anything for so long. No call to the outside is made while one is open, so none of
ours takes so long."""

_SECOND: Final = timedelta(seconds=1)
_MILLISECOND: Final = timedelta(milliseconds=1)
_COUNT: Final = GONE_AFTER // EVERY

OPTIONS: Final = {
    "TCP_KEEPIDLE": IDLE // _SECOND,
    "TCP_KEEPINTVL": EVERY // _SECOND,
    "TCP_KEEPCNT": _COUNT,
    "TCP_USER_TIMEOUT": GONE_AFTER // _MILLISECOND,
}
"""Of the socket here; what a system does not have is left out."""

SETTINGS: Final = {
    "tcp_keepalives_idle": IDLE // _SECOND,
    "tcp_keepalives_interval": EVERY // _SECOND,
    "tcp_keepalives_count": _COUNT,
    "tcp_user_timeout": GONE_AFTER // _MILLISECOND,
    "idle_in_transaction_session_timeout": LEFT_LYING // _MILLISECOND,
}
"""Of the session, for the other end. Set by statements: a pooler refuses to begin a session with them."""

_SET: Final = "; ".join(f"SET {name} = {value}" for name, value in SETTINGS.items())


async def watch(driver: asyncpg.Connection) -> None:
    """Both ends of a new connection look whether the other is there. Raises what asyncpg raises."""
    line = driver._transport.get_extra_info("socket")  # asyncpg has no other way to it (its issue 606)
    if line is not None and line.family in (socket.AF_INET, socket.AF_INET6):
        line.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in OPTIONS.items():
            if (option := getattr(socket, name, None)) is not None:
                line.setsockopt(socket.IPPROTO_TCP, option, value)
    await driver.execute(_SET)

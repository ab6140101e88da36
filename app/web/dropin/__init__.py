"""Doors that answer as another vendor's API does, so that a sender changes one URL and nothing else.

A vendor's door knows its paths, finds the routing key where that vendor's senders put theirs, hands the body to the
same desk as every other door, and says what came of it in the vendor's words. What it knows beside the body (which
alert, which action) goes to the adapter as pseudo-headers, whose names no sender can use: `:action`, `:alias`, and
`:request`, a fresh id for what comes without a key.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from app.web.intake_body import Receive
from app.web.intake_desk import Scope, Send


@dataclass(frozen=True, slots=True)
class Call:
    """A request to a drop-in endpoint. `path` begins with `/v2/` and is still percent-encoded; `key` is the routing key
    of the prefix, if any."""

    method: str
    path: str
    key: str | None
    headers: dict[str, str]
    scope: Scope
    receive: Receive


class DropIn(Protocol):
    """One vendor's door."""

    source: str

    def knows(self, path: str) -> bool:
        """Whether a decoded path, from `/v2/` on, is this vendor's."""
        ...

    async def answer(self, call: Call, send: Send) -> int:
        """Answers it whatever it is and returns the status. Raises `Gone`."""
        ...

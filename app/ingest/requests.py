"""A request of a sender on its way through group commit, and what is answered to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import Struct

from app.ingest.event import Entrance, Parsed

NIL = UUID(int=0)
NOTHING = Parsed(())


class Unavailable(Exception):
    """The store cannot take it now, or cannot tell whose it is; the sender is asked to come again."""


@dataclass(frozen=True, slots=True)
class Door:
    """An integration as its routing key opens it."""

    entrance: Entrance
    key: str
    stale_window_s: int
    enabled: bool
    signing: Sequence[str] | None = None
    """The secrets one of which must have signed what comes in, newest first; None: nothing is signed."""


@dataclass(slots=True)
class Request:
    """One authenticated request. The first three are what came; the rest is set by the transaction that takes it:
    `error` says why the body as a whole could not be parsed.

    `refusal`: status and reason of a request that was refused before anybody parsed it; it gets a receipt all the same.
    """

    door: Door
    body: bytes
    headers: Mapping[str, str]
    refusal: tuple[int, str] | None = None
    receipt_id: UUID = NIL
    parsed: Parsed = NOTHING
    error: str | None = None
    status: int = 202
    read_at: datetime | None = None
    """As of when the body was parsed; None: not yet."""
    test: bool = False
    """Pressed by a person: whatever is in it is marked, and pages nobody."""

    @property
    def weight(self) -> int:
        """About how many events it brings, before anybody has parsed it."""
        return 1 + len(self.body) // 700


class Answer(Struct, frozen=True, gc=False):
    """What became of a request: `outcomes` as in its receipt, `[[index, code, alert id or null], ...]`."""

    receipt_id: UUID
    status: int
    outcomes: Sequence[Sequence[Any]] = ()
    error: str | None = None
    refused: Sequence[str] = ()
    """Why single events of it were refused."""


@dataclass(slots=True)
class Received:
    """A batch, committed: the answers in the order of the requests, and whether a worker has something to do."""

    answers: list[Answer] = field(default_factory=list)
    wake: bool = False
    now: datetime | None = None
    """The instant of its transaction."""

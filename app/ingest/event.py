"""Event: one message from a source about one problem, normalised and immutable. What an adapter returns.

Adapters are pure: `parse(body, headers, entrance, now) -> Parsed`. They import nothing but this file and the
standard library (plus msgspec), never a database, the web or a clock.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from msgspec import Struct

TEST_LABEL = "tocsin_test"
"""The label that, being `true`, makes an alert page nobody."""

EventKind = Literal["firing", "resolved", "acknowledged"]
Severity = Literal["critical", "error", "warning", "info", "none"]


class Event(Struct, frozen=True, gc=False):
    """One problem as its source told it. A msgspec struct: it is made for every alert that comes in.

    `dedup_key` is the source's fingerprint, alias or key, else the hash of the labels (behaviour.md 2), at most 255
    characters. `starts_at` is when the problem began by the source's clock; `ends_at` is the end of a resolved event,
    for a firing one the instant at which it expires if nothing renews it (None: never). `details` keeps every member
    of the source's message that has no field of its own. Instants are aware and in UTC.
    """

    kind: EventKind
    dedup_key: str
    fingerprint: str
    title: str
    severity: Severity
    labels: Mapping[str, str]
    starts_at: datetime
    ends_at: datetime | None = None
    annotations: Mapping[str, str] = {}
    details: Mapping[str, Any] = {}
    links: tuple[tuple[str, str], ...] = ()
    """(address, text) pairs: generator, dashboard, runbook as the source gave them; http and https only."""
    terse: bool = False
    """It names an alert by its key and says nothing of it: title, labels, annotations and links only stand in for an
    alert that nobody knows; else what was told before stands."""


@dataclass(frozen=True, slots=True)
class Noticed:
    """An event that nobody sent: silence was noticed, or its end; with what is needed of its integration."""

    event: Event
    integration_id: int
    integration_key: str
    source: str
    service_id: int


@dataclass(frozen=True, slots=True)
class Refused:
    """An event of an otherwise good body that cannot be used; it goes to quarantine alone."""

    index: int
    error: str
    fragment: Any


class Parsed(Struct, frozen=True, gc=False):
    """What became of a body: usable events with their index in it, and the refused ones. `note`: for whoever looks at
    the receipt, when something of it was left out on purpose."""

    events: tuple[tuple[int, Event], ...]
    refused: tuple[Refused, ...] = ()
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Entrance:
    """What an adapter may know of the integration it parses for."""

    integration_id: int
    source: str
    service_id: int
    ignored_labels: frozenset[str] = frozenset()
    resolve_timeout_s: int = 300
    mapping: Mapping[str, Any] | None = None


class Unparsable(Exception):
    """The body as a whole is not what this source sends. The sender gets this text, several reasons on a line each,
    with 400, or 422 where its vendor answers that to what is JSON and cannot be right."""

    def __init__(self, text: str, status: int = 400) -> None:
        super().__init__(text)
        self.status = status


Parse = Callable[[bytes, Mapping[str, str], Entrance, datetime], Parsed]
"""An adapter. `headers` has lower-case names. Raises `Unparsable` when nothing of the body can be used."""

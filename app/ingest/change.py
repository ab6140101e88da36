"""A change as its source told it: a deployment, a switched flag, a new configuration. No alert, but often its cause."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Change:
    """`summary` is one line; `at` is when it happened by the source's clock, never later than it was received, aware
    and in UTC; `links` are (address, text) pairs, http and https only; `details` is whatever else was said."""

    summary: str
    at: datetime
    source: str | None = None
    links: tuple[tuple[str, str], ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)

"""What is known of an alert, put together as conditions see it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache

from app import hours
from app.rules.facts import Counts, Facts, ServiceFacts, TimeFacts

_ONE = Counts()


def facts(
    *,
    labels: Mapping[str, str],
    annotations: Mapping[str, str],
    severity: str,
    source: str,
    title: str,
    service: ServiceFacts,
    at: datetime,
    zone: str,
    in_support_hours: bool = True,
    counts: Counts = _ONE,
) -> Facts:
    """The facts of one alert at the instant `at`; `zone` is the organisation's, `counts` are the incident's.

    Raises `Invalid` for a zone that does not exist.
    """
    return Facts(
        time=_time(at, zone, in_support_hours),
        labels=labels,
        annotations=annotations,
        severity=severity,
        source=source,
        title=title,
        service=service,
        counts=counts,
    )


@lru_cache(64)
def _time(at: datetime, zone: str, in_support_hours: bool) -> TimeFacts:
    """The same for all alerts of a batch."""
    return TimeFacts.at(hours.local(at, hours.zone(zone)), in_support_hours=in_support_hours)

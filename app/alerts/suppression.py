"""What keeps an alert from paging, and by what. Pure. Suppressed alerts are stored with the reason (behaviour.md 10).

The built-in routing rules below hold for every source: a vendor's test button and signs of life page nobody.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from app.ingest.event import TEST_LABEL, Event


@dataclass(frozen=True, slots=True)
class Suppressed:
    """By what (`routing rule`, later silence, maintenance window, inhibition, hold), which one, and why in words."""

    by: str
    name: str
    because: str
    until: datetime | None = None
    """When it is to be looked at again; None: not by itself."""


@dataclass(frozen=True, slots=True)
class BuiltIn:
    name: str
    because: str
    matches: Callable[[Event], bool]


BUILT_IN: tuple[BuiltIn, ...] = (
    BuiltIn(
        "tocsin-test",
        f"it is a test: its label {TEST_LABEL} says so",
        lambda e: e.labels.get(TEST_LABEL) == "true",
    ),
    BuiltIn("severity-none", "the source gives it the severity none", lambda e: e.severity == "none"),
    BuiltIn("watchdog", "a Watchdog fires always: it is a sign of life", lambda e: _alertname(e) == "Watchdog"),
    BuiltIn(
        "grafana-test",
        "the test button of Grafana sent it",
        lambda e: _alertname(e) == "TestAlert" and e.labels.get("instance") == "Grafana",
    ),
)


def suppress(event: Event) -> Suppressed | None:
    """The first built-in routing rule that matches, or None."""
    for rule in BUILT_IN:
        if rule.matches(event):
            return Suppressed("routing rule", rule.name, rule.because)
    return None


def _alertname(event: Event) -> str:
    return event.labels.get("alertname", "")

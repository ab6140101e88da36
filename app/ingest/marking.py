"""Test events: what a sender would send, marked so that it pages nobody and touches no real alert.

A marked event has the label `tocsin_test=true`, which a built-in routing rule suppresses, a dedup key of its own, so
that a pasted resolve ends nothing, and an end, so that no test fires forever.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import msgspec

from app.ingest.event import TEST_LABEL, Event, Parsed

LASTS: Final = timedelta(minutes=5)
_TITLE = "Test from Tocsin"
_LABELS = {"alertname": "TocsinTest", "severity": "warning", TEST_LABEL: "true"}
_WEBHOOK = {
    "version": "4",
    "status": "firing",
    "receiver": "tocsin-test",
    "groupKey": "tocsin-test",
    "alerts": [{"status": "firing", "labels": _LABELS, "annotations": {"summary": _TITLE}}],
}
SAMPLES: Final[dict[str, Any]] = {
    "alertmanager": _WEBHOOK,
    "generic": {"title": _TITLE, "status": "firing", "severity": "warning", "dedup_key": "test", "labels": _LABELS},
    "grafana": _WEBHOOK | {"orgId": 1, "title": _TITLE, "state": "alerting"},
    "opsgenie": {"message": _TITLE, "alias": "tocsin-test", "priority": "P3"},
    "pagerduty": {
        "event_action": "trigger",
        "dedup_key": "tocsin-test",
        "payload": {"summary": _TITLE, "source": "tocsin", "severity": "warning"},
    },
    "prometheus": [{"labels": _LABELS, "annotations": {"summary": _TITLE}}],
}
"""By source, what such a sender sends. A source without one, or with a mapping, is tested with a pasted body."""


def marked(parsed: Parsed, receipt_id: UUID, now: datetime) -> Parsed:
    """The same events as tests, told apart by receipt and index."""
    events = tuple((index, _marked(event, f"tocsin-test/{receipt_id}/{index}", now)) for index, event in parsed.events)
    return Parsed(events, parsed.refused, parsed.note)


def _marked(event: Event, key: str, now: datetime) -> Event:
    firing = event.kind == "firing"
    return msgspec.structs.replace(
        event,
        dedup_key=key,
        labels={**event.labels, TEST_LABEL: "true"},
        starts_at=now if firing else event.starts_at,
        ends_at=now + LASTS if firing else event.ends_at,
    )

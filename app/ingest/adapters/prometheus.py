"""Prometheus, and whatever else speaks to Alertmanager: `POST /api/v2/alerts`, and `/api/v1/alerts` of Prometheus 2.

Format: prometheus/alertmanager api/v2/openapi.yaml (postableAlerts). Rules for labels and times as Alertmanager's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from app.ingest.adapters.bounds import Unusable, checked_annotations, checked_labels
from app.ingest.adapters.details import details_of
from app.ingest.adapters.labels import dedup_key, fingerprint
from app.ingest.adapters.links import links_of
from app.ingest.adapters.severity import severity_of
from app.ingest.adapters.times import instant, start_of
from app.ingest.adapters.titles import title_of
from app.ingest.adapters.wire import collect, decode, kind_of
from app.ingest.event import Entrance, Event, Parsed, Unparsable

_LINKS = {"generatorURL": "Source"}
_TAKEN = frozenset({"labels", "annotations", "startsAt", "endsAt", "generatorURL"})


def parse(body: bytes, headers: Mapping[str, str], entrance: Entrance, now: datetime) -> Parsed:
    """One event per alert: firing until its end, resolved when that has passed."""
    alerts = decode(body)
    if type(alerts) is not list:
        raise Unparsable(f"Prometheus sends an array of alerts, not {kind_of(alerts)}")
    until = now + timedelta(seconds=entrance.resolve_timeout_s)
    ignored = entrance.ignored_labels

    def read(alert: dict[str, Any]) -> Event:
        labels, kept = _labels(alert.get("labels"))
        annotations = checked_annotations(alert.get("annotations"))
        starts_at, ends_at = _span(alert, until, now)
        links, odd = links_of(alert, _LINKS, annotations)
        own = fingerprint(labels)
        return Event(
            "resolved" if ends_at <= now else "firing",
            dedup_key(labels, own, ignored),
            own,
            title_of(labels, annotations),
            severity_of(labels.get("severity")),
            kept,
            starts_at,
            ends_at,
            annotations,
            details_of(alert, _TAKEN, odd, {}),
            links,
        )

    return collect(alerts, read)


def _labels(value: Any) -> tuple[dict[str, str], dict[str, str]]:
    """As sent and as kept. An empty value is the same as no label, in all of Prometheus' world."""
    labels, kept = checked_labels(value)
    if "" in labels.values():
        labels, kept = ({name: text for name, text in each.items() if text} for each in (labels, kept))
    if not labels:
        raise Unusable("at least one label pair required")
    return labels, kept


def _span(alert: dict[str, Any], until: datetime, now: datetime) -> tuple[datetime, datetime]:
    told_start = instant(alert.get("startsAt"), "startsAt")
    told_end = instant(alert.get("endsAt"), "endsAt")
    ends_at = told_end or until
    if told_start is not None and told_start > ends_at:
        raise Unusable("start time must be before end time")
    return start_of(told_start, ends_at, now), ends_at

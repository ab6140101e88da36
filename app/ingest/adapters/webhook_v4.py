"""The webhook body that Alertmanager defines (version 4) and Grafana extends: groups of alerts, each with a status."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from app.ingest.adapters.bounds import Unusable, checked_annotations, checked_labels, cut
from app.ingest.adapters.details import bounded, details_of
from app.ingest.adapters.labels import dedup_key, fingerprint
from app.ingest.adapters.links import links_of
from app.ingest.adapters.severity import severity_of
from app.ingest.adapters.times import instant, start_of
from app.ingest.adapters.titles import title_of
from app.ingest.adapters.wire import collect
from app.ingest.event import Event, EventKind, Parsed

_OWN_FIELDS = frozenset({"status", "labels", "annotations", "startsAt", "endsAt", "fingerprint"})
_DERIVED = frozenset({"alerts", "status", "commonLabels", "commonAnnotations"})
"""Members of a body that only repeat what its alerts say."""


def read_alerts(body: dict[str, Any], links: Mapping[str, str], ignored: frozenset[str], now: datetime) -> Parsed:
    """The events of a body; `links` names the members of an alert that hold an address, with the text to show."""
    shared = bounded({name: value for name, value in body.items() if name not in _DERIVED})
    taken = _OWN_FIELDS.union(links)

    def read(alert: dict[str, Any]) -> Event:
        labels, kept = checked_labels(alert.get("labels"))
        if not labels:
            raise Unusable("the alert has no labels")
        annotations = checked_annotations(alert.get("annotations"))
        kind, ends_at = _kind_and_end(alert, now)
        found, odd = links_of(alert, links, annotations)
        own = alert.get("fingerprint")
        if type(own) is not str or not own:
            own = fingerprint(labels)
        return Event(
            kind,
            dedup_key(labels, own, ignored),
            cut(own, 255),
            title_of(labels, annotations),
            severity_of(labels.get("severity")),
            kept,
            start_of(instant(alert.get("startsAt"), "startsAt"), ends_at, now),
            ends_at,
            annotations,
            details_of(alert, taken, odd, shared),
            found,
        )

    return collect(body["alerts"], read)


def _kind_and_end(alert: dict[str, Any], now: datetime) -> tuple[EventKind, datetime | None]:
    status = alert.get("status")
    if status == "firing":
        return "firing", None  # Alertmanager and Grafana tell an end of resolved alerts only
    if status == "resolved":
        return "resolved", instant(alert.get("endsAt"), "endsAt") or now
    raise Unusable(f"status must be firing or resolved, not {cut(repr(status), 60)}")

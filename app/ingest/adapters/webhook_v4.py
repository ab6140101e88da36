"""The webhook body that Alertmanager defines (version 4) and Grafana extends: groups of alerts, each with a status.

Such senders repeat themselves: an alert that is byte for byte one of the last few thousand is not read a second time.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import msgspec
from msgspec.structs import replace

from app.ingest.adapters.bounds import MAX_ALERTS, Unusable, checked_annotations, checked_labels, cut
from app.ingest.adapters.details import bounded, details_of
from app.ingest.adapters.labels import dedup_key, fingerprint
from app.ingest.adapters.links import links_of
from app.ingest.adapters.severity import severity_of
from app.ingest.adapters.times import instant, start_of
from app.ingest.adapters.titles import title_of
from app.ingest.adapters.wire import collect, members_of
from app.ingest.event import Event, EventKind, Parsed

_OWN_FIELDS = frozenset({"status", "labels", "annotations", "startsAt", "endsAt", "fingerprint"})
_DERIVED = frozenset({"alerts", "status", "commonLabels", "commonAnnotations"})
"""Members of a body that only repeat what its alerts say."""
_REMEMBERED = 4_096
_REMEMBERED_UP_TO = 2_048
"""Alerts, and the bytes of one: usual ones take 12 MB in all."""
_ALERTS = msgspec.json.Decoder(list[msgspec.Raw])
_VALUE = msgspec.json.Decoder()


_UNTOLD = datetime.min.replace(tzinfo=UTC)
"""Stands where a message tells no instant, until `now` is known: what is remembered must not depend on it."""


class _Shared:
    """What the alerts of a body have in common, for their details. Equal only to itself: equal bytes give it again."""

    def __init__(self, members: Mapping[str, Any]) -> None:
        self.details = bounded({name: value for name, value in members.items() if name not in _DERIVED})


class WebhookV4:
    """A reader of such bodies; `links` names the members of an alert that hold an address, with the text to show."""

    def __init__(self, links: Mapping[str, str]) -> None:
        self._links = links
        self._taken = _OWN_FIELDS.union(links)
        self._remembered = lru_cache(_REMEMBERED)(self._read_bytes)

    def read(self, message: dict[str, Any], ignored: frozenset[str], now: datetime) -> Parsed:
        """The events of a decoded body."""
        shared = _Shared(message)
        return collect(message["alerts"], lambda alert: _dated(self._read(alert, shared, ignored), now))

    def read_quickly(self, body: bytes, ignored: frozenset[str], now: datetime) -> Parsed | None:
        """The same from its bytes; None when something about it is unusual: then it is to be decoded and read."""
        try:
            members = members_of(body)
            alerts = _ALERTS.decode(members.pop("alerts"))
            told = tuple([(name, bytes(raw)) for name, raw in members.items() if name not in _DERIVED])
            if len(alerts) > MAX_ALERTS or sum([len(raw) for _, raw in told]) > _REMEMBERED_UP_TO:
                return None
            shared = _shared(told)
            remembered, anew = self._remembered, self._read_bytes
            found = [
                (remembered if len(raw) <= _REMEMBERED_UP_TO else anew)(raw, shared, ignored)
                for raw in map(bytes, alerts)
            ]
        except (KeyError, msgspec.DecodeError, UnicodeDecodeError, RecursionError, Unusable):
            return None
        return Parsed(tuple([(index, _dated(event, now)) for index, event in enumerate(found)]))

    def _read_bytes(self, raw: bytes, shared: _Shared, ignored: frozenset[str]) -> Event:
        alert = _VALUE.decode(raw)
        if type(alert) is not dict:
            raise Unusable("an alert must be an object")
        return self._read(alert, shared, ignored)

    def _read(self, alert: dict[str, Any], shared: _Shared, ignored: frozenset[str]) -> Event:
        """The event as told, whenever that is: `_dated` sets the instants that were not."""
        labels, kept = checked_labels(alert.get("labels"))
        if not labels:
            raise Unusable("the alert has no labels")
        annotations = checked_annotations(alert.get("annotations"))
        kind, ends_at = _kind_and_end(alert)
        starts_at = instant(alert.get("startsAt"), "startsAt")
        found, odd = links_of(alert, self._links, annotations)
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
            start_of(starts_at, None if ends_at is _UNTOLD else ends_at, _UNTOLD),
            ends_at,
            annotations,
            details_of(alert, self._taken, odd, shared.details),
            found,
        )


@lru_cache(1_024)
def _shared(members: tuple[tuple[str, bytes], ...]) -> _Shared:
    return _Shared({name: _VALUE.decode(raw) for name, raw in members})


def _dated(event: Event, now: datetime) -> Event:
    if event.starts_at is not _UNTOLD and event.ends_at is not _UNTOLD:
        return event
    ends_at = now if event.ends_at is _UNTOLD else event.ends_at
    starts_at = None if event.starts_at is _UNTOLD else event.starts_at
    return replace(event, starts_at=start_of(starts_at, ends_at, now), ends_at=ends_at)


def _kind_and_end(alert: dict[str, Any]) -> tuple[EventKind, datetime | None]:
    status = alert.get("status")
    if status == "firing":
        return "firing", None  # Alertmanager and Grafana tell an end of resolved alerts only
    if status == "resolved":
        return "resolved", instant(alert.get("endsAt"), "endsAt") or _UNTOLD
    raise Unusable(f"status must be firing or resolved, not {cut(repr(status), 60)}")

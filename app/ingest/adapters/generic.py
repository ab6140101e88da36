"""Our own JSON, for whatever can send an HTTP request: one object, or an array of them.

    {"title": "Disk full on db-1", "status": "firing", "dedup_key": "disk/db-1"}

Also: description, severity, source, labels, annotations, fingerprint, runbook, links ([{"href", "text"}] or addresses),
starts_at, ends_at. Anything else is kept in the details. With a mapping (`mapping.py`) any JSON will do; CloudEvents
(`cloudevents.py`) are opened before either.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from app.ingest.adapters import bodies, cloudevents, mapped, sns
from app.ingest.adapters.bounds import Unusable, check_names, checked_annotations, cut, cut_labels
from app.ingest.adapters.details import as_text, details_of
from app.ingest.adapters.labels import dedup_key, fingerprint
from app.ingest.adapters.links import Links, is_address, links_of
from app.ingest.adapters.severity import severity_of
from app.ingest.adapters.times import instant_or_unix, start_of
from app.ingest.adapters.titles import one_line, title_of
from app.ingest.adapters.wire import collect, kind_of
from app.ingest.event import Entrance, Event, EventKind, Parsed, Severity, Unparsable

_WORDS: dict[EventKind, str] = {
    "firing": "firing alerting trigger triggered problem open active down critical warning error 1 true",
    "resolved": "resolved resolve ok recovery recovered closed close up normal clear cleared 0 false",
    "acknowledged": "acknowledge acknowledged ack",
}
_KINDS = {word: kind for kind, words in _WORDS.items() for word in words.split()}
_MAX_LINKS = 20
_TAKEN = frozenset(
    {"title", "description", "status", "severity", "dedup_key", "labels", "links", "starts_at", "ends_at"}
    | {"annotations", "fingerprint", "runbook"}
)


def parse(body: bytes, headers: Mapping[str, str], entrance: Entrance, now: datetime) -> Parsed:
    """One event per object, or as the mapping has it."""
    message, envelopes = opened(body, headers)
    if (note := sns.handshake(message)) is not None:
        return Parsed((), note=note)
    if entrance.mapping is not None:
        return mapped.read(message if envelopes is None else envelopes, headers, entrance, now, event_of)
    if envelopes is not None:
        return collect(envelopes, lambda one: event_of(cloudevents.opened(one), entrance.ignored_labels, now))
    if type(message) is dict:
        message = [message]
    elif type(message) is not list:
        raise Unparsable(f"an object or an array of objects is expected, not {kind_of(message)}")
    return collect(message, lambda alert: event_of(alert, entrance.ignored_labels, now))


def opened(body: bytes, headers: Mapping[str, str]) -> tuple[Any, list[Any] | None]:
    """The decoded body, and the CloudEvents in it; None when it has none. Raises `Unparsable`."""
    message = bodies.read(body, headers)
    return message, cloudevents.envelopes(message, headers)


def event_of(
    alert: dict[str, Any], ignored: frozenset[str], now: datetime, details: Mapping[str, Any] | None = None
) -> Event:
    """The event that an object of our own JSON is. `details`: instead of its other members. Raises `Unusable`."""
    labels = _labels(alert.get("labels"))
    key, hashed = _identity(alert, labels, ignored)
    annotations = _annotations(alert)
    kind, starts_at, ends_at = _when(alert, now)
    links, odd = _links(alert.get("links"))
    links += links_of({}, {}, annotations)[0]
    if details is None:
        kept = {"links": odd} if odd else {}
        if type(alert.get("runbook")) in (dict, list):
            kept["runbook"] = alert["runbook"]
        details = details_of(alert, _TAKEN, kept, {})
    return Event(
        kind,
        key,
        hashed,
        one_line(_text(alert, "title")) or (title_of(labels, {}) if labels else one_line(key) or "Alert"),
        _severity(alert, labels),
        cut_labels(labels),
        starts_at,
        ends_at,
        annotations,
        details,
        links,
        terse=kind != "firing" and not labels and not alert.get("title"),
    )


def _annotations(alert: dict[str, Any]) -> dict[str, str]:
    told = alert.get("annotations")
    annotations = dict(told) if type(told) is dict else {"annotations": told} if told else {}
    for member, name in (("description", "description"), ("runbook", "runbook_url")):
        if alert.get(member) and (member != "runbook" or type(alert[member]) is str):
            annotations[name] = alert[member]
    return checked_annotations(annotations)


def _labels(value: Any) -> dict[str, str]:
    """Numbers and booleans become text, null is no label."""
    if value is None:
        return {}
    if type(value) is not dict:
        raise Unusable('labels must be an object such as {"host": "db-1"}')
    labels = {name: text for name, text in value.items() if text is not None}
    check_names(labels)
    for name, text in labels.items():
        if type(text) in (dict, list):
            raise Unusable(f"the value of label {name!r} must be a string, a number or a boolean")
        labels[name] = as_text(text)
    return labels


def _identity(alert: dict[str, Any], labels: dict[str, str], ignored: frozenset[str]) -> tuple[str, str]:
    """Dedup key and fingerprint. A key the sender chose stands, whatever labels are ignored."""
    key, source, own = _text(alert, "dedup_key"), _text(alert, "source"), _text(alert, "fingerprint")
    if not key and not labels and not own:
        raise Unusable(
            "neither dedup_key nor labels tell which problem this is; send the same dedup_key with every message"
            ' about one problem, e.g. "dedup_key": "disk/db-1"'
        )
    counted = labels | {"__source__": source} if source else labels
    hashed = cut(own, 255) if own else fingerprint(counted)
    if key:
        return dedup_key({}, key, frozenset()), hashed
    if own:
        return dedup_key(labels, own, ignored), hashed
    return dedup_key(counted, hashed, ignored if not ignored.issuperset(labels) else frozenset()), hashed


def _when(alert: dict[str, Any], now: datetime) -> tuple[EventKind, datetime, datetime | None]:
    """An end that lies ahead is when a firing event expires; without a status an end that has passed resolves."""
    told_start = instant_or_unix(alert.get("starts_at"), "starts_at")
    ends_at = instant_or_unix(alert.get("ends_at"), "ends_at")
    past = ends_at is not None and ends_at <= now
    status = alert.get("status")
    kind: EventKind | None = "resolved" if past else "firing"
    if status is not None and status != "":
        kind = _KINDS.get(as_text(status).strip().lower())
    if kind is None:
        raise Unusable(f"status must be firing, resolved or acknowledged, not {cut(as_text(status), 60)!r}")
    if kind == "resolved":
        ends_at = ends_at or now
    elif past or kind == "acknowledged":
        ends_at = None
    return kind, start_of(told_start, ends_at, now), ends_at


def _severity(alert: dict[str, Any], labels: dict[str, str]) -> Severity:
    told = alert.get("severity")
    if told is None or told == "":
        return severity_of(labels.get("severity") or alert.get("status"))  # a status may be "warning" or "critical"
    return severity_of(told)


def _links(value: Any) -> tuple[Links, list[Any]]:
    """The usable links, and whatever else was in their place."""
    links: list[tuple[str, str]] = []
    odd: list[Any] = []
    for link in value if type(value) is list else [] if value is None else [value]:
        href = link.get("href") if type(link) is dict else link
        if not is_address(href) or len(links) >= _MAX_LINKS:
            odd.append(link)
            continue
        text = link.get("text") if type(link) is dict else None
        links.append((href, one_line(as_text(text or "")) or "Link"))
    return tuple(links), odd


def _text(alert: dict[str, Any], name: str) -> str:
    value = alert.get(name)
    if type(value) in (dict, list, bool):
        raise Unusable(f"{name} must be a string")
    return "" if value is None else as_text(value)

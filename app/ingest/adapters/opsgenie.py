"""Opsgenie's Alert API v2: create, close, acknowledge.

Format: Opsgenie documentation, "Alert API", and opsgenie/opsgenie-oas. Close and acknowledge name the alert in their
path; the door says so in `:action` and `:alias` (web/dropin). An alias is the dedup key; without one the id of the
request is. There is no time in a message: an occurrence starts when we hear of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from typing import Any

from app.ingest.adapters.bounds import (
    MAX_ANNOTATION,
    MAX_LABEL_NAME,
    MAX_LABEL_VALUE,
    MAX_LABELS,
    checked_annotations,
    cut,
)
from app.ingest.adapters.details import as_text, bounded
from app.ingest.adapters.labels import dedup_key, fingerprint
from app.ingest.adapters.links import Links, is_address, links_of
from app.ingest.adapters.severity import severity_of
from app.ingest.adapters.titles import one_line
from app.ingest.adapters.wire import decode, kind_of
from app.ingest.event import Entrance, Event, EventKind, Parsed, Severity, Unparsable

MAX_ALIAS = 512
MAX_NOTE = 25_000
_KINDS: dict[str, EventKind] = {"create": "firing", "close": "resolved", "acknowledge": "acknowledged"}
_PRIORITIES: dict[str, Severity] = {"P1": "critical", "P2": "error", "P3": "warning", "P4": "info", "P5": "info"}
_DEFAULT = "P3"
_TAKEN = frozenset({"message", "alias", "description", "details", "entity", "priority", "tags"})


def parse(body: bytes, headers: Mapping[str, str], entrance: Entrance, now: datetime) -> Parsed:
    """One event. Raises `Unparsable`: 400 for what is not JSON, 422 for what cannot be right."""
    action = headers.get(":action", "create")
    message = object_of(body, needed=action == "create")
    if (kind := _KINDS.get(action)) is None:
        raise Unparsable("this opens no alert; only the door for it can take it", 422)
    if kind == "firing":
        return Parsed(((0, _created(message, headers, body, now)),))
    return Parsed(((0, _named(message, kind, key_of(headers.get(":alias", "")), now)),))


def object_of(body: bytes, *, needed: bool = True) -> dict[str, Any]:
    """The body of a request; an empty one is an empty object unless it is `needed`. Raises `Unparsable`."""
    message = decode(body) if needed or body.strip() else {}
    if type(message) is not dict:
        raise Unparsable(f"the body must be an object, not {kind_of(message)}")
    return message


def text_of(message: Mapping[str, Any], name: str, limit: int = MAX_ANNOTATION) -> str:
    """A text that the request must have, cut where it is longer than the API allows. Raises `Unparsable`."""
    text = message.get(name)
    if type(text) is not str or not text.strip():
        raise Unparsable(f"{name}: {name.capitalize()} can not be empty.", 422)
    return cut(text, limit)


def key_of(alias: str) -> str:
    """The dedup key of an alias: a long one is hashed. Raises `Unparsable` for one that the API does not allow."""
    if len(alias) > MAX_ALIAS:
        raise Unparsable(f"alias: Alias can not be longer than {MAX_ALIAS} characters.", 422)
    if not alias.strip():
        raise Unparsable("alias: Alias can not be empty.", 422)
    return dedup_key({}, alias, frozenset())


def _created(message: dict[str, Any], headers: Mapping[str, str], body: bytes, now: datetime) -> Event:
    title = one_line(text_of(message, "message")) or "Alert"
    labels, odd = _labels(message)
    severity = _severity(message.get("priority"), labels)
    alias = message.get("alias")
    if type(alias) in (dict, list, bool):
        raise Unparsable("alias: Alias must be a string.", 422)
    told = "" if alias is None else as_text(alias)
    made = headers.get(":request") or sha256(body + now.isoformat().encode()).hexdigest()
    annotations = {"message": message["message"]} if message["message"].strip() != title else {}
    if description := message.get("description"):
        annotations["description"] = description
    return Event(
        "firing",
        key_of(told) if told.strip() else made,
        fingerprint(labels),
        title,
        severity,
        labels,
        now,
        None,
        checked_annotations(annotations),
        bounded({n: v for n, v in message.items() if n not in _TAKEN} | odd),
        _links(message, labels),
    )


def _named(message: dict[str, Any], kind: EventKind, key: str, now: datetime) -> Event:
    """What closes or acknowledges says nothing of the alert but who did it and a note, which are kept."""
    ends_at = now if kind == "resolved" else None
    title = one_line(key) or "Alert"
    return Event(kind, key, fingerprint({}), title, "warning", {}, now, ends_at, {}, bounded(message), terse=True)


def _labels(message: dict[str, Any]) -> tuple[dict[str, str], dict[str, Any]]:
    """The alert's own properties over its details, and what of these is no label."""
    details, odd = message.get("details"), dict[str, Any]()
    labels: dict[str, str] = {}
    own = {"entity": message.get("entity"), "priority": message.get("priority"), "tags": _tags(message.get("tags"))}
    for name, text in own.items():
        if type(text) is str and text:
            labels[name] = cut(text, MAX_LABEL_VALUE)
        elif text:
            odd[name] = text
    for name, text in details.items() if type(details) is dict else ():
        usable = name and len(name) <= MAX_LABEL_NAME and len(labels) < MAX_LABELS and name not in labels
        if usable and type(text) not in (dict, list, type(None)):
            labels[name] = cut(as_text(text), MAX_LABEL_VALUE)
        else:
            odd.setdefault("details", {})[name] = text
    if details and type(details) is not dict:
        odd["details"] = details
    return labels, odd


def _tags(tags: Any) -> Any:
    """One text, in the order of the alphabet: the order in which somebody wrote them changes nothing."""
    if type(tags) is list and all(type(tag) is str for tag in tags):
        return ",".join(sorted({tag for tag in tags if tag}))
    return tags


def _severity(priority: Any, labels: Mapping[str, str]) -> Severity:
    """Of the priority, else of a detail `severity`, else of Opsgenie's default."""
    if priority is None or priority == "":
        return severity_of(labels["severity"]) if "severity" in labels else _PRIORITIES[_DEFAULT]
    if type(priority) is not str or priority not in _PRIORITIES:
        raise Unparsable(f"priority: Priority must be one of {', '.join(_PRIORITIES)}.", 422)
    return _PRIORITIES[priority]


def _links(message: dict[str, Any], labels: Mapping[str, str]) -> Links:
    """The source, where it is an address, as Alertmanager's is; and details that hold one."""
    links, _ = links_of({}, {}, labels)
    source = message.get("source")
    return ((source, "Source"), *links) if is_address(source) else links

"""PagerDuty's Events API v2: alert events and change events, as senders of it send them.

Format: PagerDuty documentation, "Events API v2 Overview", "Send an Alert Event", "Send a Change Event". The routing key
in the body is the door's business and is kept nowhere. Every trigger is an act of its own there: one that follows a
resolve is a new alert however old its `payload.timestamp`, so an occurrence starts when we hear of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from typing import Any

from app.ingest.adapters.bounds import MAX_LABEL_VALUE, Unusable, checked_annotations, cut
from app.ingest.adapters.details import as_text, bounded
from app.ingest.adapters.labels import fingerprint
from app.ingest.adapters.links import Links, is_address
from app.ingest.adapters.times import instant_or_unix
from app.ingest.adapters.titles import one_line
from app.ingest.adapters.wire import decode, kind_of
from app.ingest.change import Change
from app.ingest.event import Entrance, Event, EventKind, Parsed, Severity, Unparsable

MAX_KEY = 255
_MAX_LINKS = 20
_KINDS: dict[str, EventKind] = {"trigger": "firing", "acknowledge": "acknowledged", "resolve": "resolved"}
_SEVERITIES: dict[str, Severity] = {"critical": "critical", "warning": "warning", "error": "error", "info": "info"}
_LABELS = ("source", "component", "group", "class")
_TAKEN = frozenset({"routing_key", "event_action", "dedup_key", "payload"})


def parse(body: bytes, headers: Mapping[str, str], entrance: Entrance, now: datetime) -> Parsed:
    """One event. Raises `Unparsable` with every reason that the API gives for refusing it, a line each."""
    message = _object(body)
    if headers.get(":action") == "change":
        raise Unparsable("a change opens no alert; only the door for changes can take it")
    action = _told(message.get("event_action"))
    kind = _KINDS.get(action)
    payload = message.get("payload")
    told: dict[str, Any] = payload if type(payload) is dict else {}
    errors = _errors_of_key(message, kind)
    if not action:
        errors.append("'event_action' is missing or blank")
    elif kind is None:
        errors.append(_one_of("event_action", *_KINDS))
    elif kind == "firing":
        errors += _errors_of_payload(payload, told)
    if errors or kind is None:
        raise Unparsable("\n".join(errors))
    key = dedup_key_of(message) or headers.get(":request") or sha256(body + now.isoformat().encode()).hexdigest()
    return Parsed(((0, _event(message, told, kind, key, now)),))


def change(body: bytes, now: datetime) -> Change:
    """A change event. Raises `Unparsable`."""
    message = _object(body)
    payload = message.get("payload")
    told: dict[str, Any] = payload if type(payload) is dict else {}
    summary = one_line(_told(told.get("summary")))
    if not summary:
        raise Unparsable(f"'payload{'.summary' if told else ''}' is missing or blank")
    at = _instant(told.get("timestamp"))
    links, details = _links(message)
    source = one_line(_told(told.get("source"))) or None
    used = {"summary": _told(told["summary"]).strip() == summary, "source": source is not None, "timestamp": bool(at)}
    details |= {name: value for name, value in told.items() if not used.get(name)}
    return Change(summary, min(at or now, now), source, links, bounded(details))


def dedup_key_of(message: Mapping[str, Any]) -> str:
    """The key as the sender gave it; empty when it gave none. Numbers become text."""
    key = _told(message.get("dedup_key"))
    return key if key.strip() else ""


def _event(message: dict[str, Any], told: dict[str, Any], kind: EventKind, key: str, now: datetime) -> Event:
    """What acknowledges or resolves names an alert; its payload, if any, is kept and changes no word of it."""
    summary = _told(told.get("summary"))
    title = one_line(summary) or one_line(key) or "Alert"
    labels = {name: cut(text, MAX_LABEL_VALUE) for name in _LABELS if (text := _told(told.get(name)))}
    links, details = _links(message)
    rest = {n: v for n, v in told.items() if n not in (*_LABELS, "summary", "severity") or type(v) in (dict, list)}
    if "payload" in message and type(message["payload"]) is not dict:
        rest["payload"] = message["payload"]
    return Event(
        kind,
        key,
        fingerprint(labels),
        title,
        _SEVERITIES.get(_told(told.get("severity")), "error"),
        labels,
        now,
        now if kind == "resolved" else None,
        _annotations(summary, title, told.get("custom_details")),
        bounded(details | rest),
        links,
        terse=kind != "firing",
    )


def _annotations(summary: str, title: str, custom: Any) -> dict[str, str]:
    """Custom details are for people too; older senders say them in one string."""
    found: dict[str, Any] = dict(custom) if type(custom) is dict else {"description": as_text(custom)} if custom else {}
    if summary.strip() != title:
        found = {"summary": summary} | found
    return checked_annotations({name or "-": text for name, text in found.items()})


def _errors_of_key(message: dict[str, Any], kind: EventKind | None) -> list[str]:
    key = message.get("dedup_key")
    if type(key) in (dict, list, bool):
        return ["'dedup_key' is invalid (must be a string)"]
    if len(dedup_key_of(message)) > MAX_KEY:
        return [f"Length of 'dedup_key' is incorrect (should be less than or equal to {MAX_KEY} characters)"]
    if kind in ("acknowledged", "resolved") and not dedup_key_of(message):
        return ["'dedup_key' is missing or blank"]
    return []


def _errors_of_payload(payload: Any, told: dict[str, Any]) -> list[str]:
    if type(payload) is not dict:
        return [
            "'payload' is missing or blank" if payload in (None, "") else "'payload' is invalid (must be an object)"
        ]
    errors = []
    for name in ("summary", "source"):
        if type(told.get(name)) in (dict, list, bool):
            errors.append(f"'payload.{name}' is invalid (must be a string)")
        elif not one_line(_told(told.get(name))):
            errors.append(f"'payload.{name}' is missing or blank")
    if not _told(told.get("severity")) and type(told.get("severity")) not in (dict, list, bool):
        errors.append("'payload.severity' is missing or blank")
    elif _told(told.get("severity")) not in _SEVERITIES:
        errors.append(_one_of("payload.severity", *_SEVERITIES))
    return errors


def _one_of(name: str, *words: str) -> str:
    quoted = [f"'{word}'" for word in words]
    return f"'{name}' is invalid (must be one of the following: {', '.join(quoted[:-1])} or {quoted[-1]})"


def _object(body: bytes) -> dict[str, Any]:
    message = decode(body)
    if type(message) is not dict:
        raise Unparsable(f"an event must be an object, not {kind_of(message)}")
    return message


def _told(value: Any) -> str:
    """Texts, and numbers as texts; empty for anything else."""
    return value if type(value) is str else as_text(value) if type(value) in (int, float) else ""


def _instant(value: Any) -> datetime | None:
    """A wrong time costs no change. `...+00:00Z` is what a client with a bug sends."""
    for form in (value, value.removesuffix("Z") if type(value) is str else None):
        try:
            if (at := instant_or_unix(form, "timestamp")) is not None:
                return at
        except Unusable:
            continue
    return None


def _links(message: dict[str, Any]) -> tuple[Links, dict[str, Any]]:
    """The usable links and images, and the members of the message that have no other place; nothing is lost."""
    links: list[tuple[str, str]] = []
    details = {name: value for name, value in message.items() if name not in _TAKEN}
    if is_address(client_url := message.get("client_url")):
        links.append((client_url, one_line(_told(message.get("client"))) or "Client"))
    for member, text in (("links", "text"), ("images", "alt")):
        given = details.pop(member, None)
        odd: list[Any] = []
        for one in given if type(given) is list else [given] if given else []:
            href = (one.get("href") or one.get("src")) if type(one) is dict else one
            if is_address(href) and len(links) < _MAX_LINKS:
                links.append((href, one_line(_told(one.get(text)) if type(one) is dict else "") or member[:-1].title()))
            else:
                odd.append(one)
        if odd:
            details[member] = odd
    return tuple(links), details

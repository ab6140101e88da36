"""Grafana's webhook contact point: unified alerting (8.0 and later), and the legacy alerting before it.

Formats: grafana/alerting receivers/webhook/v1 and templates/template_data.go; Grafana documentation, "Configure webhook
notifications" and, for the legacy one, "Alert notifications" of version 7.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

import msgspec

from app.ingest.adapters import mapped
from app.ingest.adapters.bounds import Unusable, check_names, checked_annotations, cut, cut_labels
from app.ingest.adapters.details import as_text, details_of
from app.ingest.adapters.generic import event_of
from app.ingest.adapters.labels import dedup_key, fingerprint
from app.ingest.adapters.links import links_of
from app.ingest.adapters.severity import severity_of
from app.ingest.adapters.titles import one_line
from app.ingest.adapters.webhook_v4 import WebhookV4
from app.ingest.adapters.wire import collect, decode, kind_of
from app.ingest.event import Entrance, Event, EventKind, Parsed, Unparsable

_WEBHOOK = WebhookV4(
    {
        "generatorURL": "Rule",
        "dashboardURL": "Dashboard",
        "panelURL": "Panel",
        "silenceURL": "Silence",
        "imageURL": "Image",
    }
)
_LEGACY_LINKS = {"ruleUrl": "Rule", "imageUrl": "Image"}
_LEGACY_KINDS: dict[Any, EventKind] = {"ok": "resolved", "alerting": "firing", "no_data": "firing"}
_LEGACY_QUIET = frozenset({"paused", "pending", "unknown"})
"""States that say nothing about the problem: they give no event."""
_LEGACY_TAKEN = frozenset({"state", "ruleName", "tags", "message", *_LEGACY_LINKS})


_OF_RULE = {"DatasourceNoData": "no data", "DatasourceError": "error"}
"""What Grafana calls the alerts it makes of a rule that cannot be evaluated; the rule's name is in `rulename`."""
_OF_QUERY = frozenset({"alertname", "rulename", "datasource_uid", "ref_id"})
"""Labels that say which query had no data: another one a minute later is the same problem."""


def parse(body: bytes, headers: Mapping[str, str], entrance: Entrance, now: datetime) -> Parsed:
    """One event per alert; of the legacy webhook one event, or none for a state that says nothing. A payload of the
    user's own (Grafana 12) is read with the integration's mapping, where it has one."""
    if entrance.mapping is not None:
        return _with_mapping(body, headers, entrance, now)
    if (parsed := _WEBHOOK.read_quickly(body, entrance.ignored_labels, now)) is not None:
        return _of_rules(parsed, entrance.ignored_labels)
    return _read(decode(body), entrance, now)


def is_usual(message: Any) -> bool:
    """True for the default payload and the legacy one, which no mapping is asked for."""
    return type(message) is dict and ({"alerts", "receiver"} <= message.keys() or {"ruleId", "state"} <= message.keys())


def _with_mapping(body: bytes, headers: Mapping[str, str], entrance: Entrance, now: datetime) -> Parsed:
    message = decode(body)
    if is_usual(message):
        parsed = _read(message, entrance, now)
        kept = tuple(replace(r, fragment={"receiver": "", "alerts": [r.fragment]}) for r in parsed.refused)
        return Parsed(parsed.events, kept)
    return mapped.read(message, headers, entrance, now, event_of)


def _read(message: Any, entrance: Entrance, now: datetime) -> Parsed:
    if type(message) is not dict:
        raise Unparsable(f"Grafana's webhook sends an object, not {kind_of(message)}")
    if type(message.get("alerts")) is list:
        return _of_rules(_WEBHOOK.read(message, entrance.ignored_labels, now), entrance.ignored_labels)
    if "ruleId" not in message or "state" not in message:
        raise Unparsable(
            'there is no list of alerts: with a custom payload use {{ template "webhook.default.payload" . }},'
            " or give this integration a mapping"
        )
    if type(message["state"]) is str and message["state"] in _LEGACY_QUIET:
        return Parsed(())
    return collect([message], lambda alert: _legacy(alert, now))


def _of_rules(parsed: Parsed, ignored: frozenset[str]) -> Parsed:
    if not any(event.labels.get("alertname") in _OF_RULE for _, event in parsed.events):
        return parsed
    events = tuple((index, _of_rule(event, ignored)) for index, event in parsed.events)
    return Parsed(events, parsed.refused)


def _of_rule(event: Event, ignored: frozenset[str]) -> Event:
    """A rule without data, or in error, under the rule's own name: with its other alerts in one incident, and one alert
    whichever query it was and whether there was no data or an error.

    It is not the alert that fires for the rule's condition, even where a rule has only one: Grafana may tell the end of
    that one after the beginning of this, which would resolve the alert of a rule that still has no data.
    """
    what = _OF_RULE.get(event.labels.get("alertname", ""))
    rule = event.labels.get("rulename")
    if what is None or not rule:
        return event
    own = {name: text for name, text in event.labels.items() if name not in _OF_QUERY}
    labels = {**event.labels, "alertname": rule, "grafana_state": what}
    counted = {**own, "alertname": rule, "grafana_state": "not evaluated"}
    hashed = fingerprint(counted)
    key = dedup_key(counted, hashed, ignored)
    return msgspec.structs.replace(
        event, dedup_key=key, fingerprint=hashed, labels=labels, title=one_line(f"{rule}: {what} ({event.title})")
    )


def _legacy(alert: dict[str, Any], now: datetime) -> Event:
    state, rule, organisation = alert["state"], alert["ruleId"], alert.get("orgId", 1)
    kind = _LEGACY_KINDS.get(state) if type(state) is str else None
    if kind is None:
        raise Unusable(f"Grafana's legacy alerting knows no state {cut(repr(state), 60)}")
    if type(rule) is not int or type(organisation) is not int:
        raise Unusable("ruleId and orgId must be numbers: they are the alert's identity")
    labels = _legacy_labels(alert)
    annotations = checked_annotations({"description": alert["message"]} if alert.get("message") else None)
    links, odd = links_of(alert, _LEGACY_LINKS, annotations)
    return Event(
        kind,
        f"legacy/{organisation}/{rule}",
        fingerprint(labels),
        one_line(labels["alertname"]) or one_line(as_text(alert.get("title", ""))) or f"Grafana rule {rule}",
        severity_of(labels.get("severity")),
        cut_labels(labels),
        now,
        now if kind == "resolved" else None,
        annotations,
        details_of(alert, _LEGACY_TAKEN, odd, {}),
        links,
    )


def _legacy_labels(alert: dict[str, Any]) -> dict[str, str]:
    tags = alert.get("tags")
    labels = {"alertname": as_text(alert.get("ruleName", ""))}
    if type(tags) is dict:
        labels = {name: as_text(text) for name, text in tags.items()} | labels
    check_names(labels)
    return labels

"""Alertmanager's webhook receiver, payload version 4.

Format: prometheus/alertmanager template/template.go and notify/webhook/webhook.go; the same since 0.4, with
notification_reason (0.32) and routeLabels (0.34) added since. Unknown members are kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from app.ingest.adapters.webhook_v4 import WebhookV4
from app.ingest.adapters.wire import decode, kind_of
from app.ingest.event import Entrance, Parsed, Unparsable

_WEBHOOK = WebhookV4({"generatorURL": "Source"})


def parse(body: bytes, headers: Mapping[str, str], entrance: Entrance, now: datetime) -> Parsed:
    """One event per alert. The group's own status and `truncatedAlerts` never resolve anything (behaviour.md 2)."""
    if (parsed := _WEBHOOK.read_quickly(body, entrance.ignored_labels, now)) is not None:
        return parsed
    message = decode(body)
    if type(message) is not dict:
        raise Unparsable(f"Alertmanager's webhook sends an object, not {kind_of(message)}")
    if type(message.get("alerts")) is not list:
        raise Unparsable("there is no list of alerts: is this Alertmanager's webhook (version 4)?")
    return _WEBHOOK.read(message, entrance.ignored_labels, now)

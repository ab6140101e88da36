"""What senders send: the smallest body of every source, and credentials."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256
from typing import Any

from app.ingest.adapters import ADAPTERS

MIB = 1 << 20
SOURCES = sorted(ADAPTERS)
STARTS = "2026-11-20T10:00:00Z"


def labels(name: str, **more: str) -> dict[str, str]:
    return {"alertname": name, "job": "checkout", "severity": "critical"} | more


def body_of(source: str, name: str = "HighErrorRate", *, padding: int = 0) -> Any:
    """One alert that fires, as this source says it."""
    annotations = {"summary": "x" * padding}
    if source == "prometheus":
        return [{"labels": labels(name), "annotations": annotations, "startsAt": STARTS}]
    if source == "generic":
        return {"title": name, "severity": "critical", "labels": labels(name), "annotations": annotations}
    if source == "pagerduty":
        payload = {"summary": name, "source": "checkout", "severity": "critical", "custom_details": annotations}
        return {"event_action": "trigger", "dedup_key": name, "payload": payload}
    if source == "opsgenie":
        return {"message": name, "alias": name, "priority": "P1", "description": "x" * padding}
    alert = {"status": "firing", "labels": labels(name), "annotations": annotations, "startsAt": STARTS,
             "endsAt": "0001-01-01T00:00:00Z", "generatorURL": "",
             "fingerprint": sha256(name.encode()).hexdigest()[:16]}  # fmt: skip
    return {"version": "4", "groupKey": "{}:{}", "status": "firing", "receiver": "tocsin", "groupLabels": {},
            "commonLabels": {}, "commonAnnotations": {}, "externalURL": "", "alerts": [alert]}  # fmt: skip


def limit(source: str) -> int:
    return 8 * MIB if source in ("alertmanager", "prometheus") else MIB


def accepted(source: str) -> int:
    return 200 if source == "prometheus" else 202


def basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + b64encode(f"{user}:{password}".encode()).decode()}


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}

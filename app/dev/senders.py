"""What sends alerts in the demo: a stand-in for Alertmanager's webhook. The shape is that of its version 4 payload."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Any, Final, Literal, Protocol

from app.dev.http import Client

NEVER: Final = "0001-01-01T00:00:00Z"
"""How Alertmanager writes the end of an alert that still fires."""


class Sender(Protocol):
    """One problem of one service, made and unmade."""

    name: str
    about: str
    """For people: where, and what."""
    loud: bool
    """It wakes somebody."""

    async def fires(self) -> None:
        """The problem is there; said again when it was said before."""

    async def resolves(self) -> None:
        """It is gone."""

    async def stop(self) -> None: ...


class Alertmanager:
    """Posts as Alertmanager does. `routing_key` is that of an integration with the source `alertmanager`."""

    def __init__(
        self, url: str, routing_key: str, name: str, service: str, severity: str = "critical", summary: str = ""
    ) -> None:
        self.name, self.about, self.loud = name, f"on {service}: {summary or name}", severity == "critical"
        self._client = Client(url)
        self._path = f"/v1/intake/{routing_key}/alertmanager"
        self._labels = {"alertname": name, "service": service, "severity": severity, "instance": f"{service}-1:8080"}
        self._annotations = {"summary": summary or f"{name} on {service}"}
        self._starts_at: str | None = None

    async def fires(self) -> None:
        """Raises OSError, `Refused`."""
        self._starts_at = self._starts_at or _now()
        await self._client.post(self._path, self._payload("firing", self._starts_at, NEVER))

    async def resolves(self) -> None:
        """Raises OSError, `Refused`."""
        await self._client.post(self._path, self._payload("resolved", self._starts_at or _now(), _now()))
        self._starts_at = None

    async def stop(self) -> None:
        """There is nothing to stop."""

    def _payload(self, status: Literal["firing", "resolved"], starts_at: str, ends_at: str) -> dict[str, Any]:
        alert = {
            "status": status,
            "labels": self._labels,
            "annotations": self._annotations,
            "startsAt": starts_at,
            "endsAt": ends_at,
            "generatorURL": f"http://prometheus.example.org/graph?g0.expr={self.name}",
            "fingerprint": hashlib.blake2b(repr(sorted(self._labels.items())).encode(), digest_size=8).hexdigest(),
        }
        return {
            "version": "4",
            "groupKey": f'{{}}:{{alertname="{self.name}"}}',
            "truncatedAlerts": 0,
            "status": status,
            "receiver": "tocsin",
            "groupLabels": {"alertname": self.name},
            "commonLabels": self._labels,
            "commonAnnotations": self._annotations,
            "externalURL": "http://alertmanager.example.org",
            "alerts": [alert],
        }


def _now() -> str:
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")

"""Monitoring systems that speak HTTP to the intake, each as its real one does (contracts/recorded)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import httpx

if TYPE_CHECKING:
    from town.town import Town

NEVER = "0001-01-01T00:00:00Z"
"""Go's zero time: Alertmanager's end of what still fires."""


@dataclass(frozen=True, slots=True)
class Told:
    """What was answered: the status, the receipt's id, and the outcomes of the events by code where they are told."""

    status: int
    receipt: str
    events: dict[str, int]


class Sender:
    """Keeps when each of its alerts began; `skew` shifts what it believes."""

    source = ""

    def __init__(self, town: Town, *, skew: timedelta = timedelta(), port: int | None = None) -> None:
        self._town = town
        self._skew = skew
        self._port = port
        self._began: dict[str, datetime] = {}

    @property
    def now(self) -> datetime:
        return self._town.now + self._skew

    def labels(self, name: str, service: str, severity: str | None, labels: dict[str, str]) -> dict[str, str]:
        given = {"alertname": name, "job": service}
        return given | ({"severity": severity} if severity else {}) | labels

    def began(self, name: str, labels: dict[str, str], *, anew: bool = False) -> datetime:
        key = name + repr(sorted((k, v) for k, v in labels.items() if k != "severity"))
        if anew or key not in self._began:
            self._began[key] = self.now
        return self._began[key]

    async def post(self, service: str, body: Any, *, expect: int | None = 2) -> Told:
        """Sends a body as it is; the service does what is due before this returns. `expect`: the class of the status,
        None for any."""
        told = await self.send(service, body)
        if expect is not None:
            assert told.status // 100 == expect, f"{self.source} was answered {told.status}"
        await self._town.settle()
        return told

    async def send(self, service: str, body: Any) -> Told:
        """Sends, and looks at nothing."""
        key = self._town.routing_keys[service, self.source]
        content = {"content": body} if isinstance(body, bytes) else {"json": body}
        base = f"http://127.0.0.1:{self._port}" if self._port else ""
        answer = await self._town.http.post(
            f"{base}{self.path(key)}", headers={"Content-Type": "application/json"}, **content
        )
        return told(answer)

    def path(self, key: str) -> str:
        return f"/v1/intake/{key}/{self.source}"


def told(answer: httpx.Response) -> Told:
    receipt = answer.headers.get("Tocsin-Receipt", "")
    is_json = answer.headers.get("content-type") == "application/json"
    said = answer.json() if answer.content and is_json else None
    return Told(answer.status_code, receipt, said.get("events", {}) if isinstance(said, dict) else {})


class Alertmanager(Sender):
    """The webhook of Alertmanager, version 4, one alert a request unless `body` is put together by the story."""

    source = "alertmanager"

    async def fires(
        self, name: str, *, service: str = "checkout", severity: str | None = "critical", **labels: str
    ) -> Told:
        """A new firing: it begins now."""
        given = self.labels(name, service, severity, labels)
        self.began(name, given, anew=True)
        return await self.post(service, self.body(self.alert(name, given)))

    async def repeats(
        self, name: str, *, service: str = "checkout", severity: str | None = "critical", **labels: str
    ) -> Told:
        """The same firing once more, with the start it had; another severity is a change."""
        return await self.post(service, self.body(self.alert(name, self.labels(name, service, severity, labels))))

    async def resolves(
        self, name: str, *, service: str = "checkout", severity: str | None = "critical", **labels: str
    ) -> Told:
        given = self.labels(name, service, severity, labels)
        return await self.post(service, self.body(self.alert(name, given, ended=self.now)))

    def alert(self, name: str, labels: dict[str, str], *, ended: datetime | None = None) -> dict[str, Any]:
        """The fingerprint leaves the severity out, so that a raise is a change of the same alert."""
        own = sorted((k, v) for k, v in labels.items() if k != "severity")
        return {
            "status": "resolved" if ended else "firing",
            "labels": labels,
            "annotations": {"summary": f"{name} of {labels.get('job', '?')}"},
            "startsAt": _go(self.began(name, labels)),
            "endsAt": _go(ended) if ended else NEVER,
            "generatorURL": "http://prometheus.test/graph?g0.expr=up",
            "fingerprint": blake2b(repr(own).encode(), digest_size=8).hexdigest(),
        }

    def body(self, *alerts: Any) -> dict[str, Any]:
        firing = any(isinstance(a, dict) and a.get("status") == "firing" for a in alerts)
        return {
            "version": "4",
            "groupKey": '{}:{alertname="x"}',
            "truncatedAlerts": 0,
            "status": "firing" if firing else "resolved",
            "receiver": "tocsin",
            "groupLabels": {},
            "commonLabels": {},
            "commonAnnotations": {},
            "externalURL": "http://alertmanager.test",
            "alerts": list(alerts),
        }


class Prometheus(Sender):
    """Prometheus itself, which sends firing alerts again and again with an end in the future, and resolved ones for 15
    minutes."""

    source = "prometheus"
    lasts = timedelta(minutes=4)

    async def fires(
        self, name: str, *, service: str = "checkout", severity: str | None = "critical", **labels: str
    ) -> Told:
        given = self.labels(name, service, severity, labels)
        self.began(name, given, anew=True)
        return await self.renews(name, service=service, severity=severity, **labels)

    async def renews(
        self, name: str, *, service: str = "checkout", severity: str | None = "critical", **labels: str
    ) -> Told:
        given = self.labels(name, service, severity, labels)
        return await self.post(service, [self.alert(name, given, self.now + self.lasts)])

    async def resolves(
        self, name: str, *, service: str = "checkout", severity: str | None = "critical", **labels: str
    ) -> Told:
        return await self.post(service, [self.alert(name, self.labels(name, service, severity, labels), self.now)])

    def alert(self, name: str, labels: dict[str, str], ends: datetime) -> dict[str, Any]:
        return {
            "labels": labels,
            "annotations": {"summary": f"{name} of {labels.get('job', '?')}"},
            "startsAt": _go(self.began(name, labels)),
            "endsAt": _go(ends),
            "generatorURL": "http://prometheus.test/graph?g0.expr=up",
        }

    def path(self, key: str) -> str:
        return f"/v1/intake/{key}/api/v2/alerts"


class Generic(Sender):
    """Somebody's script with curl."""

    source = "generic"

    async def says(self, *, service: str = "checkout", **members: Any) -> Told:
        return await self.post(service, members)


def _go(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")

"""What senders send in a storm, made before it is sent: 90 % repeats, 10 % new, some of the repeats resolved.

The alerts look like those of kube-prometheus: eight labels, two annotations, a generator. A body is Alertmanager's
webhook (version 4) for us and for the no-op, or its own `POST /api/v2/alerts` for Alertmanager.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

NEW: Final = 0.10
RESOLVED: Final = 0.03
KNOWN: Final = 500
"""Alerts that fire at a time, per entrance."""

Format = Literal["webhook", "v2"]


@dataclass(frozen=True, slots=True)
class Entrance:
    """Where requests go: a path, and the form of the body that is expected there."""

    path: str
    form: Format = "webhook"


@dataclass(frozen=True, slots=True)
class Shot:
    """One request, ready to be written to a socket, and the fingerprints of the alerts in it."""

    request: bytes
    alerts: tuple[str, ...]


class Storm:
    """An endless storm; equal seeds give equal storms. `names`: alertnames, that is incidents, of each entrance."""

    def __init__(self, seed: int, names: int = 25) -> None:
        self._seed = seed
        self._random = random.Random(seed)
        self._names = names
        self._made = 0
        now = datetime.now(UTC)
        self._ago = (now - timedelta(seconds=30)).isoformat().replace("+00:00", "Z")
        self._then = (now - timedelta(seconds=1)).isoformat().replace("+00:00", "Z")
        self._later = (now + timedelta(minutes=10)).isoformat().replace("+00:00", "Z")
        self._firing: dict[int, list[int]] = {}

    def shots(self, entrances: Sequence[Entrance], requests: int, alerts: int) -> list[Shot]:
        """So many requests of so many alerts each, the entrances in turns."""
        return [self._shot(n % len(entrances), entrances[n % len(entrances)], alerts) for n in range(requests)]

    def _shot(self, index: int, entrance: Entrance, alerts: int) -> Shot:
        taken = [self._next(index) for _ in range(alerts)]
        rendered = ",".join([self._render(number, resolved, entrance.form) for number, resolved in taken])
        body = f"[{rendered}]" if entrance.form == "v2" else f"{_BEFORE}{rendered}{_AFTER}"
        return Shot(request(entrance.path, body.encode()), tuple(self._fingerprint(n) for n, _ in taken))

    def _next(self, entrance: int) -> tuple[int, bool]:
        known = self._firing.setdefault(entrance, [])
        if len(known) < 20 or self._random.random() < NEW:
            self._made += 1
            if len(known) < KNOWN:
                known.append(self._made)
            else:
                known[self._random.randrange(KNOWN)] = self._made
            return self._made, False
        at = self._random.randrange(len(known))
        number = known[at]
        if self._random.random() < RESOLVED:
            known[at] = known[-1]
            known.pop()
            return number, True
        return number, False

    def _fingerprint(self, number: int) -> str:
        return f"{self._seed & 0xFFFFFFFF:08x}{number:08x}"

    def _render(self, number: int, resolved: bool, form: Format) -> str:
        name, host = number % self._names, number % 997
        labels = (
            f'"labels":{{"alertname":"BenchAlert{name}","cluster":"eu-west-1","container":"api","instance":'
            f'"10.2.{host % 251}.{host % 17}:9100","job":"node","namespace":"shop","pod":"api-{self._seed}-{number}",'
            f'"severity":"{_SEVERITIES[name % 3]}"}},"annotations":{{"description":"Pod api-{number} of shop is above '
            f'its limit for more than 15 minutes.","summary":"Pod above its limit"}},"startsAt":"{self._ago}",'
            f'"generatorURL":"http://prometheus.example.org/graph?g0.expr=up%7B{number}%7D&g0.tab=1"'
        )
        if form == "v2":
            return f'{{{labels},"endsAt":"{self._then if resolved else self._later}"}}'
        ends = self._then if resolved else "0001-01-01T00:00:00Z"
        status = "resolved" if resolved else "firing"
        return f'{{"status":"{status}",{labels},"endsAt":"{ends}","fingerprint":"{self._fingerprint(number)}"}}'


_SEVERITIES: Final = ("warning", "error", "warning")
_BEFORE: Final = '{"receiver":"tocsin","status":"firing","alerts":['
_AFTER: Final = (
    '],"groupLabels":{"namespace":"shop"},"commonLabels":{"namespace":"shop"},"commonAnnotations":{},"externalURL":'
    '"http://alertmanager.example.org","version":"4","groupKey":"{}:{namespace=\\"shop\\"}","truncatedAlerts":0}'
)


def request(path: str, body: bytes) -> bytes:
    """A POST of JSON over a connection that stays open."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def page(path: str, name: str) -> bytes:
    """One critical alert that nobody has seen before: an incident of its own."""
    alert = (
        f'{{"status":"firing","labels":{{"alertname":"{name}","severity":"critical"}},"annotations":{{"summary":'
        f'"{name}"}},"startsAt":"{datetime.now(UTC).isoformat()}","endsAt":"0001-01-01T00:00:00Z"}}'
    )
    return request(path, (_BEFORE + alert + _AFTER).encode())

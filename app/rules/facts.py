"""What a condition may look at. The one list of names, for the compiler, the evaluation and the documentation.

| name | type | |
|---|---|---|
| `labels.x`, `labels["x"]` | string | the alert's label; `""` when it is missing, as in Alertmanager |
| `annotations.x` | string | the same for annotations |
| `severity`, `source`, `title` | string | severity is `critical`, `error`, `warning`, `info` or `none` |
| `service.key`, `.name`, `.team` | string | the service, its team's key |
| `service.criticality` | int | 1 (most) to 3 |
| `service.tags` | list of string | at most 100 are looked at |
| `time.hour`, `time.minute` | int | wall clock in the organisation's zone |
| `time.weekday`, `time.date` | string | `mon` to `sun`; `2026-11-22` |
| `time.in_support_hours` | bool | the service's support hours; none set: true |
| `counts.alerts`, `.services`, `.events` | int | of the incident; 1 where there is none yet |

Strings are looked at up to 4,096 characters. No constant in a condition can be as long, so comparing is exact; only
`contains`, `endsWith`, `matches` and `size` can tell. NUL and lone surrogates, which the library cannot carry (it cuts
at the first and fails at the second), are seen as U+FFFD.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from msgspec import Struct

TEXT_LIMIT = 4_096
TAG_LIMIT = 100
MAPS = ("labels", "annotations")
_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

Value = str | int | bool | list[str] | dict[str, str]


@dataclass(frozen=True, slots=True)
class ServiceFacts:
    """The service an alert or incident belongs to. `criticality` 1 to 3, 1 matters most."""

    key: str = ""
    name: str = ""
    criticality: int = 2
    tags: tuple[str, ...] = ()
    team: str = ""


@dataclass(frozen=True, slots=True)
class TimeFacts:
    """The wall clock of the organisation."""

    hour: int
    minute: int
    weekday: str
    date: str
    in_support_hours: bool = True

    @classmethod
    def at(cls, local: datetime, *, in_support_hours: bool = True) -> TimeFacts:
        """From an instant that was already turned into the organisation's zone (by `app.hours`)."""
        return cls(local.hour, local.minute, _WEEKDAYS[local.weekday()], local.date().isoformat(), in_support_hours)


class Counts(Struct, frozen=True, gc=False):
    """How much an incident has gathered."""

    alerts: int = 1
    services: int = 1
    events: int = 1


class Facts(Struct, frozen=True, gc=False):
    """One alert or incident as conditions see it."""

    time: TimeFacts
    labels: Mapping[str, str] = {}
    annotations: Mapping[str, str] = {}
    severity: str = "none"
    source: str = ""
    title: str = ""
    service: ServiceFacts = ServiceFacts()
    counts: Counts = Counts()

    def read(self, reference: str) -> Value:
        """The value of one reference as a condition sees it: `labels.team`, `service.key`, `counts.alerts`."""
        if (reader := _READERS.get(reference)) is not None:
            return reader(self)
        root, _, name = reference.partition(".")
        return clean(self._map(root).get(name, ""))

    def bindings(self, references: frozenset[str]) -> dict[str, Value]:
        """What the named references need, and no more: cheap however many labels there are."""
        plan = _plan(references)
        values: dict[str, Value] = {name: reader(self) for name, reader in plan.scalars}
        for root, names in plan.maps:
            mapping = self._map(root)
            values[root] = {name: clean(mapping.get(name, "")) for name in names}
        return values

    def _map(self, root: str) -> Mapping[str, str]:
        return self.labels if root == "labels" else self.annotations


def clean(text: str) -> str:
    """At most 4,096 characters, without what the library cannot carry."""
    if len(text) > TEXT_LIMIT:
        text = text[:TEXT_LIMIT]
    if "\x00" in text:
        text = text.replace("\x00", "\ufffd")
    if not text.isascii():
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


_Reader = Callable[[Facts], Value]

_READERS: Mapping[str, _Reader] = {
    "severity": lambda f: clean(f.severity),
    "source": lambda f: clean(f.source),
    "title": lambda f: clean(f.title),
    "service.key": lambda f: clean(f.service.key),
    "service.name": lambda f: clean(f.service.name),
    "service.team": lambda f: clean(f.service.team),
    "service.criticality": lambda f: f.service.criticality,
    "service.tags": lambda f: [clean(tag) for tag in f.service.tags[:TAG_LIMIT]],
    "time.hour": lambda f: f.time.hour,
    "time.minute": lambda f: f.time.minute,
    "time.weekday": lambda f: f.time.weekday,
    "time.date": lambda f: f.time.date,
    "time.in_support_hours": lambda f: f.time.in_support_hours,
    "counts.alerts": lambda f: f.counts.alerts,
    "counts.services": lambda f: f.counts.services,
    "counts.events": lambda f: f.counts.events,
}
NAMES = frozenset(_READERS)
"""Every reference except labels and annotations, which have names of their own."""


@dataclass(frozen=True, slots=True)
class _Plan:
    scalars: tuple[tuple[str, _Reader], ...]
    maps: tuple[tuple[str, tuple[str, ...]], ...]


@lru_cache(maxsize=4_096)
def _plan(references: frozenset[str]) -> _Plan:
    scalars = tuple((name, _READERS[name]) for name in sorted(references & NAMES))
    split = [reference.partition(".") for reference in sorted(references - NAMES)]
    named = {root: tuple(name for r, _, name in split if r == root) for root in MAPS}
    return _Plan(scalars, tuple((root, names) for root, names in named.items() if names))

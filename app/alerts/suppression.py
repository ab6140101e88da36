"""What keeps an alert from paging, and by what. Pure. Suppressed alerts are stored with the reason (behaviour.md 10).

In this order: a silence, a maintenance window, an inhibition, a time interval. Before them the built-in routing rules,
which hold for every source: a vendor's test button and signs of life page nobody.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

from app import hours
from app.alerts import inhibition
from app.alerts.inhibition import Firing, Inhibition, Source
from app.alerts.maintenance import Window
from app.hours import TimeInterval
from app.ingest.event import TEST_LABEL, Event
from app.rules.matching import Matching


@dataclass(frozen=True, slots=True)
class Suppressed:
    """By what (`routing rule`, `silence`, `maintenance window`, `inhibition`, `time interval`, `hold`), which one (the
    id of a silence, else a key), and why in words. `until`: its end, where that is known now.

    `rule` is the key of what decided, or the id of the silence; `version` its version, where it has one; `scope` whose
    rule it is, where it is one of a rule set: a service's key, or '' for the organisation's."""

    by: str
    name: str
    because: str
    until: datetime | None = None
    rule: str | None = None
    scope: str | None = None
    version: int | None = None


@dataclass(frozen=True, slots=True)
class BuiltIn:
    name: str
    because: str
    matches: Callable[[Event], bool]


BUILT_IN: tuple[BuiltIn, ...] = (
    BuiltIn(
        "tocsin-test",
        f"it is a test: its label {TEST_LABEL} says so",
        lambda e: e.labels.get(TEST_LABEL) == "true",
    ),
    BuiltIn("severity-none", "the source gives it the severity none", lambda e: e.severity == "none"),
    BuiltIn("watchdog", "a Watchdog fires always: it is a sign of life", lambda e: _alertname(e) == "Watchdog"),
    BuiltIn(
        "grafana-test",
        "the test button of Grafana sent it",
        lambda e: _alertname(e) == "TestAlert" and e.labels.get("instance") == "Grafana",
    ),
)


def suppress(event: Event) -> Suppressed | None:
    """The first built-in routing rule that matches, or None."""
    for rule in BUILT_IN:
        if rule.matches(event):
            return Suppressed("routing rule", rule.name, rule.because, rule=rule.name)
    return None


def _alertname(event: Event) -> str:
    return event.labels.get("alertname", "")


@dataclass(frozen=True, slots=True)
class Silence:
    """A silence that is not over. `service_id`: it silences only alerts of this service."""

    id: UUID
    matching: Matching
    starts_at: datetime
    ends_at: datetime
    created_by: str
    comment: str
    service_id: int | None = None

    def silences(self, labels: Mapping[str, str], service_id: int, now: datetime) -> bool:
        return self.starts_at <= now < self.ends_at and self.service_id in (None, service_id) and self.matching(labels)


@dataclass(frozen=True, slots=True)
class Quiet:
    """Time intervals in which alerts of these services that match page nobody. No services: of all."""

    key: str
    name: str
    intervals: tuple[TimeInterval, ...]
    services: frozenset[int]
    matching: Matching
    version: int | None = None


@dataclass(frozen=True)
class Suppressions:
    """All that may suppress an alert, as one version of the configuration says; and which inhibiting alerts fire now.

    `windows` by service id. Silences are looked up by a label that they want to have one value, so that many of them
    cost no more than those that may match.
    """

    silences: tuple[Silence, ...] = ()
    windows: Mapping[int, tuple[Window, ...]] = field(default_factory=dict)
    inhibitions: tuple[Inhibition, ...] = ()
    quiet: tuple[Quiet, ...] = ()
    firing: Firing = field(default_factory=dict)
    _by_label: Mapping[tuple[str, str] | None, tuple[Silence, ...]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        found: dict[tuple[str, str] | None, list[Silence]] = {}
        for silence in self.silences:
            found.setdefault(silence.matching.key, []).append(silence)
        object.__setattr__(self, "_by_label", {key: tuple(given) for key, given in found.items()})

    def while_firing(self, sources: Iterable[Source]) -> Suppressions:
        """The same, when these are the alerts that fire and inhibit others."""
        return replace(self, firing=inhibition.firing(sources))

    def judge(self, labels: Mapping[str, str], service_id: int, now: datetime) -> Suppressed | None:
        """What suppresses an alert that fires with these labels; None: it counts."""
        return (
            self._silenced(labels, service_id, now)
            or self._in_maintenance(service_id, now)
            or self._inhibited(labels)
            or self._in_quiet(labels, service_id, now)
        )

    def silenced_by(self, labels: Mapping[str, str], service_id: int, now: datetime) -> list[Silence]:
        """All silences that hold for it now, the one that ends last first."""
        by_label = self._by_label
        if not by_label:
            return []
        candidates = [*by_label.get(None, ()), *(s for pair in labels.items() for s in by_label.get(pair, ()))]
        holding = [s for s in candidates if s.silences(labels, service_id, now)]
        return sorted(holding, key=lambda s: (s.ends_at, s.id), reverse=True)

    def inhibited_by(self, labels: Mapping[str, str]) -> tuple[Inhibition, Source] | None:
        """The first rule that inhibits it, and the alert that does."""
        for rule in self.inhibitions:
            if (source := rule.inhibited_by(labels, self.firing)) is not None:
                return rule, source
        return None

    def _silenced(self, labels: Mapping[str, str], service_id: int, now: datetime) -> Suppressed | None:
        for silence in self.silenced_by(labels, service_id, now)[:1]:
            because = f"{silence.created_by} silenced it: {silence.comment}"
            return Suppressed("silence", str(silence.id), because, silence.ends_at, str(silence.id))
        return None

    def _in_maintenance(self, service_id: int, now: datetime) -> Suppressed | None:
        under_way = [(end, w) for w in self.windows.get(service_id, ()) if (end := w.until(now)) is not None]
        if not under_way:
            return None
        end, window = max(under_way, key=lambda found: (found[0], found[1].key))
        because = f"its service is in maintenance: {window.name}"
        return Suppressed("maintenance window", window.key, because, end, window.key, version=window.version)

    def _inhibited(self, labels: Mapping[str, str]) -> Suppressed | None:
        if (found := self.inhibited_by(labels)) is None:
            return None
        rule, source = found
        because = f"{source.title or 'an alert'} fires ({rule.name}; alert {source.fingerprint})"
        return Suppressed("inhibition", rule.key, because, rule=rule.key, version=rule.version)

    def _in_quiet(self, labels: Mapping[str, str], service_id: int, now: datetime) -> Suppressed | None:
        for quiet in self.quiet:
            if quiet.services and service_id not in quiet.services:
                continue
            if quiet.matching(labels) and (end := hours.held_until(quiet.intervals, now)) is not None:
                because = f"within the time interval {quiet.name}"
                return Suppressed("time interval", quiet.key, because, end, quiet.key, version=quiet.version)
        return None

"""Inhibition: an alert that fires keeps other matching alerts quiet. Pure.

Semantics (prometheus/alertmanager inhibit/inhibit.go): a rule has source matchers, target matchers and labels that
must be equal on both sides, a missing one being empty. An alert that matches both sides is not inhibited by alerts for
which the same is true, itself among them. Silenced alerts inhibit as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from uuid import UUID

from app.rules.matching import Matching


@dataclass(frozen=True, slots=True)
class Source:
    """An alert that fires and matches the source side of the rule. `both`: it matches the target side too."""

    rule: str
    alert_id: UUID
    equal: tuple[str, ...]
    """Its values of the rule's equal labels, in their order."""
    both: bool
    fingerprint: str
    title: str = ""


@dataclass(frozen=True, slots=True)
class Inhibition:
    """A rule. `key` is what is stored as the name of what suppressed an alert."""

    key: str
    name: str
    source: Matching
    target: Matching
    equal: tuple[str, ...] = ()
    version: int | None = None

    def values(self, labels: Mapping[str, str]) -> tuple[str, ...]:
        return tuple(labels.get(name, "") for name in self.equal)

    def as_source(self, alert_id: UUID, labels: Mapping[str, str], fingerprint: str, title: str) -> Source | None:
        """What an alert with these labels is to the rule while it fires; None: nothing."""
        if not self.source(labels):
            return None
        return Source(self.key, alert_id, self.values(labels), self.target(labels), fingerprint, title)

    def inhibited_by(self, labels: Mapping[str, str], firing: Firing) -> Source | None:
        """The alert that keeps one with these labels quiet."""
        if not self.target(labels):
            return None
        candidates = firing.get((self.key, self.values(labels)), ())
        excluded = self.source(labels)
        return next((s for s in candidates if not (excluded and s.both)), None)


Firing = Mapping[tuple[str, tuple[str, ...]], tuple[Source, ...]]
"""What fires now, by rule and values of its equal labels."""


def firing(sources: Iterable[Source]) -> Firing:
    found: dict[tuple[str, tuple[str, ...]], list[Source]] = {}
    for source in sources:
        found.setdefault((source.rule, source.equal), []).append(source)
    return {place: tuple(sorted(given, key=lambda s: s.fingerprint)) for place, given in found.items()}

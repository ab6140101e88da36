"""③ Routing: what routing rules make of an occurrence, before it is correlated. Pure; the rules are `routing_rules.py`.

The organisation's rules come first: they choose the service. The rules of that service then decide what they have an
opinion about; for everything else the organisation's word stands.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from app.alerts.dedup import Arrival
from app.alerts.suppression import Suppressed, suppress
from app.rules.facts import Facts
from app.rules.rulesets import Decision, RuleSet, Verdict, decide

FactsOf = Callable[[Arrival], Facts]
"""What rules may look at, for an arrival with the service and labels it has by now."""


class Route(Struct, frozen=True, gc=False):
    """What the rules made of an arrival: it, as later stages see it; by what it is suppressed; how long it must fire
    before it counts; and what is kept of all this with the occurrence (None: no rule had anything to say)."""

    arrival: Arrival
    suppressed: Suppressed | None = None
    hold: tuple[timedelta, Suppressed] | None = None
    """How long it must fire, and as what it is suppressed meanwhile."""
    kept: Mapping[str, Any] | None = None


Router = Callable[[Arrival], Route]


def built_in(arrival: Arrival) -> Route:
    """Without any routing rules but our own."""
    return Route(arrival, suppress(arrival.event))


@dataclass(frozen=True, slots=True)
class Routing:
    """The routing rules in force. `services`: id by key; a rule that names one that is gone has no say in it."""

    organisation: RuleSet | None
    own: Mapping[int, tuple[str, RuleSet]]
    """By service id: its key, and its rules."""
    services: Mapping[str, int]
    facts_of: FactsOf

    def __call__(self, arrival: Arrival) -> Route:
        found: list[tuple[str, Verdict]] = []
        failures: list[dict[str, str]] = []
        if self.organisation is not None:
            _add(found, failures, "", decide(self.organisation, self.facts_of(arrival)))
        arrival = self._to_service(arrival, found)
        if (own := self.own.get(arrival.service_id)) is not None:
            _add(found, failures, own[0], decide(own[1], self.facts_of(arrival)))
        says = _sayings(found)
        arrival = _with(arrival, says)
        return Route(arrival, _suppressed(arrival, says), _hold(says), _kept(found, failures, says))

    def _to_service(self, arrival: Arrival, found: list[tuple[str, Verdict]]) -> Arrival:
        for _, verdict in found:
            service_id = self.services.get(verdict.outcome.get("service", ""))
            if service_id is not None:
                return replace(arrival, service_id=service_id)
        return arrival


def _add(found: list[tuple[str, Verdict]], failures: list[dict[str, str]], scope: str, decision: Decision) -> None:
    found += [(scope, verdict) for verdict in decision.verdicts]
    failures += [{"rule": f.rule, "scope": scope, "error": f.error} for f in decision.failures]


class Said(NamedTuple):
    """What holds of a member, and which rule said it, in which scope."""

    value: Any
    scope: str
    verdict: Verdict

    def suppressed(self, by: str) -> Suppressed:
        v = self.verdict
        return Suppressed(by, v.name, v.because, rule=v.rule, scope=self.scope, version=v.version)


def _sayings(found: list[tuple[str, Verdict]]) -> dict[str, Said]:
    """By member. A service's own rules speak last. Labels add up."""
    says: dict[str, Said] = {}
    for scope, verdict in found:
        for name, value in verdict.outcome.items():
            if name == "labels" and "labels" in says:
                value = {**says["labels"].value, **value}
            says[name] = Said(value, scope, verdict)
    return says


def _with(arrival: Arrival, says: Mapping[str, Said]) -> Arrival:
    if "labels" not in says and "severity" not in says:
        return arrival
    event = arrival.event
    labels = {**event.labels, **says["labels"].value} if "labels" in says else event.labels
    severity = says["severity"].value if "severity" in says else event.severity
    return replace(arrival, event=replace(event, labels=labels, severity=severity))


def _suppressed(arrival: Arrival, says: Mapping[str, Said]) -> Suppressed | None:
    return says["suppress"].suppressed("routing rule") if "suppress" in says else suppress(arrival.event)


def _hold(says: Mapping[str, Said]) -> tuple[timedelta, Suppressed] | None:
    if "hold_minutes" not in says:
        return None
    said = says["hold_minutes"]
    return timedelta(minutes=said.value), said.suppressed("hold")


def _kept(
    found: list[tuple[str, Verdict]], failures: list[dict[str, str]], says: Mapping[str, Said]
) -> dict[str, Any] | None:
    if not found and not failures:
        return None
    rules = [
        {"rule": v.rule, "name": v.name, "scope": scope, "version": v.version, "because": v.because,
         "set": dict(v.outcome)}
        for scope, v in found
    ]  # fmt: skip
    kept: dict[str, Any] = {name: said.value for name, said in says.items()} | {"rules": rules}
    return kept | {"failures": failures} if failures else kept

"""Services that depend on services: whose trouble may be the reason for whose. Pure.

behaviour.md 3: if an upstream service has an open incident of equal or higher priority within the window, what happens
downstream joins it as a symptom: one incident for the host, not thirty for its services.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from app.incidents.happenings import WINDOW
from app.incidents.states import Incident

DEEPEST = 5
Path = tuple[int, ...]
"""Service ids, from the one that suffers to the one that is the reason."""


@dataclass(frozen=True, slots=True)
class Topology:
    """`upstreams`: for each service the shortest path to every one it depends on, nearest first, at most 5 steps away;
    `downstreams`: those that depend on it, by as many steps; `keys`: what paths are called."""

    upstreams: Mapping[int, Sequence[Path]] = field(default_factory=dict)
    downstreams: Mapping[int, frozenset[int]] = field(default_factory=dict)
    keys: Mapping[int, str] = field(default_factory=dict)

    def knows(self, service_id: int) -> bool:
        return service_id in self.upstreams or service_id in self.downstreams

    def above(self, service_ids: Iterable[int]) -> set[int]:
        """All that these depend on."""
        return {path[-1] for service_id in service_ids for path in self.upstreams.get(service_id, ())}

    def below(self, service_ids: Iterable[int]) -> set[int]:
        """All that depend on these."""
        return {below for service_id in service_ids for below in self.downstreams.get(service_id, ())}

    def path(self, service_id: int, upstream_id: int) -> Path | None:
        return next((p for p in self.upstreams.get(service_id, ()) if p[-1] == upstream_id), None)

    def said(self, path: Path) -> str:
        """`checkout -> payments -> db-1`."""
        return " -> ".join(self.keys.get(service_id, "?") for service_id in path)


NOWHERE = Topology()


def topology(dependencies: Iterable[tuple[int, int]], keys: Mapping[int, str]) -> Topology:
    """From (service id, upstream id) pairs."""
    direct: dict[int, list[int]] = {}
    for service_id, upstream_id in sorted(dependencies):
        direct.setdefault(service_id, []).append(upstream_id)
    if not direct:
        return NOWHERE
    upstreams = {service_id: _paths(service_id, direct) for service_id in direct}
    downstreams: dict[int, set[int]] = {}
    for service_id, paths in upstreams.items():
        for path in paths:
            downstreams.setdefault(path[-1], set()).add(service_id)
    return Topology(upstreams, {s: frozenset(below) for s, below in downstreams.items()}, keys)


def _paths(start: int, direct: Mapping[int, Sequence[int]]) -> list[Path]:
    found: dict[int, Path] = {start: (start,)}
    nearest: list[Path] = [(start,)]
    for _ in range(DEEPEST):
        further = []
        for path in nearest:
            for upstream_id in direct.get(path[-1], ()):
                if upstream_id not in found:
                    found[upstream_id] = (*path, upstream_id)
                    further.append(found[upstream_id])
        nearest = further
    return [path for service_id, path in found.items() if service_id != start]


def reason(
    service_id: int,
    priority: int,
    incidents: Iterable[Incident],
    topology: Topology,
    now: datetime,
    not_with: Collection[UUID] = (),
) -> tuple[Incident, Path] | None:
    """The open incident that explains trouble of this priority at this service: of the nearest upstream service that
    has one, the oldest."""
    by_service: dict[int, Incident] = {}
    for incident in sorted(incidents, key=lambda i: i.id, reverse=True):
        if incident.id not in not_with and _may_be_the_reason(incident, priority, now):
            by_service[incident.service_id] = incident
    for path in topology.upstreams.get(service_id, ()) if by_service else ():
        if path[-1] in by_service:
            return by_service[path[-1]], path
    return None


def _may_be_the_reason(incident: Incident, priority: int, now: datetime) -> bool:
    """Lower numbers are higher priorities."""
    return incident.is_open and incident.priority <= priority and now - incident.last_occurrence_at <= WINDOW


def explained(
    known: Iterable[Incident], asked: Collection[UUID], topology: Topology, now: datetime
) -> dict[UUID, tuple[UUID, Path]]:
    """Which of these incidents are symptoms of which, and by which path. Only pairs in which one of `asked` takes part;
    only incidents opened within the window."""
    incidents = {i.id: i for i in known}
    found: dict[UUID, tuple[UUID, Path]] = {}
    for incident in incidents.values():
        if not incident.is_open or now - incident.opened_at > WINDOW:
            continue
        because = reason(incident.service_id, incident.priority, incidents.values(), topology, now, {incident.id})
        if because is not None:
            found[incident.id] = because[0].id, because[1]
    last = {symptom: _last(found, symptom, incidents, topology) for symptom in found}
    return {symptom: because for symptom, because in last.items() if symptom in asked or because[0] in asked}


def _last(
    found: Mapping[UUID, tuple[UUID, Path]], symptom: UUID, incidents: Mapping[UUID, Incident], topology: Topology
) -> tuple[UUID, Path]:
    """Where the reason is itself a symptom, its reason. Dependencies have no cycles, so neither has this."""
    into, path = found[symptom]
    while into in found:
        into = found[into][0]
        path = topology.path(incidents[symptom].service_id, incidents[into].service_id) or path
    return into, path

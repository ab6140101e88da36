"""What priority something would get, and why: a payload, an incident or plain facts, under the rules in force or a
draft. Reads, and stores nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from app import hours
from app.alerts.suppression import Suppressed, suppress
from app.errors import Invalid, NotFound
from app.ingest.adapters import ADAPTERS
from app.ingest.event import Event, Refused, Unparsable
from app.priority import matrix as matrices
from app.priority import store as priority_store
from app.priority.assign import PRIORITY_RULES, Loudness, PriorityVerdict, assign, loudness
from app.priority.facts import facts
from app.priority.matrix import Matrix
from app.rehearsal import store
from app.rehearsal.store import TriedIncident, TriedService
from app.rules import rulesets
from app.rules import store as rules_store
from app.rules.conditions import Conjunct
from app.rules.facts import Counts, Facts, ServiceFacts
from app.rules.rulesets import RuleSet

SUBJECT_LIMIT = 100
NO_SERVICE = TriedService(ServiceFacts(), None)


@dataclass(frozen=True, slots=True)
class Ground:
    """What is tried against. A draft has no version."""

    rules: RuleSet
    rules_version: int | None
    matrix: Matrix
    matrix_version: int | None
    zone: str
    at: datetime
    own: Mapping[str, RuleSet]
    """The rules of services by their key: they decide before the organisation's."""


@dataclass(frozen=True, slots=True)
class Subject:
    """Something that a priority is wanted for."""

    title: str
    dedup_key: str
    kind: str
    facts: Facts
    suppressed: Suppressed | None = None


@dataclass(frozen=True, slots=True)
class Explained:
    """One rule on one subject, part by part."""

    rule: str
    matched: bool
    error: str | None
    parts: tuple[Conjunct, ...]


@dataclass(frozen=True, slots=True)
class Tried:
    """`verdict` and `loudness` are None for what resolves an alert: it gets no priority."""

    subject: Subject
    verdict: PriorityVerdict | None
    loudness: Loudness | None
    explained: tuple[Explained, ...] = ()


async def ground(
    conn: AsyncConnection, at: datetime, *, rules: list[dict[str, Any]] | None = None, matrix: object = None
) -> Ground:
    """The rules and the matrix in force, each replaced by its draft where one is given. Raises `Invalid`."""
    in_force = await rules_store.current(conn, PRIORITY_RULES)
    current = await priority_store.current(conn)
    return Ground(
        in_force if rules is None else rulesets.check(rules, PRIORITY_RULES, in_force.version + 1),
        in_force.version if rules is None else None,
        current.matrix if matrix is None else matrices.check(matrix),
        current.version if matrix is None else None,
        await store.zone(conn),
        at,
        await rules_store.all_current(conn, PRIORITY_RULES),
    )


async def from_payload(
    conn: AsyncConnection, ground: Ground, integration: str, payload: bytes
) -> tuple[list[Subject], tuple[Refused, ...]]:
    """The events that this body would make, read by the adapter of the integration, and those it would refuse.

    Raises `Invalid` for an integration that does not exist and for a body of which nothing can be used.
    """
    entrance = await store.entrance(conn, integration)
    if entrance is None:
        raise invalid("integration", f"there is no integration {integration!r}")
    if entrance.source not in ADAPTERS:
        raise invalid("integration", f"nothing is sent to {integration!r}: it is of the source {entrance.source}")
    try:
        parsed = ADAPTERS[entrance.source](payload, {}, entrance, ground.at)
    except Unparsable as e:
        raise invalid("payload", str(e)) from e
    service = (await store.services(conn, [entrance.service_id])).get(entrance.service_id, NO_SERVICE)
    events = [event for _, event in parsed.events[:SUBJECT_LIMIT]]
    return [of_event(ground, event, entrance.source, service) for event in events], parsed.refused


async def from_incident(conn: AsyncConnection, ground: Ground, number: int) -> tuple[list[Subject], TriedIncident]:
    """The alerts of an incident as they are now; those that fire, or all when none does. Raises `NotFound`."""
    incident = await store.incident(conn, number)
    if incident is None:
        raise NotFound(f"there is no incident {number}", number=number)
    rows = await store.incident_alerts(conn, number, SUBJECT_LIMIT)
    rows = [row for row in rows if row.firing] or rows
    services = await store.services(conn, {row.service_id for row in rows})
    counts = Counts(alerts=max(incident.alerts, 1), services=max(incident.services, 1))
    subjects = []
    for row in rows:
        service = services.get(row.service_id, NO_SERVICE)
        known = _facts(ground, row.labels, row.annotations, row.severity, row.source, row.title, service, counts)
        subjects.append(Subject(row.title, row.dedup_key, "firing", known))
    return subjects, incident


async def from_facts(
    conn: AsyncConnection,
    ground: Ground,
    *,
    labels: Mapping[str, str],
    annotations: Mapping[str, str],
    severity: str,
    source: str,
    title: str,
    service: str | None,
    counts: Counts,
) -> list[Subject]:
    """Facts as somebody wrote them down. Raises `Invalid` for a service that does not exist."""
    found = await store.service(conn, service) if service else NO_SERVICE
    if found is None:
        raise invalid("facts.service", f"there is no service {service!r}")
    return [Subject(title, "", "firing", _facts(ground, labels, annotations, severity, source, title, found, counts))]


async def judge(ground: Ground, subjects: Sequence[Subject], *, explain: bool) -> list[Tried]:
    """The verdicts, in a thread of its own: a thousand rules on a hundred alerts must not hold up the road."""
    return await asyncio.to_thread(lambda: [_judge(ground, subject, explain) for subject in subjects])


def _judge(ground: Ground, subject: Subject, explain: bool) -> Tried:
    if subject.kind != "firing":
        return Tried(subject, None, None)
    verdict = assign(ground.rules, ground.matrix, subject.facts, ground.own.get(subject.facts.service.key))
    loud = loudness(verdict.priority, in_support_hours=subject.facts.time.in_support_hours)
    return Tried(subject, verdict, loud, _explain(ground.rules, subject.facts) if explain else ())


def _explain(rules: RuleSet, facts: Facts) -> tuple[Explained, ...]:
    explained = []
    for rule in rules.rules:
        if rule.enabled:
            outcome = rule.condition.evaluate(facts)
            explained.append(Explained(rule.key, outcome.matched, outcome.error, rule.condition.explain(facts)))
    return tuple(explained)


def of_event(ground: Ground, event: Event, source: str, service: TriedService) -> Subject:
    """An event as it would come in for that service."""
    known = _facts(ground, event.labels, event.annotations, event.severity, source, event.title, service, Counts())
    suppressed = suppress(event) if event.kind == "firing" else None
    return Subject(event.title, event.dedup_key, event.kind, known, suppressed)


def _facts(
    ground: Ground,
    labels: Mapping[str, str],
    annotations: Mapping[str, str],
    severity: str,
    source: str,
    title: str,
    service: TriedService,
    counts: Counts,
) -> Facts:
    return facts(
        labels=labels,
        annotations=annotations,
        severity=severity,
        source=source,
        title=title,
        service=service.facts,
        at=ground.at,
        zone=ground.zone,
        in_support_hours=hours.within(service.hours, ground.at),
        counts=counts,
    )


def invalid(field: str, message: str) -> Invalid:
    """Of one field of what was sent."""
    return Invalid(f"{field}: {message}", errors=[{"field": field, "message": message}])

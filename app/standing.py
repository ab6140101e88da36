"""The configuration as one transaction sees it: services, rules, matrix, policies. Read again only when it changed.

`configuration_version` grows with every audit record, so that comparing one number is enough.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app import hours
from app.alerts import standing_suppressions
from app.alerts.commands import Ways
from app.alerts.dedup import Arrival
from app.alerts.routing import Routing
from app.alerts.routing_rules import ROUTING_RULES
from app.alerts.suppression import Suppressions
from app.db import hot
from app.db.hot import Hot
from app.escalation import copy_store
from app.escalation.copy_store import Policies
from app.heartbeats import signs
from app.hours import WeeklyHours
from app.incidents.correlation_rules import CORRELATION_RULES, key_of, terms_of
from app.incidents.happenings import Happening, Rank, Ranking, Terms
from app.incidents.joining import KeyOf, default_key
from app.incidents.topology import NOWHERE, Topology, topology
from app.priority import store as priority_store
from app.priority.assign import PRIORITY_RULES, assign, loudness_at
from app.priority.facts import facts
from app.priority.matrix import Matrix
from app.rules import store as rules_store
from app.rules.facts import Counts, Facts, ServiceFacts
from app.rules.rulesets import RuleSet, decide
from app.rules.store import ORGANISATION

NOW_AND_VERSION = text("SELECT tocsin_now() AS now, version FROM configuration_version")
NOW_AND_VERSION_HOT = Hot(NOW_AND_VERSION.text)

SERVICES = text("""
    SELECT s.id, s.key, s.name, s.criticality, s.tags, s.support_hours, s.recovery_delay_s, t.key AS team,
           coalesce(s.policy_id, o.catch_all_policy_id) AS policy_id, o.time_zone, o.storm_threshold
    FROM services s CROSS JOIN organisation o LEFT JOIN teams t ON t.id = s.team_id
""")

DEPENDENCIES = text("SELECT d.service_id, d.upstream_id FROM service_dependencies d")


@dataclass(frozen=True, slots=True)
class ServiceStanding:
    """A service as the road needs it; `policy_id` is the catch-all's where it has none of its own."""

    id: int
    facts: ServiceFacts
    hours: WeeklyHours | None
    recovery_delay: timedelta
    policy_id: int | None


@dataclass(frozen=True)
class Standing:
    """One version of the configuration."""

    version: int
    zone: str
    services: Mapping[int, ServiceStanding]
    rules: RuleSet
    matrix: Matrix
    policies: Policies
    """The copies that new ladders take."""
    routing: Mapping[str, RuleSet] = field(default_factory=dict)
    """By scope, as the next two."""
    correlation: Mapping[str, RuleSet] = field(default_factory=dict)
    own_priority: Mapping[str, RuleSet] = field(default_factory=dict)
    feeds: signs.Feeds = field(default_factory=dict)
    """By integration id: the heartbeats that its alerts feed."""
    suppressions: Suppressions = field(default_factory=Suppressions)
    topology: Topology = NOWHERE
    storm_threshold: int = 20
    """More new incidents than this in a minute are a storm."""

    @cached_property
    def hours(self) -> dict[int, WeeklyHours | None]:
        return {s.id: s.hours for s in self.services.values()}

    @cached_property
    def recovery_delays(self) -> dict[int, timedelta]:
        return {s.id: s.recovery_delay for s in self.services.values()}

    def facts(self, arrival: Arrival, service_id: int, now: datetime, alerts: int = 1) -> Facts:
        """What rules of any kind may look at."""
        service, event = self.services[service_id], arrival.event
        return facts(
            labels=event.labels,
            annotations=event.annotations,
            severity=event.severity,
            source=arrival.source,
            title=event.title,
            service=service.facts,
            at=now,
            zone=self.zone,
            in_support_hours=hours.within(service.hours, now),
            counts=Counts(alerts=alerts),
        )

    def ways(self, now: datetime) -> Ways:
        """③ How arrivals are routed at this instant."""
        if not self.routing:
            return Ways(suppressions=self.suppressions, version=self.version)
        own = {s.id: (s.facts.key, self.routing[s.facts.key]) for s in self._with_rules(self.routing)}
        services = {s.facts.key: s.id for s in self.services.values()}
        organisation = self.routing.get(ORGANISATION)
        routing = Routing(organisation, own, services, lambda a: self.facts(a, a.service_id, now))
        return Ways(routing, self.suppressions, self.version)

    def _with_rules(self, scopes: Mapping[str, RuleSet]) -> list[ServiceStanding]:
        return [s for s in self.services.values() if s.facts.key in scopes]

    def key_of(self, now: datetime) -> KeyOf:
        """④ By which key an occurrence is correlated: its service's rules, the organisation's, else the default."""
        return Keys(self, now).of if self.correlation else default_key

    def rank(self, now: datetime) -> Rank:
        """⑤ How priority is judged at this instant: a service's own rules before the organisation's."""

        def judge(happening: Happening, alerts: int) -> Ranking:
            service = self.services[happening.service_id]
            known = self.facts(happening.facts, service.id, now, alerts)
            verdict = assign(self.rules, self.matrix, known, self.own_priority.get(service.facts.key))
            return Ranking(verdict, *loudness_at(verdict.priority, service.hours, now))

        return judge


@dataclass(frozen=True, slots=True)
class Keys:
    """Correlation rules at an instant."""

    standing: Standing
    now: datetime

    def of(self, arrival: Arrival, service_id: int) -> tuple[str, Terms]:
        standing = self.standing
        known = standing.facts(arrival, service_id, self.now)
        for scope in (standing.services[service_id].facts.key, ORGANISATION):
            ruleset = standing.correlation.get(scope)
            for verdict in decide(ruleset, known).verdicts if ruleset is not None else ():
                key = key_of(f"{scope}/{verdict.rule}", verdict.outcome, service_id, known)
                if key is not None:
                    return key, terms_of(verdict, scope)
        return default_key(arrival, service_id)


class Standings:
    """The newest `Standing` this process has read."""

    def __init__(self) -> None:
        self._newest: Standing | None = None

    async def begin(self, conn: AsyncConnection) -> tuple[datetime, Standing]:
        """`now` of this transaction, and the configuration it sees: one statement when nothing changed."""
        if hot.under_way(conn):
            [(now, version)] = await NOW_AND_VERSION_HOT.rows(conn, {})
        else:  # SQLAlchemy begins with its first statement
            now, version = (await conn.execute(NOW_AND_VERSION)).one()
        standing = self._newest
        if standing is None or standing.version != version:
            standing = self._newest = await _load(conn, version, now)
        return now, standing


async def _load(conn: AsyncConnection, version: int, now: datetime) -> Standing:
    rows = (await conn.execute(SERVICES)).all()
    services = {
        r.id: ServiceStanding(
            r.id,
            ServiceFacts(r.key, r.name, r.criticality, tuple(r.tags), r.team or ""),
            hours.parse_hours(r.support_hours) if r.support_hours else None,
            timedelta(seconds=r.recovery_delay_s),
            r.policy_id,
        )
        for r in rows
    }
    keys = {s.id: s.facts.key for s in services.values()}
    graph = topology([(r.service_id, r.upstream_id) for r in await conn.execute(DEPENDENCIES)], keys)
    dependents = {keys[s]: [keys[below] for below in graph.below([s])] for s in services}
    return Standing(
        version,
        rows[0].time_zone if rows else "UTC",
        services,
        await rules_store.current(conn, PRIORITY_RULES),
        (await priority_store.current(conn)).matrix,
        await copy_store.load(conn, {s.id: s.policy_id for s in services.values()}),
        await rules_store.all_current(conn, ROUTING_RULES),
        await rules_store.all_current(conn, CORRELATION_RULES),
        await rules_store.all_current(conn, PRIORITY_RULES),
        await signs.feeds(conn),
        await standing_suppressions.load(conn, now, dependents),
        graph,
        rows[0].storm_threshold if rows else 20,
    )

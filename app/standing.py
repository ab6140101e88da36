"""The configuration as one transaction sees it: services, rules, matrix, policies. Read again only when it changed.

`configuration_version` grows with every audit record, so that comparing one number is enough.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app import hours
from app.alerts import standing_suppressions
from app.alerts.dedup import Arrival
from app.alerts.suppression import Suppressions
from app.escalation import policy_store
from app.hours import WeeklyHours
from app.incidents.correlation import Happening, Rank, Ranking
from app.priority import store as priority_store
from app.priority.assign import PRIORITY_RULES, assign, loudness_at
from app.priority.facts import facts
from app.priority.matrix import Matrix
from app.rules import store as rules_store
from app.rules.facts import Counts, ServiceFacts
from app.rules.rulesets import RuleSet

NOW_AND_VERSION = text("SELECT tocsin_now() AS now, version FROM configuration_version")

SERVICES = text("""
    SELECT s.id, s.key, s.name, s.criticality, s.tags, s.support_hours, s.recovery_delay_s, t.key AS team,
           coalesce(s.policy_id, o.catch_all_policy_id) AS policy_id, o.time_zone
    FROM services s CROSS JOIN organisation o LEFT JOIN teams t ON t.id = s.team_id
""")


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
    policies: Mapping[int, Mapping[str, Any]]
    """By service id: the copy that a new ladder takes."""
    suppressions: Suppressions

    @cached_property
    def hours(self) -> dict[int, WeeklyHours | None]:
        return {s.id: s.hours for s in self.services.values()}

    @cached_property
    def recovery_delays(self) -> dict[int, timedelta]:
        return {s.id: s.recovery_delay for s in self.services.values()}

    def rank(self, now: datetime) -> Rank:
        """⑤ How priority is judged at this instant."""

        def judge(happening: Happening, alerts: int) -> Ranking:
            arrival: Arrival = happening.facts
            service = self.services[happening.service_id]
            in_hours = hours.within(service.hours, now)
            event = arrival.event
            verdict = assign(
                self.rules,
                self.matrix,
                facts(
                    labels=event.labels,
                    annotations=event.annotations,
                    severity=event.severity,
                    source=arrival.source,
                    title=event.title,
                    service=service.facts,
                    at=now,
                    zone=self.zone,
                    in_support_hours=in_hours,
                    counts=Counts(alerts=alerts),
                ),
            )
            return Ranking(verdict, *loudness_at(verdict.priority, service.hours, now))

        return judge


class Standings:
    """The newest `Standing` this process has read."""

    def __init__(self) -> None:
        self._newest: Standing | None = None

    async def begin(self, conn: AsyncConnection) -> tuple[datetime, Standing]:
        """`now` of this transaction, and the configuration it sees: one statement when nothing changed."""
        row = (await conn.execute(NOW_AND_VERSION)).one()
        if self._newest is None or self._newest.version != row.version:
            self._newest = await _load(conn, row.version, row.now)
        return row.now, self._newest


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
    copies = await policy_store.snapshot(conn, sorted({s.policy_id for s in services.values() if s.policy_id}))
    return Standing(
        version,
        rows[0].time_zone if rows else "UTC",
        services,
        await rules_store.current(conn, PRIORITY_RULES),
        (await priority_store.current(conn)).matrix,
        {s.id: copies[s.policy_id] for s in services.values() if s.policy_id in copies},
        await standing_suppressions.load(conn, now),
    )

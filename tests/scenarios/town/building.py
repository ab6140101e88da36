"""How a town is furnished: by the commands that the API and the command line use: audit and versions are real."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import count
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.access import api_keys
from app.access.secrets import Secrets
from app.channels.channel import Channel
from app.db.engine import transaction
from app.directory import contact_methods, integrations, people, services, teams
from app.directory.documents import (
    ContactMethodDocument,
    IntegrationDocument,
    Member,
    NotificationRuleDocument,
    NotificationRulesEdit,
    OrganisationEdit,
    ServiceDocument,
    TeamDocument,
    UserDocument,
)
from app.escalation import lists, policies, webhooks
from app.escalation.list_documents import EscalationMatrixEdit, SupportTiersEdit
from app.escalation.policy_document import LastResort, PolicyDocument, StepDocument, Target
from app.escalation.webhook_documents import WebhookDocument
from app.ingest.adapters import ADAPTERS
from app.oncall import commands as oncall
from app.oncall.schedule_document import ScheduleDocument
from app.priority.assign import PRIORITY_RULES
from app.priority.documents import PriorityRule, plain
from app.rules import commands as rules
from app.rules.rulesets import Kind
from town.residents import Resident

ACTOR = "cli"
OFFICE = {
    "time_zone": "Europe/Berlin",
    "spans": [{"days": ["mon", "tue", "wed", "thu", "fri"], "from": "09:00", "to": "17:00"}],
}
"""Support hours: in Berlin, 8:00 to 16:00 UTC in winter."""

Rungs = Iterable[Any]
"""A policy as a story writes it: people, schedules and teams, and the delays between them: `[ana, minutes(5), ben]`."""


def target(who: Any) -> Target:
    if isinstance(who, Target):
        return who
    return Target(type="user", key=who.key)


def steps(rungs: Rungs) -> list[StepDocument]:
    """Somebody and the delay after them, else 5 minutes; a list or tuple is one step with several targets."""
    made: list[StepDocument] = []
    waiting: list[Target] | None = None
    for rung in rungs:
        if isinstance(rung, timedelta):
            assert waiting is not None, "a policy begins with somebody to page"
            made.append(StepDocument(delay_s=int(rung.total_seconds()), targets=waiting))
            waiting = None
            continue
        if waiting is not None:
            made.append(StepDocument(delay_s=300, targets=waiting))
        waiting = [target(w) for w in rung] if isinstance(rung, (list, tuple)) else [target(rung)]
    if waiting is not None:
        made.append(StepDocument(delay_s=300, targets=waiting))
    return made


class Builder:
    """Writes configuration, one transaction a call."""

    def __init__(self, engine: AsyncEngine, channels: Mapping[str, Channel], secrets: Secrets) -> None:
        self._engine = engine
        self._channels = channels
        self._secrets = secrets
        self._numbers = count(1)

    async def organisation(self, zone: str) -> None:
        async with transaction(self._engine) as (conn, now):
            edit = OrganisationEdit(name="Example Inc", time_zone=zone)
            await teams.create_organisation(conn, now, edit, actor=ACTOR)

    async def storms_above(self, incidents_a_minute: int) -> None:
        async with transaction(self._engine) as (conn, now):
            edit = (await teams.read_organisation(conn)).document.model_copy(
                update={"storm_threshold": incidents_a_minute}
            )
            await teams.edit_organisation(conn, now, edit, actor=ACTOR)

    async def person(self, town: Any, name: str, channels: Sequence[str], *, role: str, zone: str | None) -> Resident:
        key = name.lower()
        n = next(self._numbers)
        async with transaction(self._engine) as (conn, now):
            user = UserDocument(key=key, name=name, email=f"{key}@login.example.org", role=role, time_zone=zone)
            user_id = (await people.create_user(conn, now, user, actor=ACTOR)).id
            secret = await api_keys.create(
                conn, now, actor=ACTOR, key=f"{key}-key", name=name, scopes=["read", "respond", "configure", "admin"],
                user_id=user_id,
            )  # fmt: skip
            town.exchange.phone(f"+4915112345{n:03}", name)
            resident = Resident(town, name, key, user_id, secret, f"+4915112345{n:03}", f"{key}@example.org")
            for channel in channels:
                resident.methods[channel] = await self._method(conn, now, resident, channel)
        return resident

    async def contact_method(self, resident: Resident, channel: str) -> int:
        async with transaction(self._engine) as (conn, now):
            resident.methods[channel] = await self._method(conn, now, resident, channel)
        return resident.methods[channel]

    async def _method(self, conn: AsyncConnection, now: datetime, resident: Resident, channel: str) -> int:
        address = resident.number if channel in ("sms", "voice") else resident.address
        document = ContactMethodDocument(channel=channel, address=address)
        added = await contact_methods.add(
            conn, now, resident.user_id, document, self._channels, actor=ACTOR, verified=True
        )
        return added.id

    async def notification_rules(self, resident: Resident, rules: Iterable[tuple[str, timedelta, str]]) -> None:
        edit = NotificationRulesEdit(
            rules=[
                NotificationRuleDocument(
                    loudness=loudness, delay_s=int(after.total_seconds()), contact_method=resident.methods[channel]
                )
                for loudness, after, channel in rules
            ]
        )
        async with transaction(self._engine) as (conn, now):
            await contact_methods.put_rules(conn, now, resident.key, edit, actor=ACTOR)

    async def last_resort(self, targets: Iterable[Any]) -> None:
        async with transaction(self._engine) as (conn, now):
            last = LastResort(targets=[target(t) for t in targets])
            await policies.set_last_resort(conn, now, last, actor=ACTOR)

    async def team(self, key: str, members: Iterable[Resident]) -> Target:
        document = TeamDocument(key=key, name=key.capitalize(), members=[Member(user=m.key) for m in members])
        async with transaction(self._engine) as (conn, now):
            await teams.create_team(conn, now, document, actor=ACTOR)
        return Target(type="team", key=key)

    async def schedule(self, key: str, document: Mapping[str, Any]) -> Target:
        made = ScheduleDocument.model_validate({"key": key, "name": key.capitalize(), **document})
        async with transaction(self._engine) as (conn, now):
            await oncall.create(conn, now, made, actor=ACTOR)
        return Target(type="schedule", key=key)

    async def policy(self, key: str, *steps: Mapping[str, Any], **members: Any) -> str:
        """A policy as the API takes it; steps have a delay of 5 minutes unless they say otherwise, and `targets` are
        whom `target` takes."""
        made = [{"delay_s": 300, **s, "targets": [target(t).model_dump() for t in s["targets"]]} for s in steps]
        document = PolicyDocument.model_validate({"key": key, "name": key.capitalize(), "steps": made, **members})
        async with transaction(self._engine) as (conn, now):
            await policies.create(conn, now, document, actor=ACTOR)
        return key

    async def webhook(self, key: str, url: str, **members: Any) -> Target:
        """`members`: `request` and `when`, as the API takes them."""
        async with transaction(self._engine) as (conn, now):
            document = WebhookDocument.model_validate({"key": key, "name": key.capitalize(), **members})
            await webhooks.create(conn, now, document, actor=ACTOR)
            await webhooks.set_address(conn, now, key, url, self._secrets, actor=ACTOR)
        return Target(type="webhook", key=key)

    async def matrix(self, *rows: Mapping[str, Any]) -> None:
        """Who is informed by priority."""
        async with transaction(self._engine) as (conn, now):
            edit = EscalationMatrixEdit.model_validate({"rows": list(rows)})
            await lists.set_matrix(conn, now, edit, actor=ACTOR)

    async def tiers(self, *tiers: Mapping[str, Any]) -> None:
        async with transaction(self._engine) as (conn, now):
            edit = SupportTiersEdit.model_validate({"tiers": list(tiers)})
            await lists.set_tiers(conn, now, edit, actor=ACTOR)

    async def service(
        self, key: str, *, policy: Rungs | str | None, repeats: int, **members: Any
    ) -> dict[tuple[str, str], str]:
        """Returns its routing keys by (service, source), one integration for each source there is."""
        keys: dict[tuple[str, str], str] = {}
        async with transaction(self._engine) as (conn, now):
            if isinstance(policy, str):
                members["policy"] = policy
            elif policy is not None:
                document = PolicyDocument(key=key, name=key.capitalize(), repeats=repeats, steps=steps(policy))
                await policies.create(conn, now, document, actor=ACTOR)
                members["policy"] = key
            service = ServiceDocument(key=key, name=key.capitalize(), **members)
            await services.create(conn, now, service, actor=ACTOR)
            for source in ADAPTERS:
                integration = IntegrationDocument(key=f"{key}-{source}", name=source, source=source, service=key)
                _, keys[key, source] = await integrations.create(conn, now, integration, ADAPTERS, actor=ACTOR)
        return keys

    async def rule_set(self, kind: Kind, given: list[dict[str, Any]]) -> None:
        """Routing, correlation or priority rules of the organisation."""
        async with transaction(self._engine) as (conn, now):
            await rules.publish(conn, now, kind, given, actor=ACTOR)

    async def priority_rules(self, given: list[PriorityRule]) -> None:
        async with transaction(self._engine) as (conn, now):
            await rules.publish(conn, now, PRIORITY_RULES, plain(given), actor=ACTOR)

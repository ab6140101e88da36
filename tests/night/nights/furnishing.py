"""Writes the organisation of a night by the commands that the API and the command line use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.access.secrets import Secrets
from app.channels.channel import Channel
from app.directory import contact_methods, integrations, people, services, teams
from app.directory.documents import (
    ContactMethodDocument,
    IntegrationDocument,
    NotificationRuleDocument,
    NotificationRulesEdit,
    OrganisationEdit,
    ServiceDocument,
    UserDocument,
)
from app.escalation import lists, policies, webhooks
from app.escalation.list_documents import EscalationMatrixEdit
from app.escalation.policy_document import LastResort, PolicyDocument, Target
from app.escalation.webhook_documents import WebhookDocument, WebhookEdit
from app.ingest import store
from app.ingest.adapters import ADAPTERS
from app.ingest.entrances import door_of
from app.ingest.requests import Door
from app.oncall import commands as oncall
from app.oncall import overriding
from app.oncall.override_document import OverrideDocument
from app.oncall.schedule_document import ScheduleDocument
from nights.script import Hook, Organisation, Resident, Service

ACTOR = "cli"
SECRETS = Secrets(b"n" * 40)
TEMPLATE = text("""
    INSERT INTO message_templates (part, service_id, text, created_at, updated_at)
    VALUES (:part, (SELECT id FROM services WHERE key = :service), :text, :now, :now)
""")
"""As it may be stored, whatever this version would save."""
OFFICE = {
    "time_zone": "Europe/Berlin",
    "spans": [{"days": ["mon", "tue", "wed", "thu", "fri"], "from": "09:00", "to": "17:00"}],
}


@dataclass(slots=True)
class Furnished:
    """`doors` by service, `users` (ids) by person, `addresses`: whose each is."""

    users: dict[str, int] = field(default_factory=dict)
    addresses: dict[str, str] = field(default_factory=dict)
    doors: dict[str, Door] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict, repr=False)
    """Routing keys by service."""


def address_of(resident: Resident, channel: str, nth: int) -> str:
    return f"{resident.key}@example.org" if channel == "mail" else f"+4915112345{nth:03}"


async def furnish(
    conn: AsyncConnection, now: datetime, town: Organisation, channels: Mapping[str, Channel]
) -> Furnished:
    """All of it, in the transaction of `conn`."""
    made = Furnished()
    edit = OrganisationEdit(name="Example Inc", time_zone=town.zone, storm_threshold=town.storm_threshold)
    await teams.create_organisation(conn, now, edit, actor=ACTOR)
    for nth, resident in enumerate(town.people):
        await _person(conn, now, resident, nth, made, channels)
    for schedule in town.schedules:
        await oncall.create(conn, now, ScheduleDocument.model_validate(schedule), actor=ACTOR)
    for override in town.overrides:
        document = OverrideDocument.model_validate({k: v for k, v in override.items() if k != "schedule"})
        await overriding.override(conn, now, override["schedule"], document, actor=ACTOR)
    for hook in town.hooks:  # before the policies that call them
        await _hook(conn, now, hook)
    for policy in town.policies:
        await policies.create(conn, now, PolicyDocument.model_validate(policy), actor=ACTOR)
    last = LastResort(targets=[Target(type="user", key=key) for key in town.last_resort])
    await policies.set_last_resort(conn, now, last, actor=ACTOR)
    if town.informed:
        rows = EscalationMatrixEdit.model_validate({"rows": list(town.informed)})
        await lists.set_matrix(conn, now, rows, actor=ACTOR)
    await _services(conn, now, town, made)
    for hook in town.hooks:
        if hook.happens:
            await _listens(conn, now, hook)
    for key, words in town.templates:
        part, _, service = key.partition(":")
        await conn.execute(TEMPLATE, {"part": part, "service": service or None, "text": words, "now": now})
    return made


async def _hook(conn: AsyncConnection, now: datetime, hook: Hook) -> None:
    await webhooks.create(conn, now, WebhookDocument(key=hook.key, name=hook.key.capitalize()), actor=ACTOR)
    await webhooks.set_address(conn, now, hook.key, hook.address, SECRETS, actor=ACTOR)


async def _listens(conn: AsyncConnection, now: datetime, hook: Hook) -> None:
    """Of services that are there by now."""
    when: dict[str, Any] = {"happens": list(hook.happens), "services": list(hook.services) or None}
    if hook.priority_at_least < 5:
        when["priority_at_least"] = hook.priority_at_least
    edit = WebhookEdit.model_validate({"name": hook.key.capitalize(), "when": when})
    await webhooks.edit(conn, now, hook.key, edit, actor=ACTOR)


async def _person(
    conn: AsyncConnection, now: datetime, resident: Resident, nth: int, made: Furnished,
    channels: Mapping[str, Channel],
) -> None:  # fmt: skip
    user = UserDocument(
        key=resident.key, name=resident.name, email=f"{resident.key}@login.example.org", role="admin",
        digest_at=resident.digest_at or None,
    )  # fmt: skip
    user_id = made.users[resident.key] = (await people.create_user(conn, now, user, actor=ACTOR)).id
    methods: dict[str, int] = {}
    for channel in resident.channels:
        address = address_of(resident, channel, nth)
        made.addresses[address] = resident.key
        document = ContactMethodDocument(channel=channel, address=address)
        added = await contact_methods.add(conn, now, user_id, document, channels, actor=ACTOR, verified=True)
        methods[channel] = added.id
    if resident.rules:
        rules = [
            NotificationRuleDocument(loudness=loudness, delay_s=delay, contact_method=methods[channel])  # type: ignore[arg-type]
            for loudness, delay, channel in resident.rules
        ]
        await contact_methods.put_rules(conn, now, resident.key, NotificationRulesEdit(rules=rules), actor=ACTOR)


async def _services(conn: AsyncConnection, now: datetime, town: Organisation, made: Furnished) -> None:
    keys: dict[bytes, str] = {}
    for service in town.services:
        await services.create(conn, now, _document(service), actor=ACTOR)
        integration = IntegrationDocument(
            key=f"{service.key}-own", name="Own", source="generic", service=service.key, resolve_timeout_s=86_400
        )
        _, routing_key = await integrations.create(conn, now, integration, ADAPTERS, actor=ACTOR)
        made.keys[service.key] = routing_key
        keys[sha256(routing_key.encode()).digest()] = service.key
    for row in (await conn.execute(store.ENTRANCES, {"now": now})).all():
        made.doors[keys[bytes(row.key_hash)]] = door_of(row)


def _document(service: Service) -> ServiceDocument:
    office: dict[str, Any] = {"support_hours": OFFICE} if service.office_hours else {}
    return ServiceDocument(
        key=service.key, name=service.key.capitalize(), policy=service.policy, criticality=service.criticality,
        recovery_delay_s=service.recovery_delay_s, depends_on=list(service.depends_on), **office,
    )  # fmt: skip

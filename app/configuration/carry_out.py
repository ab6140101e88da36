"""One change of a plan, carried out by the command of its room: checks and audit records are the same as ever."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from app.alerts import suppression_rules as suppression
from app.calendars import commands as calendars
from app.configuration.plan import Change, Kind
from app.configuration.rule_set_plan import RULES
from app.directory import contact_methods, contact_store, integrations, people, services, store, subscriptions, teams
from app.directory.contact_methods import Channels
from app.directory.documents import (
    ContactMethodEdit,
    NotificationRuleDocument,
    NotificationRulesEdit,
    UserDocument,
)
from app.errors import Invalid
from app.escalation import lists, policies, webhooks
from app.heartbeats import commands as heartbeats
from app.ingest import mappings
from app.notifications import templates
from app.oncall import commands as schedules
from app.priority import commands as priority
from app.rules import commands as rules


@dataclass(slots=True)
class Work:
    """What carrying out needs, and what only it knows: the routing keys (by integration) and ping tokens (by heartbeat)
    it made, which nobody can read again, and how many calls were given up with a webhook."""

    conn: AsyncConnection
    now: datetime
    actor: str
    channels: Channels
    sources: Collection[str]
    routing_keys: dict[str, str] = field(default_factory=dict)
    ping_tokens: dict[str, str] = field(default_factory=dict)
    calls_given_up: dict[str, int] = field(default_factory=dict)


async def carry_out(work: Work, change: Change) -> None:
    """Raises what the command raises."""
    await _BY_KIND[change.kind](work, change)


async def _organisation(work: Work, change: Change) -> None:
    how: Any = teams.create_organisation if change.action == "create" else teams.edit_organisation
    await how(work.conn, work.now, change.after, actor=work.actor)


async def _user(work: Work, change: Change) -> None:
    after: Any = change.after
    if change.action == "create":
        user = UserDocument(key=change.key, **after.model_dump())
        await people.create_user(work.conn, work.now, user, actor=work.actor)
    else:
        await people.edit_user(work.conn, work.now, change.key, after, actor=work.actor)


async def _contact_method(work: Work, change: Change) -> None:
    user_id = (await store.user_ids(work.conn, [change.owner]))[change.owner]
    wanted: Any = change.after or change.before
    if change.action == "create":
        await contact_methods.add(work.conn, work.now, user_id, wanted, work.channels, actor=work.actor)
        return
    known = await contact_store.methods(work.conn, user_id)
    method_id = next(m.id for m in known if (m.channel, m.address) == (wanted.channel, wanted.address))
    if change.action == "delete":
        await contact_methods.remove(work.conn, work.now, user_id, method_id, actor=work.actor)
    else:
        edit = ContactMethodEdit(address=wanted.address, label=wanted.label, links=wanted.links)
        await contact_methods.edit(work.conn, work.now, user_id, method_id, edit, work.channels, actor=work.actor)


async def _notification_rules(work: Work, change: Change) -> None:
    wanted: Any = change.after
    user_id = (await store.user_ids(work.conn, [change.owner]))[change.owner]
    ids = {(m.channel, m.address): m.id for m in await contact_store.methods(work.conn, user_id)}
    unknown = [
        {"field": f"[{i}]", "message": f"{change.owner!r} has no contact method {rule.channel} {rule.address}"}
        for i, rule in enumerate(wanted.rules)
        if (rule.channel, rule.address) not in ids
    ]
    if unknown:
        raise Invalid(unknown[0]["message"], errors=unknown)
    edit = NotificationRulesEdit(
        rules=[
            NotificationRuleDocument(
                loudness=rule.loudness, delay_s=rule.delay_s, contact_method=ids[rule.channel, rule.address]
            )
            for rule in wanted.rules
        ]
    )
    await contact_methods.put_rules(work.conn, work.now, change.owner, edit, actor=work.actor)


async def _integration(work: Work, change: Change) -> None:
    after: Any = change.after
    if change.action != "delete":
        mappings.check(after.source, after.mapping)
    if change.action == "create":
        _, key = await integrations.create(work.conn, work.now, after, work.sources, actor=work.actor)
        work.routing_keys[change.key] = key
    elif change.action == "edit":
        await integrations.edit(work.conn, work.now, change.key, after, actor=work.actor)
    else:
        await integrations.delete(work.conn, work.now, change.key, actor=work.actor)


async def _heartbeat(work: Work, change: Change) -> None:
    after: Any = change.after
    if change.action == "create":
        _, token = await heartbeats.create(work.conn, work.now, after, actor=work.actor)
        work.ping_tokens[change.key] = token
    elif change.action == "edit":
        await heartbeats.edit(work.conn, work.now, change.key, after, actor=work.actor)
    else:
        await heartbeats.delete(work.conn, work.now, change.key, actor=work.actor)


async def _schedule(work: Work, change: Change) -> None:
    if change.action == "delete":
        await policies.refuse_if_target(work.conn, "schedule", change.key)
    await _by_key(schedules.create, schedules.edit, schedules.delete)(work, change)


async def _last_resort(work: Work, change: Change) -> None:
    after: Any = change.after
    await policies.set_last_resort(work.conn, work.now, after, actor=work.actor)


async def _support_tiers(work: Work, change: Change) -> None:
    after: Any = change.after
    await lists.set_tiers(work.conn, work.now, after, actor=work.actor)


async def _escalation_matrix(work: Work, change: Change) -> None:
    after: Any = change.after
    await lists.set_matrix(work.conn, work.now, after, actor=work.actor)


async def _service(work: Work, change: Change) -> None:
    """A service that goes takes its rule sets along."""
    if change.action == "delete":
        await rules.refuse_if_named(work.conn, RULES.values(), change.key)
    await _by_key(services.create, services.edit, services.delete)(work, change)
    if change.action == "delete":
        await rules.forget(work.conn, work.now, RULES.values(), change.key, actor=work.actor)


async def _rule_set(work: Work, change: Change) -> None:
    after: Any = change.after
    kind = next(kind for section, kind in RULES.items() if section == change.kind)
    await rules.publish(work.conn, work.now, kind, after.rules, actor=work.actor, scope=change.owner)


async def _priority_matrix(work: Work, change: Change) -> None:
    after: Any = change.after
    await priority.set_matrix(work.conn, work.now, after.matrix, actor=work.actor)


_Carry = Callable[[Work, Change], Awaitable[None]]


def _by_key(create: Any, edit: Any, delete: Any) -> _Carry:
    """For rooms whose commands have the same three shapes."""

    async def carry(work: Work, change: Change) -> None:
        if change.action == "create":
            await create(work.conn, work.now, change.after, actor=work.actor)
        elif change.action == "edit":
            await edit(work.conn, work.now, change.key, change.after, actor=work.actor)
        else:
            await delete(work.conn, work.now, change.key, actor=work.actor)

    return carry


async def _webhook(work: Work, change: Change) -> None:
    if change.action != "delete":
        await _by_key(webhooks.create, webhooks.edit, webhooks.delete)(work, change)
    elif given_up := await webhooks.delete(work.conn, work.now, change.key, actor=work.actor):
        work.calls_given_up[change.key] = given_up


async def _subscriptions(work: Work, change: Change) -> None:
    wanted: Any = change.after
    await subscriptions.put(work.conn, work.now, change.owner, wanted, actor=work.actor)


def _suppression(kind: Any) -> _Carry:
    return _by_key(*(_of_kind(how, kind) for how in (suppression.create, suppression.edit, suppression.delete)))


def _of_kind(how: Any, kind: Any) -> Any:
    async def carry(conn: AsyncConnection, now: datetime, *what: Any, actor: str) -> None:
        await how(conn, now, kind, *what, actor=actor)

    return carry


_BY_KIND: dict[Kind, _Carry] = {
    "organisation": _organisation,
    "user": _user,
    "contact_method": _contact_method,
    "notification_rules": _notification_rules,
    "subscriptions": _subscriptions,
    "team": _by_key(teams.create_team, teams.edit_team, teams.delete_team),
    "calendar": _by_key(calendars.create, calendars.edit, calendars.delete),
    "schedule": _schedule,
    "webhook": _webhook,
    "policy": _by_key(policies.create, policies.edit, policies.delete),
    "service": _service,
    "integration": _integration,
    "heartbeat": _heartbeat,
    "maintenance_window": _suppression(suppression.WINDOWS),
    "inhibition_rule": _suppression(suppression.INHIBITIONS),
    "time_interval": _suppression(suppression.TIME_INTERVALS),
    "message_template": _by_key(templates.create, templates.edit, templates.delete),
    "last_resort": _last_resort,
    "support_tiers": _support_tiers,
    "escalation_matrix": _escalation_matrix,
    **dict.fromkeys(RULES, _rule_set),
    "priority_matrix": _priority_matrix,
}

"""Export, plan, apply: the whole configuration in one transaction."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import groupby
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from app.access import signing_store
from app.alerts import suppression_rules
from app.alerts.suppression_rules import INHIBITIONS, TIME_INTERVALS, WINDOWS
from app.calendars import store as calendar_store
from app.configuration import store
from app.configuration.carry_out import Work, carry_out
from app.configuration.document import ConfigurationDocument, UserEntry
from app.configuration.plan import Change, plan
from app.configuration.rule_set_plan import RULES, Section
from app.directory import contact_methods, service_store, subscriptions
from app.directory import store as directory
from app.directory.contact_methods import Channels
from app.directory.integrations import OWN
from app.errors import Conflict, Invalid
from app.escalation import list_store, policy_store, webhook_store
from app.heartbeats import store as heartbeats
from app.notifications import templates
from app.oncall import store as oncall
from app.priority import store as priority
from app.rules import store as rules


@dataclass(frozen=True, slots=True)
class Kept:
    """Something that should have been removed and is still in use, or on record."""

    change: Change
    because: str


@dataclass(frozen=True, slots=True)
class Applied:
    """What was done, or would be. `version`: of the configuration that the plan was made for. `routing_keys`, by
    integration, and `ping_tokens`, by heartbeat, are shown this once. `calls_given_up`: what webhooks that are deleted
    waited to be told, where they did."""

    version: int
    changes: list[Change]
    kept: list[Kept] = field(default_factory=list)
    routing_keys: dict[str, str] = field(default_factory=dict)
    ping_tokens: dict[str, str] = field(default_factory=dict)
    calls_given_up: dict[str, int] = field(default_factory=dict)


async def export(conn: AsyncConnection) -> ConfigurationDocument:
    """All configuration, every section in the order of its keys."""
    organisation = await directory.organisation(conn)
    targets = await policy_store.last_resort_by_key(conn)
    methods = await store.contact_methods(conn)
    notification_rules = await store.notification_rules(conn)
    subscribed = await subscriptions.by_user(conn)
    users = [
        _json(u)
        | {
            "contact_methods": methods.get(u.document.key, []),
            "notification_rules": notification_rules.get(u.document.key, []),
            "subscriptions": subscribed.get(u.document.key, []),
        }
        for u in await directory.users(conn)
    ]
    sets = {name: await rules.newest_documents(conn, kind) for name, kind in RULES.items()}
    return ConfigurationDocument.model_validate(
        {
            "organisation": None if organisation is None else _json(organisation),
            "users": users,
            "teams": [_json(t) for t in await directory.teams(conn)],
            "calendars": [_json(c) for c in await calendar_store.calendars(conn)],
            "schedules": [_json(s) for s in await oncall.documents(conn)],
            "webhooks": [_json(w) for w in await webhook_store.webhooks(conn)],
            "policies": [_json(p) for p in await policy_store.policies(conn)],
            "services": [_service(s, sets) for s in await service_store.services(conn)],
            "integrations": [_json(i) for i in await service_store.integrations(conn) if i.document.key != OWN],
            "heartbeats": [_json(h) for h in await heartbeats.heartbeats(conn)],
            "maintenance_windows": [_json(w) for w in await suppression_rules.listed(conn, WINDOWS)],
            "inhibition_rules": [_json(r) for r in await suppression_rules.listed(conn, INHIBITIONS)],
            "time_intervals": [_json(i) for i in await suppression_rules.listed(conn, TIME_INTERVALS)],
            "message_templates": [_json(t) for t in await templates.listed(conn)],
            "last_resort": [t.model_dump() for t in targets] or None,
            "support_tiers": [t.model_dump() for t in await list_store.tiers(conn)],
            "escalation_matrix": [r.model_dump() for r in await list_store.matrix(conn)],
            **{name: sets[name].get(rules.ORGANISATION, []) for name in RULES},
            "priority_matrix": (await priority.current(conn)).matrix.document(),
            "secrets": await _secrets(conn) or None,
        }
    )


async def _secrets(conn: AsyncConnection) -> list[str]:
    signed = [f"integrations/{key}/signing-secret" for key in await signing_store.signed(conn)]
    read = [f"calendars/{key}/address" for key in await calendar_store.with_address(conn)]
    called = [f"webhooks/{key}/address" for key in await webhook_store.with_address(conn)]
    return signed + read + called + [f"webhooks/{key}/secrets" for key in await webhook_store.with_secrets(conn)]


def _service(stored: Any, sets: Mapping[Section, Mapping[str, Any]]) -> dict[str, Any]:
    key = stored.document.key
    return _json(stored) | {"rules": {kind.name: sets[name].get(key, []) for name, kind in RULES.items()}}


def _json(stored: Any) -> dict[str, Any]:
    made: dict[str, Any] = stored.document.model_dump(mode="json")
    return made


async def rehearse(
    conn: AsyncConnection,
    now: datetime,
    wanted: ConfigurationDocument,
    *,
    prune: bool,
    actor: str,
    channels: Channels,
    sources: Collection[str],
) -> Applied:
    """The plan: everything `apply` would do, done and taken back, so what it says has been checked by doing it."""
    async with conn.begin_nested() as savepoint:
        applied = await apply(conn, now, wanted, prune=prune, actor=actor, channels=channels, sources=sources)
        await savepoint.rollback()
    return replace(applied, routing_keys={}, ping_tokens={})


async def apply(
    conn: AsyncConnection,
    now: datetime,
    wanted: ConfigurationDocument,
    *,
    prune: bool,
    actor: str,
    channels: Channels,
    sources: Collection[str],
    version: int | None = None,
) -> Applied:
    """Makes the configuration as `wanted` says. All of it, or nothing: whoever calls rolls back when this raises.

    `version`: the one a plan was seen for; None: whatever there is. What should be removed and is in use is kept and
    said. Raises `Invalid` with fields as the document has them, and `Conflict` (`outdated` among others).
    """
    current_version = await store.lock(conn)
    if version is not None and version != current_version:
        raise Conflict("the configuration changed after the plan", code="outdated", current_version=current_version)
    changes = plan(await export(conn), _normalised(wanted, channels), prune=prune)
    work = Work(conn, now, actor, channels, sources)
    kept: list[Kept] = []
    for _, group in groupby(changes, key=lambda change: change.kind):
        kept += await _carry_out_together(work, list(group))
    done = [change for change in changes if all(k.change is not change for k in kept)]
    return Applied(current_version, done, kept, work.routing_keys, work.ping_tokens, work.calls_given_up)


async def _carry_out_together(work: Work, changes: list[Change]) -> list[Kept]:
    """Changes of one kind; all their errors are told at once."""
    kept: list[Kept] = []
    errors: list[dict[str, str]] = []
    for change in changes:
        try:
            await carry_out(work, change)
        except Invalid as refused:
            errors += _placed(change, refused)
        except Conflict as refused:
            if refused.code != "in_use" or change.action not in ("delete", "deactivate"):
                refused.fields.setdefault("at", change.at or change.key)
                raise
            kept.append(Kept(change, refused.message))
    if errors:
        raise Invalid("; ".join(f"{e['field']}: {e['message']}" for e in errors[:5]), errors=errors)
    return kept


def _placed(change: Change, refused: Invalid) -> list[dict[str, str]]:
    """The errors of one entry with fields as the whole document has them."""
    errors = refused.errors or [{"field": "", "message": refused.message}]
    return [{"field": _join(change, e["field"]), "message": e["message"]} for e in errors]


def _join(change: Change, name: str) -> str:
    if change.kind in RULES:
        return name.replace("rules[", f"{change.at}[", 1)
    if change.kind == "priority_matrix":
        return name.replace("matrix", "priority_matrix", 1)
    if change.kind == "support_tiers":
        return name.replace("tiers[", "support_tiers[", 1)
    if change.kind == "escalation_matrix":
        return name.replace("rows[", "escalation_matrix[", 1)
    if change.kind == "last_resort":
        return name.replace("targets[", "last_resort[", 1)
    at = change.at or change.key
    return at if not name else f"{at}{name}" if name.startswith("[") else f"{at}.{name}"


def _normalised(wanted: ConfigurationDocument, channels: Channels) -> ConfigurationDocument:
    """Addresses written in the one way that is stored. Raises `Invalid`."""
    errors: list[dict[str, str]] = []
    users = [_user(user, f"users[{i}]", channels, errors) for i, user in enumerate(wanted.users or [])]
    if errors:
        raise Invalid("; ".join(f"{e['field']}: {e['message']}" for e in errors[:5]), errors=errors)
    return wanted if wanted.users is None else wanted.model_copy(update={"users": users})


def _user(user: UserEntry, at: str, channels: Channels, errors: list[dict[str, str]]) -> UserEntry:
    changed: dict[str, Any] = {}
    for member in ("contact_methods", "notification_rules"):
        entries = getattr(user, member)
        if entries is None:
            continue
        changed[member] = []
        for i, entry in enumerate(entries):
            try:
                known = entry.channel in channels
                address = contact_methods.normalised(channels, entry.channel, entry.address) if known else entry.address
                changed[member].append(entry.model_copy(update={"address": address}))
            except Invalid as refused:
                errors += [
                    {"field": f"{at}.{member}[{i}].{e['field']}", "message": e["message"]} for e in refused.errors
                ]
    return user.model_copy(update=changed)

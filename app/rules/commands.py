"""What people do with rule sets: publish a version, go back to an older one. Versions never change.

`scope` says whose rules they are: the key of a service, or `ORGANISATION` for those that hold for every service.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from app.audit import commands as audit
from app.directory import service_store
from app.directory.changes import in_use
from app.errors import Conflict, Invalid, NotFound
from app.rules import draft_store, rulesets, store
from app.rules.rulesets import Kind, RuleSet
from app.rules.store import ORGANISATION, Published


async def publish(
    conn: AsyncConnection,
    now: datetime,
    kind: Kind,
    document: object,
    *,
    actor: str,
    version: int | None = None,
    scope: str = ORGANISATION,
) -> Published:
    """Puts these rules in force as the next version; rules that are in force already make no new version.

    `version` is the one that the caller saw; None: whatever there is.
    Raises `Invalid` listing every error (`rules[2].when`), `Conflict` (`outdated`), and `NotFound` for a scope that is
    no service.
    """
    ruleset = rulesets.check(document, kind)
    rules = rulesets.document(ruleset)
    await store.lock(conn)
    await check_services(conn, ruleset, scope)
    before = await store.newest(conn, kind, scope)
    if version is not None and version != before.version:
        raise Conflict(f"the {kind.word}s were edited meanwhile", code="outdated", current_version=before.version)
    if before.version and rules == before.rules:
        return before
    after = Published(before.version + 1, rules, now, actor)
    await store.insert(conn, now, kind, after, scope)
    await _record(conn, now, kind, scope, "published", actor, before, after)
    return after


async def roll_back(
    conn: AsyncConnection,
    now: datetime,
    kind: Kind,
    to: int,
    *,
    actor: str,
    version: int | None = None,
    scope: str = ORGANISATION,
) -> Published:
    """Publishes a copy of an older version. Raises `NotFound`; `Conflict` (`outdated`) as `publish`; and `Invalid` when
    today's engine refuses what an older one took, or a service that it names is gone."""
    older = await store.one(conn, kind, to, scope)
    if older is None:
        raise NotFound(f"there is no version {to} of the {kind.word}s", version=to)
    return await publish(conn, now, kind, older.rules, actor=actor, version=version, scope=scope)


async def check_services(conn: AsyncConnection, ruleset: RuleSet, scope: str) -> None:
    """Raises `NotFound` for a scope that is no service; `Invalid` for rules that name a service that does not exist,
    and for a service's own rules that name one: they may not send its alerts elsewhere."""
    if scope and not await service_store.services(conn, [scope]):
        raise NotFound(f"there is no service {scope!r}", key=scope)
    named = list(_named(ruleset))
    if not named:
        return
    known = {s.document.key for s in await service_store.services(conn, {key for _, key in named})}
    field = f"then.{ruleset.kind.service_member}"
    own = "a service's own rules cannot send its alerts to another; the organisation's can"
    errors = [
        {"field": f"rules[{at}].{field}", "message": own if scope else f"there is no service {key!r}"}
        for at, key in named
        if scope or key not in known
    ]
    if errors:
        raise Invalid(f"{errors[0]['field']}: {errors[0]['message']}", errors=errors)


def _named(ruleset: RuleSet) -> Iterator[tuple[int, str]]:
    """(index of the rule, key of a service that it names)."""
    member = ruleset.kind.service_member
    for at, rule in enumerate(ruleset.rules):
        if member is not None and member in rule.outcome:
            yield at, rule.outcome[member]


async def refuse_if_named(conn: AsyncConnection, kinds: Iterable[Kind], service: str) -> None:
    """Before a service is deleted; keeps everybody from publishing until the transaction ends.

    Raises `Conflict` (`in_use`) when rules of the organisation send alerts to it.
    """
    await store.lock(conn)
    places = [
        {"type": kind.word, "key": rule["key"]}
        for kind in kinds
        if kind.service_member is not None
        for rule in (await store.newest(conn, kind)).rules
        if rule["then"].get(kind.service_member) == service
    ]
    if places:
        raise in_use("service", service, places)


async def forget(conn: AsyncConnection, now: datetime, kinds: Iterable[Kind], service: str, *, actor: str) -> None:
    """After a service was deleted: its rule sets with all their versions, and their drafts, go with it."""
    for kind in kinds:
        before = await store.newest(conn, kind, service)
        if before.version:
            await _record(conn, now, kind, service, "removed", actor, before, None)
    await store.remove(conn, service)
    await draft_store.remove_scope(conn, service)


async def _record(
    conn: AsyncConnection,
    now: datetime,
    kind: Kind,
    scope: str,
    what: str,
    actor: str,
    before: Published,
    after: Published | None,
) -> None:
    entity = f"{kind.name}_rules"
    await audit.record(
        conn,
        now,
        actor=actor,
        action=f"{entity}.{what}",
        entity=entity,
        entity_key=entity_key(kind, scope),
        before=_state(before),
        after=None if after is None else _state(after),
    )


def entity_key(kind: Kind, scope: str) -> str:
    """What audit records call a rule set: `priority` is the organisation's, `service:checkout` a service's."""
    return f"service:{scope}" if scope else kind.name


def _state(published: Published) -> dict[str, Any]:
    return {"version": published.version, "rules": published.rules}

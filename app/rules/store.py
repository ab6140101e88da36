"""SQL of published rule sets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db.engine import dumps
from app.errors import Invalid
from app.rules import rulesets
from app.rules.rulesets import Kind, RuleSet

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Published:
    """A version of a rule set as it was published: `rules` is the document that `rulesets.check` reads."""

    version: int
    rules: list[dict[str, Any]]
    published_at: datetime | None
    published_by: str | None


ORGANISATION: Final = ""
"""The scope of rules that hold for every service; others are the key of the service they belong to."""

NOTHING = Published(0, [], None, None)
"""Before anybody published anything."""


_NEWEST = text("""
    SELECT version, rules, published_at, published_by FROM rule_set_versions
    WHERE kind = :kind AND scope = :scope ORDER BY version DESC LIMIT 1
""")
_ALL_NEWEST = text("""
    SELECT DISTINCT ON (scope) scope, version, rules, published_at, published_by FROM rule_set_versions
    WHERE kind = :kind ORDER BY scope, version DESC
""")
_ONE = text("""
    SELECT version, rules, published_at, published_by FROM rule_set_versions
    WHERE kind = :kind AND scope = :scope AND version = :version
""")
_VERSIONS = text("""
    SELECT version, rules, published_at, published_by FROM rule_set_versions
    WHERE kind = :kind AND scope = :scope AND version < :before ORDER BY version DESC LIMIT :limit
""")
_LOCK = text("LOCK TABLE rule_set_versions IN SHARE ROW EXCLUSIVE MODE")
_INSERT = text("""
    INSERT INTO rule_set_versions (kind, scope, version, rules, published_at, published_by)
    VALUES (:kind, :scope, :version, CAST(:rules AS jsonb), :now, :actor)
""")
_REMOVE = text("DELETE FROM rule_set_versions WHERE scope = :scope")


async def current(conn: AsyncConnection, kind: Kind, scope: str = ORGANISATION) -> RuleSet:
    """The rule set in force, compiled; version 0 without rules before anybody published one."""
    return _compiled(await newest(conn, kind, scope), kind)


async def all_current(conn: AsyncConnection, kind: Kind) -> dict[str, RuleSet]:
    """By scope, the rule sets in force that have rules."""
    rows = (await conn.execute(_ALL_NEWEST, {"kind": kind.name})).mappings()
    found = {r["scope"]: Published(r["version"], r["rules"], r["published_at"], r["published_by"]) for r in rows}
    return {scope: _compiled(published, kind) for scope, published in found.items() if published.rules}


def _compiled(published: Published, kind: Kind) -> RuleSet:
    """A rule that an older engine took and this one refuses is left out with a warning: paging must go on."""
    try:
        return rulesets.check(published.rules, kind, published.version)
    except Invalid as refused:
        log.warning("rules_left_out", kind=kind.name, version=published.version, errors=refused.errors)
        return rulesets.check(list(_usable(published.rules, kind)), kind, published.version)


def _usable(rules: list[dict[str, Any]], kind: Kind) -> Iterator[dict[str, Any]]:
    for rule in rules:
        with suppress(Invalid):
            rulesets.check([rule], kind)
            yield rule


async def newest(conn: AsyncConnection, kind: Kind, scope: str = ORGANISATION) -> Published:
    """The version in force as a document, or `NOTHING`."""
    row = (await conn.execute(_NEWEST, {"kind": kind.name, "scope": scope})).mappings().first()
    return NOTHING if row is None else Published(**row)


async def one(conn: AsyncConnection, kind: Kind, version: int, scope: str = ORGANISATION) -> Published | None:
    row = (await conn.execute(_ONE, {"kind": kind.name, "scope": scope, "version": version})).mappings().first()
    return None if row is None else Published(**row)


async def versions(
    conn: AsyncConnection, kind: Kind, *, before: int, limit: int, scope: str = ORGANISATION
) -> Sequence[Published]:
    """Newest first, those before a version."""
    rows = await conn.execute(_VERSIONS, {"kind": kind.name, "scope": scope, "before": before, "limit": limit})
    return [Published(**row) for row in rows.mappings()]


async def lock(conn: AsyncConnection) -> None:
    """Who publishes waits for whoever else does; readers do not."""
    await conn.execute(_LOCK)


async def insert(
    conn: AsyncConnection, now: datetime, kind: Kind, published: Published, scope: str = ORGANISATION
) -> None:
    values = {"kind": kind.name, "scope": scope, "version": published.version, "rules": dumps(published.rules)}
    await conn.execute(_INSERT, values | {"now": now, "actor": published.published_by})


async def remove(conn: AsyncConnection, scope: str) -> None:
    """All versions of all kinds of a service that is gone."""
    await conn.execute(_REMOVE, {"scope": scope})


async def newest_documents(conn: AsyncConnection, kind: Kind) -> dict[str, list[dict[str, Any]]]:
    """By scope, the rules in force as documents; scopes without rules are left out."""
    rows = (await conn.execute(_ALL_NEWEST, {"kind": kind.name})).mappings()
    return {r["scope"]: r["rules"] for r in rows if r["rules"]}

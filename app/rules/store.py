"""SQL of published rule sets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

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


NOTHING = Published(0, [], None, None)
"""Before anybody published anything."""


_NEWEST = text("""
    SELECT version, rules, published_at, published_by FROM rule_set_versions
    WHERE kind = :kind ORDER BY version DESC LIMIT 1
""")
_ONE = text("""
    SELECT version, rules, published_at, published_by FROM rule_set_versions WHERE kind = :kind AND version = :version
""")
_VERSIONS = text("""
    SELECT version, rules, published_at, published_by FROM rule_set_versions
    WHERE kind = :kind AND version < :before ORDER BY version DESC LIMIT :limit
""")
_LOCK = text("LOCK TABLE rule_set_versions IN SHARE ROW EXCLUSIVE MODE")
_INSERT = text("""
    INSERT INTO rule_set_versions (kind, version, rules, published_at, published_by)
    VALUES (:kind, :version, CAST(:rules AS jsonb), :now, :actor)
""")


async def current(conn: AsyncConnection, kind: Kind) -> RuleSet:
    """The rule set in force, compiled; version 0 without rules before anybody published one.

    A rule that an older engine took and this one refuses is left out with a warning: paging must go on.
    """
    published = await newest(conn, kind)
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


async def newest(conn: AsyncConnection, kind: Kind) -> Published:
    """The version in force as a document, or `NOTHING`."""
    row = (await conn.execute(_NEWEST, {"kind": kind.name})).mappings().first()
    return NOTHING if row is None else Published(**row)


async def one(conn: AsyncConnection, kind: Kind, version: int) -> Published | None:
    row = (await conn.execute(_ONE, {"kind": kind.name, "version": version})).mappings().first()
    return None if row is None else Published(**row)


async def versions(conn: AsyncConnection, kind: Kind, *, before: int, limit: int) -> Sequence[Published]:
    """Newest first, those before a version."""
    rows = await conn.execute(_VERSIONS, {"kind": kind.name, "before": before, "limit": limit})
    return [Published(**row) for row in rows.mappings()]


async def lock(conn: AsyncConnection) -> None:
    """Who publishes waits for whoever else does; readers do not."""
    await conn.execute(_LOCK)


async def insert(conn: AsyncConnection, now: datetime, kind: Kind, published: Published) -> None:
    values = {"kind": kind.name, "version": published.version, "rules": dumps(published.rules)}
    await conn.execute(_INSERT, values | {"now": now, "actor": published.published_by})

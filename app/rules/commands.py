"""What people do with rule sets: publish a version, go back to an older one. Versions never change."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from app.audit import commands as audit
from app.errors import Conflict, NotFound
from app.rules import rulesets, store
from app.rules.rulesets import Kind
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
    Raises `Invalid` listing every error (`rules[2].when`), and `Conflict` (`outdated`).
    """
    rules = rulesets.document(rulesets.check(document, kind))
    await store.lock(conn)
    before = await store.newest(conn, kind, scope)
    if version is not None and version != before.version:
        raise Conflict(f"the {kind.word}s were edited meanwhile", code="outdated", current_version=before.version)
    if before.version and rules == before.rules:
        return before
    after = Published(before.version + 1, rules, now, actor)
    await store.insert(conn, now, kind, after, scope)
    entity = f"{kind.name}_rules"
    await audit.record(
        conn,
        now,
        actor=actor,
        action=f"{entity}.published",
        entity=entity,
        entity_key=kind.name,
        before={"version": before.version, "rules": before.rules},
        after={"version": after.version, "rules": after.rules},
    )
    return after


async def roll_back(
    conn: AsyncConnection, now: datetime, kind: Kind, to: int, *, actor: str, version: int | None = None
) -> Published:
    """Publishes a copy of an older version. Raises `NotFound`; `Conflict` (`outdated`) as `publish`; and `Invalid` when
    today's engine refuses what an older one took."""
    older = await store.one(conn, kind, to)
    if older is None:
        raise NotFound(f"there is no version {to} of the {kind.word}s", version=to)
    return await publish(conn, now, kind, older.rules, actor=actor, version=version)

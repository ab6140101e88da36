"""SQL of drafts of rule sets."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db.engine import dumps


@dataclass(frozen=True, slots=True)
class Draft:
    """`rules` is a document as `rulesets.check` reads it, which may refuse it. `version` grows with every edit;
    `base_version` is the version in force that the draft starts from. `scope` as of rule sets."""

    id: int
    kind: str
    scope: str
    name: str
    base_version: int
    rules: list[dict[str, Any]]
    version: int
    created_at: datetime
    edited_at: datetime
    edited_by: str


_COLUMNS = "id, kind, scope, name, base_version, rules, version, created_at, edited_at, edited_by"
_ONE = text(f"SELECT {_COLUMNS} FROM rule_drafts WHERE id = :id")
_LOCK = text(f"SELECT {_COLUMNS} FROM rule_drafts WHERE id = :id FOR UPDATE")
_SLICE = text(f"""
    SELECT {_COLUMNS} FROM rule_drafts
    WHERE (CAST(:kind AS text) IS NULL OR kind = :kind) AND (CAST(:scope AS text) IS NULL OR scope = :scope)
      AND id > :after
    ORDER BY id LIMIT :limit
""")
_INSERT = text(f"""
    INSERT INTO rule_drafts (kind, scope, name, base_version, rules, created_at, edited_at, edited_by)
    VALUES (:kind, :scope, :name, :base_version, CAST(:rules AS jsonb), :now, :now, :actor)
    ON CONFLICT (kind, scope, name) DO NOTHING RETURNING {_COLUMNS}
""")
_UPDATE = text(f"""
    UPDATE rule_drafts SET rules = CAST(:rules AS jsonb), base_version = :base_version, version = version + 1,
        edited_at = :now, edited_by = :actor
    WHERE id = :id RETURNING {_COLUMNS}
""")
_DELETE = text("DELETE FROM rule_drafts WHERE id = :id")
_REMOVE_SCOPE = text("DELETE FROM rule_drafts WHERE scope = :scope")


async def one(conn: AsyncConnection, draft_id: int, *, lock: bool = False) -> Draft | None:
    row = (await conn.execute(_LOCK if lock else _ONE, {"id": draft_id})).mappings().first()
    return None if row is None else Draft(**row)


async def slice_(conn: AsyncConnection, *, kind: str | None, scope: str | None, after: int, limit: int) -> list[Draft]:
    """Oldest first, those after an id."""
    rows = await conn.execute(_SLICE, {"kind": kind, "scope": scope, "after": after, "limit": limit})
    return [Draft(**row) for row in rows.mappings()]


async def insert(
    conn: AsyncConnection,
    now: datetime,
    *,
    kind: str,
    scope: str,
    name: str,
    base_version: int,
    rules: list[dict[str, Any]],
    actor: str,
) -> Draft | None:
    """None when there is a draft of this name."""
    values = {"kind": kind, "scope": scope, "name": name, "base_version": base_version, "rules": dumps(rules)}
    row = (await conn.execute(_INSERT, values | {"now": now, "actor": actor})).mappings().first()
    return None if row is None else Draft(**row)


async def update(
    conn: AsyncConnection, now: datetime, draft_id: int, rules: list[dict[str, Any]], base_version: int, actor: str
) -> Draft:
    values = {"id": draft_id, "rules": dumps(rules), "base_version": base_version, "now": now, "actor": actor}
    return Draft(**(await conn.execute(_UPDATE, values)).mappings().one())


async def delete(conn: AsyncConnection, draft_id: int) -> None:
    await conn.execute(_DELETE, {"id": draft_id})


async def remove_scope(conn: AsyncConnection, scope: str) -> None:
    """All drafts of a service that is gone."""
    await conn.execute(_REMOVE_SCOPE, {"scope": scope})

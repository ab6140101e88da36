"""What people do with maintenance windows, inhibition rules and time intervals: kinds of one thing, with one life."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Generic, TypeVar, cast

from sqlalchemy.ext.asyncio import AsyncConnection

from app.alerts import inhibiting
from app.alerts import suppression_store as store
from app.alerts.suppression_documents import (
    InhibitionRuleDocument,
    InhibitionRuleEdit,
    MaintenanceWindowDocument,
    MaintenanceWindowEdit,
    TimeIntervalDocument,
    TimeIntervalEdit,
    keys_of,
)
from app.alerts.suppression_store import StoredRule
from app.directory import store as directory
from app.directory.changes import Stored, check_version, invalid, missing, record, taken
from app.directory.documents import Document

D = TypeVar("D", bound=Document)


@dataclass(frozen=True, slots=True)
class Kind(Generic[D]):
    """`by`: what occurrences say that it suppressed."""

    name: str
    by: str
    document: type[D]


WINDOWS: Final = Kind("maintenance_window", "maintenance window", MaintenanceWindowDocument)
INHIBITIONS: Final = Kind("inhibition_rule", inhibiting.BY, InhibitionRuleDocument)
TIME_INTERVALS: Final = Kind("time_interval", "time interval", TimeIntervalDocument)


def _stored(kind: Kind[D], rule: StoredRule) -> Stored[D]:
    document = kind.document.model_validate({"key": rule.key} | rule.document)
    return Stored(rule.id, document, rule.version, rule.created_at, rule.updated_at)


async def listed(conn: AsyncConnection, kind: Kind[D], *, after: str = "", limit: int | None = None) -> list[Stored[D]]:
    """In the order of their keys."""
    return [_stored(kind, r) for r in await store.rules(conn, kind.name, after=after, limit=limit)]


async def read(conn: AsyncConnection, kind: Kind[D], key: str) -> Stored[D]:
    """Raises `NotFound`."""
    found = await store.rules(conn, kind.name, key=key)
    if not found:
        raise missing(kind.by, key)
    return _stored(kind, found[0])


async def create(conn: AsyncConnection, now: datetime, kind: Kind[D], document: D, *, actor: str) -> Stored[D]:
    """Raises `Conflict` (`key_taken`), `Invalid` for a service or an owner that does not exist."""
    await _check(conn, document)
    await store.alone(conn)
    key, body = _apart(document)
    if not await store.insert_rule(conn, now, kind.name, key, body):
        raise taken(kind.by, key)
    await _took_effect(conn, now, kind, key, document)
    await record(conn, now, actor, f"{kind.name}.created", key, after=body)
    return await read(conn, kind, key)


async def edit(
    conn: AsyncConnection, now: datetime, kind: Kind[D], key: str, given: Document, *, actor: str,
    version: int | None = None,
) -> Stored[D]:  # fmt: skip
    """Puts all that may change in place of what is stored; an edit that changes nothing writes nothing.

    Raises `NotFound`, `Conflict` (`outdated`), `Invalid` for a service or an owner that does not exist.
    """
    rule_id = await _lock(conn, kind, key, version)
    before = await read(conn, kind, key)
    after = kind.document.model_validate(given.model_dump() | {"key": key})
    if after == before.document:
        return before
    await _check(conn, after)
    await store.update_rule(conn, now, rule_id, _apart(after)[1])
    await _took_effect(conn, now, kind, key, after)
    await record(conn, now, actor, f"{kind.name}.edited", key, _apart(before.document)[1], _apart(after)[1])
    return await read(conn, kind, key)


async def delete(
    conn: AsyncConnection, now: datetime, kind: Kind[D], key: str, *, actor: str, version: int | None = None
) -> None:
    """What it suppressed and still fires enters as new. Raises `NotFound`, `Conflict` (`outdated`)."""
    rule_id = await _lock(conn, kind, key, version)
    before = await read(conn, kind, key)
    await store.delete_rule(conn, rule_id)
    await _took_effect(conn, now, kind, key, None)
    await record(conn, now, actor, f"{kind.name}.deleted", key, _apart(before.document)[1])


async def _took_effect(conn: AsyncConnection, now: datetime, kind: Kind[D], key: str, document: D | None) -> None:
    """What it kept quiet is looked at again, by what it says now."""
    if kind.name == INHIBITIONS.name:
        rule = None if document is None else cast(InhibitionRuleEdit, document).inhibition(key)
        await inhibiting.rebuild(conn, key, rule, now)
    else:
        await store.recheck(conn, now, kind.by, [key])


async def _check(conn: AsyncConnection, document: Document) -> None:
    unknown: list[tuple[str, str]] = []
    if isinstance(document, MaintenanceWindowEdit) and not await directory.user_ids(conn, [document.owner]):
        unknown.append(("owner", f"there is no user {document.owner!r}"))
    if isinstance(document, MaintenanceWindowEdit | TimeIntervalEdit) and document.services:
        unknown += keys_of(document.services, await store.service_ids(conn))
    if unknown:
        raise invalid(*unknown)


async def _lock(conn: AsyncConnection, kind: Kind[D], key: str, version: int | None) -> int:
    await store.alone(conn)
    if (locked := await store.lock_rule(conn, kind.name, key)) is None:
        raise missing(kind.by, key)
    check_version(kind.by, key, locked[1], version)
    return locked[0]


def _apart(document: Document) -> tuple[str, dict[str, Any]]:
    body = document.model_dump(mode="json")
    return str(body.pop("key")), body

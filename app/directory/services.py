"""What people do with services."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from app.directory import dependencies, store
from app.directory import service_store as services
from app.directory.changes import Stored, check_version, in_use, invalid, missing, record, taken
from app.directory.documents import ServiceDocument, ServiceEdit


async def read(conn: AsyncConnection, key: str) -> Stored[ServiceDocument]:
    """Raises `NotFound`."""
    if not (found := await services.services(conn, [key])):
        raise missing("service", key)
    return found[0]


async def create(
    conn: AsyncConnection, now: datetime, service: ServiceDocument, *, actor: str
) -> Stored[ServiceDocument]:
    """Raises `Conflict` (`key_taken`), `Invalid` for a team, policy or upstream service that does not exist."""
    team_id, policy_id = await resolve(conn, service)
    if not await services.insert_service(conn, now, service, team_id, policy_id):
        raise taken("service", service.key)
    await services.observe(conn, service=service.key)
    if service.depends_on:
        await dependencies.put(conn, service.key, service.depends_on)
    await record(conn, now, actor, "service.created", service.key, after=service.model_dump())
    return await read(conn, service.key)


async def edit(
    conn: AsyncConnection, now: datetime, key: str, edit: ServiceEdit, *, actor: str, version: int | None = None
) -> Stored[ServiceDocument]:
    """Puts all that may change in place of what is stored; an edit that changes nothing writes nothing.

    Raises `NotFound`, `Conflict` (`outdated`), `Invalid` for a team, policy or upstream service that does not
    exist, and for dependencies that make a cycle.
    """
    service_id = await _lock(conn, key, version)
    before = await read(conn, key)
    after = ServiceDocument(key=key, **ServiceEdit.model_dump(edit, exclude={"key"}))
    if after == before.document:
        return before
    await services.update_service(conn, now, service_id, after, *await resolve(conn, after))
    await services.observe(conn, service=key)
    if after.depends_on != before.document.depends_on:
        await dependencies.put(conn, key, after.depends_on)
    await record(conn, now, actor, "service.edited", key, before.document.model_dump(), after.model_dump())
    return await read(conn, key)


async def delete(conn: AsyncConnection, now: datetime, key: str, *, actor: str, version: int | None = None) -> None:
    """Raises `NotFound`, `Conflict` (`outdated`; `in_use` while it has integrations or incidents on record)."""
    service_id = await _lock(conn, key, version)
    before = await read(conn, key)
    if places := await services.service_places(conn, service_id):
        raise in_use("service", key, places)
    if not await services.delete_service(conn, service_id):
        raise in_use("service", key, [{"type": "incidents"}])
    await record(conn, now, actor, "service.deleted", key, before.document.model_dump())


async def resolve(conn: AsyncConnection, edit: ServiceEdit) -> tuple[int | None, int | None]:
    """The ids of team and policy. Raises `Invalid` naming what does not exist."""
    team = await store.teams(conn, [edit.team]) if edit.team else []
    policy_id = await store.policy_id(conn, edit.policy) if edit.policy else None
    unknown = []
    if edit.team and not team:
        unknown.append(("team", f"there is no team {edit.team!r}"))
    if edit.policy and policy_id is None:
        unknown.append(("policy", f"there is no escalation policy {edit.policy!r}"))
    holidays = (edit.support_hours or {}).get("holidays")
    if holidays and not await services.has_holidays(conn, holidays):
        unknown.append(("support_hours.holidays", f"there is no calendar of holidays {holidays!r}"))
    if unknown:
        raise invalid(*unknown)
    return (team[0].id if team else None), policy_id


async def _lock(conn: AsyncConnection, key: str, version: int | None) -> int:
    if (locked := await services.lock_service(conn, key)) is None:
        raise missing("service", key)
    check_version("service", key, locked[1], version)
    return locked[0]

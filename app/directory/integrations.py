"""What people do with integrations and their routing keys. A routing key is shown once and kept as SHA-256."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from hashlib import sha256
from secrets import token_urlsafe
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from app.directory import service_store as services
from app.directory.changes import Stored, check_version, in_use, invalid, missing, record, taken
from app.directory.documents import IntegrationDocument, IntegrationEdit
from app.errors import Conflict

MAX_OVERLAP_H: Final = 168
OWN: Final = "tocsin-vigil"
"""Made by Tocsin itself for what it notices about itself (heartbeats/own.py). People decide whether it is enabled, and
nothing else about it: it is in no export, no `apply` removes it, and nobody sends to it."""


async def read(conn: AsyncConnection, key: str) -> Stored[IntegrationDocument]:
    """Raises `NotFound`."""
    if not (found := await services.integrations(conn, [key])):
        raise missing("integration", key)
    return found[0]


async def create(
    conn: AsyncConnection, now: datetime, integration: IntegrationDocument, sources: Collection[str], *, actor: str
) -> tuple[Stored[IntegrationDocument], str]:
    """With its first routing key, 32 characters, which nobody can read again. `sources`: those that have an adapter.

    Raises `Conflict` (`key_taken`), `Invalid` for a source or service that does not exist, and for Tocsin's own key.
    """
    if integration.key == OWN:
        raise invalid(("key", f"{OWN!r} is Tocsin's own: it makes that integration by itself. Leave it out"))
    if integration.source not in sources:
        raise invalid(("source", f"unknown source {integration.source!r}; known: {', '.join(sorted(sources))}"))
    service_id = await service_id_of(conn, integration.service)
    integration_id = await services.insert_integration(conn, now, integration, service_id)
    if integration_id is None:
        raise taken("integration", integration.key)
    routing_key = await _add_key(conn, now, integration_id)
    await record(conn, now, actor, "integration.created", integration.key, after=integration.model_dump())
    return await read(conn, integration.key), routing_key


async def edit(
    conn: AsyncConnection, now: datetime, key: str, edit: IntegrationEdit, *, actor: str, version: int | None = None
) -> Stored[IntegrationDocument]:
    """Puts all that may change in place of what is stored; an edit that changes nothing writes nothing.

    Raises `NotFound`, `Conflict` (`outdated`; `own`), `Invalid` for a service that does not exist.
    """
    integration_id = await _lock(conn, key, version)
    before = await read(conn, key)
    given = IntegrationEdit.model_dump(edit, exclude={"key", "source"})
    after = IntegrationDocument(key=key, source=before.document.source, **given)
    if after == before.document:
        return before
    if after.model_copy(update={"enabled": before.document.enabled}) != before.document:
        _must_not_be_own(key)
    await services.update_integration(conn, now, integration_id, after, await service_id_of(conn, after.service))
    await record(conn, now, actor, "integration.edited", key, before.document.model_dump(), after.model_dump())
    return await read(conn, key)


async def delete(conn: AsyncConnection, now: datetime, key: str, *, actor: str, version: int | None = None) -> None:
    """Raises `NotFound`, `Conflict` (`outdated`; `in_use`: heartbeats, alerts in incidents: disable it; `own`)."""
    integration_id = await _lock(conn, key, version)
    _must_not_be_own(key)
    before = await read(conn, key)
    if not await services.delete_integration(conn, integration_id):
        raise in_use(
            "integration", key, await services.integration_places(conn, integration_id) or [{"type": "alerts"}]
        )
    await record(conn, now, actor, "integration.deleted", key, before.document.model_dump())


async def rotate(
    conn: AsyncConnection, now: datetime, key: str, *, actor: str, overlap_h: int = 24, version: int | None = None
) -> str:
    """A new routing key. The one before stays valid for `overlap_h` hours (0 to 168), any older one ends now.

    Raises `NotFound`, `Conflict` (`outdated`; `own`), `Invalid`.
    """
    _must_not_be_own(key)
    if not 0 <= overlap_h <= MAX_OVERLAP_H:
        raise invalid(("overlap_h", f"0 to {MAX_OVERLAP_H} hours"))
    integration_id = await _lock(conn, key, version)
    until = now + timedelta(hours=overlap_h)
    await services.end_older_keys(conn, now, integration_id, until)
    routing_key = await _add_key(conn, now, integration_id)
    valid = (await services.routing_keys(conn, now, [integration_id]))[integration_id]
    after = {"keys": [{"hint": k.hint, "expires_at": k.expires_at} for k in valid]}
    await record(conn, now, actor, "integration.key_rotated", key, after=after)
    return routing_key


async def service_id_of(conn: AsyncConnection, key: str) -> int:
    """Raises `Invalid` naming the field `service`."""
    if not (found := await services.services(conn, [key])):
        raise invalid(("service", f"there is no service {key!r}"))
    return found[0].id


def _must_not_be_own(key: str) -> None:
    if key == OWN:
        said = f"{OWN!r} is Tocsin's own: it can be disabled and enabled; TOCSIN_VIGIL_SERVICE names its service"
        raise Conflict(said, code="own", key=key)


async def _add_key(conn: AsyncConnection, now: datetime, integration_id: int) -> str:
    routing_key = token_urlsafe(24)
    await services.add_routing_key(conn, now, integration_id, sha256(routing_key.encode()).digest(), routing_key[-4:])
    return routing_key


async def _lock(conn: AsyncConnection, key: str, version: int | None) -> int:
    if (locked := await services.lock_integration(conn, key)) is None:
        raise missing("integration", key)
    check_version("integration", key, locked[1], version)
    return locked[0]

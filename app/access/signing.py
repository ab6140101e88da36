"""What people do with the secrets that senders sign with."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from app.access import signing_store as store
from app.access.sealing import AddressSealing, seal
from app.access.secrets import Secrets
from app.directory import service_store as services
from app.directory.changes import check_version, missing, record


async def put(
    conn: AsyncConnection,
    now: datetime,
    secrets: Secrets,
    key: str,
    secret: str,
    *,
    actor: str,
    overlap_h: int = 24,
    version: int | None = None,
) -> None:
    """From now on what comes in through the integration must be signed with `secret`; the one before counts for
    `overlap_h` hours more, any older one ends now. Raises `NotFound`, `Conflict` (`outdated`)."""
    integration_id = await _lock(conn, key, version)
    sealed = seal(secrets, label(integration_id), secret)
    await store.rotate(conn, now, integration_id, sealed, now + timedelta(hours=overlap_h))
    await record(conn, now, actor, "integration.signing_secret_set", key, after={"overlap_h": overlap_h})


async def forget(conn: AsyncConnection, now: datetime, key: str, *, actor: str, version: int | None = None) -> None:
    """Nothing need be signed any more. Raises `NotFound`, `Conflict` (`outdated`)."""
    integration_id = await _lock(conn, key, version)
    if await store.forget(conn, integration_id):
        await record(conn, now, actor, "integration.signing_secret_removed", key)


async def unreadable(conn: AsyncConnection, now: datetime, secrets: Secrets) -> list[str]:
    """The keys of integrations that refuse whatever they are sent: their signing secrets were sealed under another
    secret key."""
    opened = AddressSealing(secrets).unseal
    found = await store.sealed(conn, now)
    return [r.key for r in found if all(opened(label(r.id), bytes(s)) is None for s in r.sealed)]


def label(integration_id: int) -> str:
    """What the secret of an integration is sealed for."""
    return f"integration/{integration_id}"


async def _lock(conn: AsyncConnection, key: str, version: int | None) -> int:
    if (locked := await services.lock_integration(conn, key)) is None:
        raise missing("integration", key)
    check_version("integration", key, locked[1], version)
    return locked[0]

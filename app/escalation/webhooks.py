"""What people do with webhooks. Secrets are derived, not stored; whoever makes or renews one is shown it. Addresses
are sealed, and never shown whole."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from app.access.sealing import seal
from app.access.secrets import Secrets
from app.calendars.documents import shown
from app.directory.changes import Stored, check_version, in_use, missing, record, taken
from app.escalation import place_store
from app.escalation import webhook_store as store
from app.escalation.webhook_documents import WebhookDocument, WebhookEdit


async def read(conn: AsyncConnection, key: str) -> Stored[WebhookDocument]:
    """Raises `NotFound`."""
    if not (found := await store.webhooks(conn, [key])):
        raise missing("webhook", key)
    return found[0]


async def create(
    conn: AsyncConnection, now: datetime, webhook: WebhookDocument, *, actor: str
) -> Stored[WebhookDocument]:
    """Raises `Conflict` (`key_taken`)."""
    if not await store.insert(conn, now, webhook):
        raise taken("webhook", webhook.key)
    await record(conn, now, actor, "webhook.created", webhook.key, after=webhook.model_dump())
    return await read(conn, webhook.key)


async def edit(
    conn: AsyncConnection, now: datetime, key: str, edit: WebhookEdit, *, actor: str, version: int | None = None
) -> Stored[WebhookDocument]:
    """An edit that changes nothing writes nothing. Raises `NotFound`, `Conflict` (`outdated`)."""
    webhook_id = await _lock(conn, key, version)
    before = await read(conn, key)
    after = WebhookDocument(key=key, name=edit.name)
    if after == before.document:
        return before
    await store.update(conn, now, webhook_id, edit)
    await record(conn, now, actor, "webhook.edited", key, before.document.model_dump(), after.model_dump())
    return await read(conn, key)


def label(webhook_id: int) -> str:
    """What the address of a webhook is sealed for."""
    return f"webhook/{webhook_id}"


async def set_address(
    conn: AsyncConnection,
    now: datetime,
    key: str,
    address: str,
    secrets: Secrets,
    *,
    actor: str,
    version: int | None = None,
) -> Stored[WebhookDocument]:
    """Where requests go from now on, those that wait already among them. Raises `NotFound`, `Conflict`
    (`outdated`)."""
    webhook_id = await _lock(conn, key, version)
    await store.set_address(conn, now, webhook_id, seal(secrets, label(webhook_id), address), shown(address))
    await record(conn, now, actor, "webhook.address_set", key, after={"address": shown(address)})
    return await read(conn, key)


async def seal_plain(conn: AsyncConnection, now: datetime, secrets: Secrets) -> None:
    """Seals addresses of a version that kept them as they were."""
    for webhook_id, address in await store.plain(conn):
        await store.set_address(conn, now, webhook_id, seal(secrets, label(webhook_id), address), shown(address))


async def renew_secret(conn: AsyncConnection, now: datetime, key: str, *, actor: str) -> tuple[int, int]:
    """From now on requests are signed with another secret. Returns (id, generation), of which it is derived. Raises
    `NotFound`."""
    webhook_id = await _lock(conn, key, None)
    generation = await store.next_generation(conn, now, webhook_id)
    await record(conn, now, actor, "webhook.secret_renewed", key)
    return webhook_id, generation


async def delete(conn: AsyncConnection, now: datetime, key: str, *, actor: str, version: int | None = None) -> None:
    """Raises `NotFound`, `Conflict` (`outdated`; `in_use` while a policy names it)."""
    webhook_id = await _lock(conn, key, version)
    if places := await place_store.places_of_target(conn, "webhook", key):
        raise in_use("webhook", key, places)
    before = await read(conn, key)
    await store.delete(conn, webhook_id)
    await record(conn, now, actor, "webhook.deleted", key, before.document.model_dump())


async def _lock(conn: AsyncConnection, key: str, version: int | None) -> int:
    if (locked := await store.lock(conn, key)) is None:
        raise missing("webhook", key)
    check_version("webhook", key, locked[1], version)
    return locked[0]

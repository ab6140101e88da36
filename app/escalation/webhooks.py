"""What people do with webhooks. Secrets are derived, not stored; whoever makes or renews one is shown it. Addresses
are sealed, and never shown whole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from app.access.sealing import Unsealable, seal, unseal
from app.access.secrets import Secrets
from app.calendars.documents import shown
from app.channels.webhook_request import Template, secrets_named
from app.directory.changes import Stored, check_version, in_use, invalid, missing, record, taken
from app.escalation import place_store
from app.escalation import webhook_store as store
from app.escalation.webhook_documents import WebhookDocument, WebhookEdit
from app.incidents import store as incident_store
from app.incidents.timeline import Entry


async def read(conn: AsyncConnection, key: str) -> Stored[WebhookDocument]:
    """Raises `NotFound`."""
    if not (found := await store.webhooks(conn, [key])):
        raise missing("webhook", key)
    return found[0]


async def create(
    conn: AsyncConnection, now: datetime, webhook: WebhookDocument, *, actor: str
) -> Stored[WebhookDocument]:
    """Raises `Conflict` (`key_taken`), `Invalid` for services and teams that are none."""
    await _check(conn, webhook)
    if not await store.insert(conn, now, webhook):
        raise taken("webhook", webhook.key)
    await record(conn, now, actor, "webhook.created", webhook.key, after=webhook.model_dump(mode="json"))
    return await read(conn, webhook.key)


async def edit(
    conn: AsyncConnection, now: datetime, key: str, edit: WebhookEdit, *, actor: str, version: int | None = None
) -> Stored[WebhookDocument]:
    """An edit that changes nothing writes nothing. Raises `NotFound`, `Conflict` (`outdated`), `Invalid` for services
    and teams that are none."""
    webhook_id = await _lock(conn, key, version)
    before = await read(conn, key)
    after = WebhookDocument.model_validate({**edit.model_dump(), "key": key})
    if after == before.document:
        return before
    await _check(conn, edit)
    await store.update(conn, now, webhook_id, edit)
    old, new = before.document.model_dump(mode="json"), after.model_dump(mode="json")
    await record(conn, now, actor, "webhook.edited", key, old, new)
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


def secrets_label(webhook_id: int) -> str:
    """What the values of its secrets are sealed for."""
    return f"webhook/{webhook_id}/secrets"


async def set_secrets(
    conn: AsyncConnection, now: datetime, key: str, given: Mapping[str, str | None], secrets: Secrets, *, actor: str,
    version: int | None = None,
) -> list[str]:  # fmt: skip
    """Values of `{secret.<name>}` in its request from now on; null removes one, others stay. Those that were sealed
    under another secret key are lost. Returns the names of all that it has. Raises `NotFound`, `Conflict`
    (`outdated`)."""
    webhook_id = await _lock(conn, key, version)
    sealed = await store.sealed_secrets(conn, webhook_id)
    merged: dict[str, str | None] = {**opened(secrets, webhook_id, sealed), **given}
    kept = {name: value for name, value in sorted(merged.items()) if value is not None}
    anew = seal(secrets, secrets_label(webhook_id), msgspec.json.encode(kept).decode()) if kept else None
    await store.set_sealed_secrets(conn, now, webhook_id, anew)
    said = {name: "removed" if value is None else "set" for name, value in sorted(given.items())}
    await record(conn, now, actor, "webhook.secrets_set", key, after=said)
    return list(kept)


def opened(secrets: Secrets, webhook_id: int, sealed: bytes | None) -> dict[str, str]:
    """Secrets by name; none when they were sealed under another key."""
    try:
        text = "{}" if sealed is None else unseal(secrets, secrets_label(webhook_id), sealed)
    except Unsealable:
        return {}
    return msgspec.json.decode(text, type=dict[str, str])


async def secret_names(conn: AsyncConnection, keys: Sequence[str], secrets: Secrets) -> dict[str, list[str]]:
    """The names of the secrets of these webhooks that can be read, by key."""
    found = await store.all_sealed_secrets(conn, keys)
    return {key: list(opened(secrets, *found[key])) if key in found else [] for key in keys}


async def lacking(conn: AsyncConnection, secrets: Secrets | None) -> list[tuple[str, list[str]]]:
    """The keys of webhooks that cannot be called, each with what is wrong. `secrets` None: nobody knows the secret key
    here, so what is sealed is taken to be readable."""
    found = ((row.key, list(_lacks(row, secrets))) for row in await store.called(conn))
    return [(key, lacks) for key, lacks in found if lacks]


def _lacks(row: Any, secrets: Secrets | None) -> Iterator[str]:
    if row.sealed_address is None:
        yield "it has no address"
    elif secrets is not None and not _readable(secrets, label(row.id), row.sealed_address):
        yield "its address was sealed under another secret key"
    if row.sealed_secrets is not None and secrets is None:
        return
    named = secrets_named(msgspec.convert(row.request, Template)) if row.request else []
    sealed = None if row.sealed_secrets is None else bytes(row.sealed_secrets)
    had = {} if secrets is None else opened(secrets, row.id, sealed)
    if absent := [name for name in named if name not in had]:
        lost = ", or it was sealed under another secret key" if sealed is not None and not had else ""
        yield f"nobody gave the value of its secret {', '.join(absent)}{lost}"


def _readable(secrets: Secrets, what: str, sealed: bytes) -> bool:
    try:
        unseal(secrets, what, bytes(sealed))
    except Unsealable:
        return False
    return True


async def seal_plain(conn: AsyncConnection, now: datetime, secrets: Secrets) -> None:
    """Seals addresses of a version that kept them as they were."""
    for webhook_id, address in await store.plain(conn):
        await store.set_address(conn, now, webhook_id, seal(secrets, label(webhook_id), address), shown(address))


async def renew_secret(
    conn: AsyncConnection, now: datetime, key: str, until: datetime, *, actor: str
) -> tuple[int, int]:
    """From now on requests are signed with another secret, and until then with those before it as well. Returns (id,
    generation), of which it is derived. Raises `NotFound`."""
    webhook_id = await _lock(conn, key, None)
    generation = await store.next_generation(conn, now, webhook_id, until)
    await record(conn, now, actor, "webhook.secret_renewed", key, after={"former_until": until})
    return webhook_id, generation


async def delete(conn: AsyncConnection, now: datetime, key: str, *, actor: str, version: int | None = None) -> int:
    """What waited for it is given up, and on the timelines of the incidents; returns how much that was. Raises
    `NotFound`, `Conflict` (`outdated`; `in_use` while a policy names it)."""
    webhook_id = await _lock(conn, key, version)
    if places := await place_store.places_of_target(conn, "webhook", key):
        raise in_use("webhook", key, places)
    before = await read(conn, key)
    name, because = before.document.name, "the webhook was deleted"
    of_step = {"name": name, "channel": "webhook", "because": because}
    untold = [
        Entry(call.incident_id, "not_told", data=not_told(name, call.happening, because))
        if call.happening
        else Entry(call.incident_id, "not_sent", data=of_step)
        for call in await store.delete(conn, now, webhook_id, because)
    ]
    await incident_store.write_timeline(conn, untold, now)
    await record(conn, now, actor, "webhook.deleted", key, before.document.model_dump(mode="json"))
    return len(untold)


def not_told(name: str, happening: str, because: str) -> dict[str, str]:
    """What the timeline keeps of a call that is given up."""
    return {"name": name, "happening": happening.replace("_", " "), "because": because}


async def _check(conn: AsyncConnection, edit: WebhookEdit) -> None:
    if wrong := await store.unknown(conn, edit):
        raise invalid(*wrong)


async def _lock(conn: AsyncConnection, key: str, version: int | None) -> int:
    if (locked := await store.lock(conn, key)) is None:
        raise missing("webhook", key)
    check_version("webhook", key, locked[1], version)
    return locked[0]

"""SQL of webhooks."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db.engine import dumps
from app.directory.changes import Stored
from app.escalation.webhook_documents import WebhookDocument, WebhookEdit

_WEBHOOKS = text("""
    SELECT w.id, w.key, w.name, w.request, w.version, w.created_at, w.updated_at, n.happens, n.priority_at_least,
           CASE WHEN n.service_ids IS NOT NULL THEN ARRAY(
               SELECT s.key FROM services s WHERE s.id = ANY (n.service_ids) ORDER BY s.key) END AS services,
           CASE WHEN n.team_ids IS NOT NULL THEN ARRAY(
               SELECT t.key FROM teams t WHERE t.id = ANY (n.team_ids) ORDER BY t.key) END AS teams
    FROM webhooks w LEFT JOIN webhook_subscriptions n ON n.webhook_id = w.id
    WHERE (CAST(:keys AS text[]) IS NULL OR w.key = ANY (CAST(:keys AS text[]))) AND w.key > :after
    ORDER BY w.key LIMIT :limit
""")
_LOCK = text("SELECT id, version FROM webhooks WHERE key = :key FOR UPDATE")
_SHOWN = text("""
    SELECT key, address_shown, CASE WHEN former_until[cardinality(former_until)] > :now
                                    THEN former_until[cardinality(former_until)] END AS former_until
    FROM webhooks WHERE key = ANY (CAST(:keys AS text[]))
""")
_WITH_ADDRESS = text("SELECT key FROM webhooks WHERE sealed_address IS NOT NULL ORDER BY key")
_WITH_SECRETS = text("SELECT key FROM webhooks WHERE sealed_secrets IS NOT NULL ORDER BY key")
_PLAIN = text("SELECT id, url FROM webhooks WHERE url IS NOT NULL ORDER BY id FOR UPDATE")
_INSERT = text("""
    INSERT INTO webhooks (key, name, request, created_at, updated_at)
    VALUES (:key, :name, CAST(:request AS jsonb), :now, :now)
    ON CONFLICT (key) DO NOTHING RETURNING id
""")
_UNSUBSCRIBE = text("DELETE FROM webhook_subscriptions WHERE webhook_id = :id")
_SUBSCRIBE = text("""
    INSERT INTO webhook_subscriptions (webhook_id, happens, service_ids, team_ids, priority_at_least)
    VALUES (:id, CAST(:happens AS text[]),
            CASE WHEN CAST(:services AS text[]) IS NOT NULL THEN ARRAY(
                SELECT s.id FROM services s WHERE s.key = ANY (CAST(:services AS text[])) ORDER BY s.id) END,
            CASE WHEN CAST(:teams AS text[]) IS NOT NULL THEN ARRAY(
                SELECT t.id FROM teams t WHERE t.key = ANY (CAST(:teams AS text[])) ORDER BY t.id) END,
            :priority_at_least)
""")
_SERVICES = text("SELECT key FROM services WHERE key = ANY (CAST(:keys AS text[]))")
_TEAMS = text("SELECT key FROM teams WHERE key = ANY (CAST(:keys AS text[]))")
_SECRETS = text("SELECT w.sealed_secrets FROM webhooks w WHERE w.id = :id")
_ALL_SECRETS = text("SELECT w.id, w.key, w.sealed_secrets FROM webhooks w WHERE w.key = ANY (CAST(:keys AS text[]))")
# What it is to be told of and waits for a later try is tried at once, and anew.
_HURRIED = """
    UPDATE webhook_calls SET due_at = :now, tries = 0 WHERE webhook_id = :id AND state = 'pending'
"""
# Another request may be what it failed for; another name is none.
_UPDATE = text(f"""
    WITH hurried AS ({_HURRIED} AND EXISTS (
        SELECT FROM webhooks w WHERE w.id = :id AND w.request IS DISTINCT FROM CAST(:request AS jsonb)))
    UPDATE webhooks SET name = :name, request = CAST(:request AS jsonb), version = version + 1, updated_at = :now
    WHERE id = :id
""")
_CALLED = text("SELECT w.id, w.key, w.sealed_address, w.sealed_secrets, w.request FROM webhooks w ORDER BY w.key")
_SET_SECRETS = text(f"""
    WITH hurried AS ({_HURRIED})
    UPDATE webhooks SET sealed_secrets = :sealed, version = version + 1, updated_at = :now WHERE id = :id
""")
# What is queued already is shown as going where it will go.
_ADDRESS = text(f"""
    WITH queued AS (
        UPDATE notifications SET address = :shown WHERE webhook_id = :id AND state = 'pending'),
    hurried AS ({_HURRIED})
    UPDATE webhooks SET url = NULL, sealed_address = :sealed, address_shown = :shown, version = version + 1,
        updated_at = :now
    WHERE id = :id
""")
# Their ends stay in order, so what has ended is the beginning of the list.
_RENEW = text("""
    UPDATE webhooks SET generation = generation + 1, version = version + 1, updated_at = :now, former_until = ARRAY(
        SELECT least(former, CAST(:until AS timestamptz))
        FROM unnest(former_until || CAST(:until AS timestamptz)) WITH ORDINALITY AS t (former, n)
        WHERE least(former, CAST(:until AS timestamptz)) > :now ORDER BY n)
    WHERE id = :id
    RETURNING generation
""")
_DELETE = text("""
    WITH gone AS (DELETE FROM webhooks WHERE id = :id),
    calls AS (DELETE FROM webhook_calls WHERE webhook_id = :id RETURNING entry_id, incident_id, happening, finished_at),
    steps AS (
        UPDATE notifications SET state = 'failed', because = :because, finished_at = :now
        WHERE webhook_id = :id AND state = 'pending' RETURNING id, incident_id)
    SELECT c.incident_id, c.happening, c.entry_id AS id FROM calls c WHERE c.finished_at IS NULL
    UNION ALL SELECT s.incident_id, '', s.id FROM steps s WHERE s.incident_id IS NOT NULL
    ORDER BY id
""")


async def webhooks(
    conn: AsyncConnection, keys: Sequence[str] | None = None, *, after: str = "", limit: int | None = None
) -> list[Stored[WebhookDocument]]:
    """In the order of their keys: all, these, or a slice after a key."""
    named = {"keys": None if keys is None else list(keys), "after": after, "limit": limit}
    return [
        Stored(r.id, _document(r), r.version, r.created_at, r.updated_at) for r in await conn.execute(_WEBHOOKS, named)
    ]


def _document(row: Any) -> WebhookDocument:
    when = None
    if row.happens is not None:
        when = {name: getattr(row, name) for name in ("happens", "services", "teams", "priority_at_least")}
    return WebhookDocument.model_validate({"key": row.key, "name": row.name, "request": row.request, "when": when})


async def lock(conn: AsyncConnection, key: str) -> tuple[int, int] | None:
    """(id, version), locked until the transaction ends."""
    row = (await conn.execute(_LOCK, {"key": key})).first()
    return None if row is None else (row.id, row.version)


async def insert(conn: AsyncConnection, now: datetime, webhook: WebhookDocument) -> bool:
    """False when the key is taken."""
    named = {"key": webhook.key, "name": webhook.name, "request": _request(webhook), "now": now}
    made = (await conn.execute(_INSERT, named)).first()
    if made is not None:
        await _subscribe(conn, made.id, webhook)
    return made is not None


async def update(conn: AsyncConnection, now: datetime, webhook_id: int, edit: WebhookEdit) -> None:
    named = {"id": webhook_id, "name": edit.name, "request": _request(edit), "now": now}
    await conn.execute(_UPDATE, named)
    await conn.execute(_UNSUBSCRIBE, {"id": webhook_id})
    await _subscribe(conn, webhook_id, edit)


async def _subscribe(conn: AsyncConnection, webhook_id: int, edit: WebhookEdit) -> None:
    if edit.when is not None:
        await conn.execute(_SUBSCRIBE, edit.when.model_dump() | {"id": webhook_id})


def _request(edit: WebhookEdit) -> str | None:
    return None if edit.request is None else dumps(edit.request.model_dump(exclude_defaults=True, by_alias=True))


async def unknown(conn: AsyncConnection, edit: WebhookEdit) -> list[tuple[str, str]]:
    """(field, words) of services and teams that it names and that there are not."""
    found = []
    for member, query in (("services", _SERVICES), ("teams", _TEAMS)):
        keys = (getattr(edit.when, member) if edit.when else None) or []
        known = set((await conn.execute(query, {"keys": keys})).scalars()) if keys else set()
        found += [
            (f"when.{member}[{i}]", f"there is no {member[:-1]} {key!r}")
            for i, key in enumerate(keys)
            if key not in known
        ]
    return found


async def called(conn: AsyncConnection) -> Sequence[Any]:
    """Rows of all webhooks with what a call takes: `id`, `key`, `sealed_address`, `sealed_secrets`, `request`."""
    return (await conn.execute(_CALLED)).all()


async def sealed_secrets(conn: AsyncConnection, webhook_id: int) -> bytes | None:
    found = (await conn.execute(_SECRETS, {"id": webhook_id})).scalar_one()
    return None if found is None else bytes(found)


async def all_sealed_secrets(conn: AsyncConnection, keys: Sequence[str]) -> dict[str, tuple[int, bytes]]:
    """(id, sealed) by key, of those that have any."""
    rows = await conn.execute(_ALL_SECRETS, {"keys": list(keys)})
    return {r.key: (r.id, bytes(r.sealed_secrets)) for r in rows if r.sealed_secrets is not None}


async def set_sealed_secrets(conn: AsyncConnection, now: datetime, webhook_id: int, sealed: bytes | None) -> None:
    await conn.execute(_SET_SECRETS, {"id": webhook_id, "sealed": sealed, "now": now})


async def set_address(conn: AsyncConnection, now: datetime, webhook_id: int, sealed: bytes, shown: str) -> None:
    await conn.execute(_ADDRESS, {"id": webhook_id, "sealed": sealed, "shown": shown, "now": now})


async def shown(conn: AsyncConnection, now: datetime, keys: Sequence[str]) -> dict[str, tuple[str, datetime | None]]:
    """By key: what may be seen of the address, empty where there is none yet, and until when the signing secret before
    the newest counts, if it does."""
    rows = await conn.execute(_SHOWN, {"keys": list(keys), "now": now})
    return {r.key: (r.address_shown, r.former_until) for r in rows}


async def with_address(conn: AsyncConnection) -> list[str]:
    """Keys of those whose address is known."""
    return list((await conn.execute(_WITH_ADDRESS)).scalars())


async def with_secrets(conn: AsyncConnection) -> list[str]:
    """Keys of those that have secrets."""
    return list((await conn.execute(_WITH_SECRETS)).scalars())


async def plain(conn: AsyncConnection) -> list[tuple[int, str]]:
    """Ids and addresses that are not sealed yet, locked."""
    return [(r.id, r.url) for r in await conn.execute(_PLAIN)]


async def next_generation(conn: AsyncConnection, now: datetime, webhook_id: int, until: datetime) -> int:
    """`until`: when the ones before count no more, at the latest."""
    return int((await conn.execute(_RENEW, {"id": webhook_id, "now": now, "until": until})).scalar_one())


async def delete(conn: AsyncConnection, now: datetime, webhook_id: int, because: str) -> Sequence[Any]:
    """Rows with `incident_id` and `happening` of what it will now never be told; without `happening` of what a step
    was to call it for."""
    return (await conn.execute(_DELETE, {"id": webhook_id, "now": now, "because": because})).all()

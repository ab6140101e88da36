"""API keys: made and revoked by people. The secret is shown once, when the key is made."""

from __future__ import annotations

from datetime import datetime
from secrets import token_urlsafe
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from app.access import store
from app.access.identify import API_KEY_PREFIX, hashed
from app.access.permissions import SCOPES, Caller
from app.audit import commands as audit
from app.errors import Conflict, Forbidden, Invalid, NotFound


async def create(
    conn: AsyncConnection,
    now: datetime,
    *,
    actor: str,
    key: str,
    name: str,
    scopes: list[str],
    user_id: int | None = None,
    expires_at: datetime | None = None,
) -> str:
    """Makes a key; `user_id` None: a machine's. Returns the secret, `tocsin_` and 43 characters, kept as SHA-256.

    Raises `Invalid` for unknown scopes, none, or an end that is over; `Conflict` (`key_taken`).
    """
    _check(now, scopes, expires_at)
    secret = API_KEY_PREFIX + token_urlsafe(32)
    row = {"key": key, "name": name, "scopes": sorted(set(scopes)), "user_id": user_id, "expires_at": expires_at}
    if not await store.add_api_key(conn, row | {"secret_hash": hashed(secret), "hint": secret[-4:], "created_at": now}):
        raise Conflict(f"there is an API key {key!r} already", code="key_taken", key=key)
    await _record(conn, now, actor, "created", key, after=await read(conn, key))
    return secret


async def read(conn: AsyncConnection, key: str) -> dict[str, Any]:
    """Key, name, hint (the last four characters), scopes, user, created_at, expires_at, version. Raises `NotFound`."""
    found = await store.api_key_by_key(conn, key)
    if found is None:
        raise NotFound(f"there is no API key {key!r}", key=key)
    return found


async def revoke(conn: AsyncConnection, now: datetime, key: str, *, actor: str) -> None:
    """It stops counting with this transaction. Raises `NotFound`."""
    before = await read(conn, key)
    await store.remove_api_key(conn, key)
    await _record(conn, now, actor, "revoked", key, before=before)


def may_handle(caller: Caller, user_id: int | None, scopes: frozenset[str] = frozenset()) -> None:
    """Admins handle all keys, others their own; no API key can make one that reaches further. Raises `Forbidden`."""
    own = user_id is not None and user_id == caller.user_id
    if not own and caller.role != "admin":
        raise Forbidden("only an admin may handle API keys of others and of machines", role_needed="admin")
    if caller.scopes is not None and not scopes <= caller.scopes:
        raise Forbidden("an API key cannot give scopes that it has not", scopes=sorted(scopes - caller.scopes))


def _check(now: datetime, scopes: list[str], expires_at: datetime | None) -> None:
    errors = []
    if unknown := sorted(set(scopes) - set(SCOPES)):
        errors.append({"field": "scopes", "message": f"unknown: {', '.join(unknown)}; known: {', '.join(SCOPES)}"})
    if not scopes:
        errors.append({"field": "scopes", "message": f"at least one of {', '.join(SCOPES)} is needed"})
    if expires_at is not None and expires_at <= now:
        errors.append({"field": "expires_at", "message": "that is over already"})
    if errors:
        raise Invalid("; ".join(f"{e['field']}: {e['message']}" for e in errors), errors=errors)


async def _record(
    conn: AsyncConnection,
    now: datetime,
    actor: str,
    what: str,
    key: str,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
) -> None:
    await audit.record(
        conn,
        now,
        actor=actor,
        action=f"api_key.{what}",
        entity="api_key",
        entity_key=key,
        before=_shown(before),
        after=_shown(after),
    )


def _shown(row: dict[str, Any] | None) -> dict[str, Any] | None:
    if row is None:
        return None
    return {name: row[name] for name in ("name", "hint", "scopes", "user", "expires_at")}

"""From a credential to the caller it proves. Anything that does not count now is nobody: None."""

from __future__ import annotations

from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final, cast

from sqlalchemy.ext.asyncio import AsyncConnection

from app.access import store
from app.access.permissions import Caller, Role

SESSION_LASTS: Final = timedelta(days=14)
_EXTENDED_EVERY: Final = timedelta(hours=12)
"""A session rolls on with use; written this often at most, so that reading a page is not a write."""

API_KEY_PREFIX: Final = "tocsin_"


def hashed(token: str) -> bytes:
    """What we keep of a secret that we only compare."""
    return sha256(token.encode()).digest()


async def by_session(conn: AsyncConnection, now: datetime, token: str) -> Caller | None:
    token_hash = hashed(token)
    if (found := await store.session(conn, now, token_hash)) is None:
        return None
    user_id, expires_at = found
    if (account := await store.account(conn, user_id)) is None:
        return None
    if expires_at < now + SESSION_LASTS - _EXTENDED_EVERY:
        await store.extend_session(conn, token_hash, now + SESSION_LASTS)
    return of_account(account)


async def by_api_key(conn: AsyncConnection, now: datetime, secret: str) -> Caller | None:
    if not secret.startswith(API_KEY_PREFIX) or (found := await store.api_key(conn, now, hashed(secret))) is None:
        return None
    actor = f"api_key:{found.key}"
    if found.user_id is None:
        return Caller(kind="api_key", actor=actor, name=found.name, role="admin", scopes=found.scopes)
    if (account := await store.account(conn, found.user_id)) is None:
        return None
    return Caller(
        kind="api_key",
        actor=actor,
        name=found.name,
        role=cast(Role, account.role),
        user_id=account.user_id,
        user_key=account.key,
        scopes=found.scopes,
        managed_team_ids=account.managed_team_ids,
        team_ids=account.team_ids,
    )


def of_account(account: store.Account) -> Caller:
    """The caller a logged-in user is."""
    return Caller(
        kind="user",
        actor=f"user:{account.key}",
        name=account.name,
        role=cast(Role, account.role),
        user_id=account.user_id,
        user_key=account.key,
        managed_team_ids=account.managed_team_ids,
        team_ids=account.team_ids,
    )

"""All SQL of the room. Secrets come in and are compared as SHA-256."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection


@dataclass(frozen=True, slots=True)
class Account:
    """A user who may log in, with the reach of the role."""

    user_id: int
    key: str
    name: str
    email: str
    role: str
    managed_team_ids: frozenset[int]
    team_ids: frozenset[int]


@dataclass(frozen=True, slots=True)
class KeyFound:
    """An API key that counts now. `user_id` None: a machine's."""

    key: str
    name: str
    scopes: frozenset[str]
    user_id: int | None


_ACCOUNT = """
SELECT u.id, u.key, u.name, u.email, u.role,
       coalesce(array_agg(m.team_id) FILTER (WHERE m.team_id IS NOT NULL), '{}') AS teams,
       coalesce(array_agg(m.team_id) FILTER (WHERE m.role = 'manager'), '{}') AS managed
  FROM users u LEFT JOIN team_members m ON m.user_id = u.id
"""
_ACCOUNT_BY_ID = text(_ACCOUNT + " WHERE u.id = :id AND u.active GROUP BY u.id")


async def account(conn: AsyncConnection, user_id: int) -> Account | None:
    """An active user."""
    row = (await conn.execute(_ACCOUNT_BY_ID, {"id": user_id})).one_or_none()
    if row is None:
        return None
    return Account(row.id, row.key, row.name, row.email, row.role, frozenset(row.managed), frozenset(row.teams))


_PASSWORD = text("SELECT id, key, password_hash FROM users WHERE lower(email) = lower(:email) AND active")


async def password_of(conn: AsyncConnection, email: str) -> tuple[int, str, str | None] | None:
    """(id, key, password hash) of the active user with this address."""
    row = (await conn.execute(_PASSWORD, {"email": email})).one_or_none()
    return None if row is None else (row.id, row.key, row.password_hash)


_ADD_SESSION = text("""
INSERT INTO sessions (token_hash, user_id, created_at, expires_at, user_agent)
VALUES (:token_hash, :user_id, :created_at, :expires_at, :user_agent)
""")


async def add_session(
    conn: AsyncConnection, now: datetime, token_hash: bytes, user_id: int, lasts: timedelta, user_agent: str
) -> None:
    row = {"token_hash": token_hash, "user_id": user_id, "created_at": now, "expires_at": now + lasts}
    await conn.execute(_ADD_SESSION, row | {"user_agent": user_agent})


_SESSION = text("SELECT user_id, expires_at FROM sessions WHERE token_hash = :hash AND expires_at > :now")


async def session(conn: AsyncConnection, now: datetime, token_hash: bytes) -> tuple[int, datetime] | None:
    """(user id, end) of a session that has not expired."""
    row = (await conn.execute(_SESSION, {"hash": token_hash, "now": now})).one_or_none()
    return None if row is None else (row.user_id, row.expires_at)


_EXTEND = text("UPDATE sessions SET expires_at = :until WHERE token_hash = :hash")


async def extend_session(conn: AsyncConnection, token_hash: bytes, until: datetime) -> None:
    await conn.execute(_EXTEND, {"hash": token_hash, "until": until})


_REMOVE_SESSION = text("DELETE FROM sessions WHERE token_hash = :hash")
_REMOVE_SESSIONS = text("DELETE FROM sessions WHERE user_id = :user_id")


async def remove_session(conn: AsyncConnection, token_hash: bytes) -> None:
    await conn.execute(_REMOVE_SESSION, {"hash": token_hash})


async def remove_sessions(conn: AsyncConnection, user_id: int) -> None:
    await conn.execute(_REMOVE_SESSIONS, {"user_id": user_id})


_API_KEY = text("""
SELECT key, name, scopes, user_id FROM api_keys
 WHERE secret_hash = :hash AND (expires_at IS NULL OR expires_at > :now)
""")


async def api_key(conn: AsyncConnection, now: datetime, secret_hash: bytes) -> KeyFound | None:
    row = (await conn.execute(_API_KEY, {"hash": secret_hash, "now": now})).one_or_none()
    return None if row is None else KeyFound(row.key, row.name, frozenset(row.scopes), row.user_id)


_ADD_API_KEY = text("""
INSERT INTO api_keys (key, name, secret_hash, hint, scopes, user_id, created_at, expires_at)
VALUES (:key, :name, :secret_hash, :hint, CAST(:scopes AS text[]), :user_id, :created_at, :expires_at)
    ON CONFLICT (key) DO NOTHING RETURNING id
""")
_REMOVE_API_KEY = text("DELETE FROM api_keys WHERE key = :key")


async def add_api_key(conn: AsyncConnection, row: Mapping[str, Any]) -> bool:
    """False when the key (the slug) is taken."""
    return (await conn.execute(_ADD_API_KEY, row)).one_or_none() is not None


_API_KEYS = """
SELECT k.key, k.name, k.hint, k.scopes, u.key AS user, k.created_at, k.expires_at, k.version, k.user_id
  FROM api_keys k LEFT JOIN users u ON u.id = k.user_id
"""
_API_KEYS_PAGE = text(
    _API_KEYS
    + """
 WHERE k.key > :after AND (CAST(:user_id AS bigint) IS NULL OR k.user_id = :user_id)
 ORDER BY k.key LIMIT :limit
"""
)
_API_KEY_BY_KEY = text(_API_KEYS + " WHERE k.key = :key")


async def api_keys(conn: AsyncConnection, user_id: int | None, after: str, limit: int) -> Sequence[dict[str, Any]]:
    """API keys in the order of their keys; of one user, or all."""
    found = await conn.execute(_API_KEYS_PAGE, {"after": after, "limit": limit, "user_id": user_id})
    return [dict(row) for row in found.mappings()]


async def api_key_by_key(conn: AsyncConnection, key: str) -> dict[str, Any] | None:
    row = (await conn.execute(_API_KEY_BY_KEY, {"key": key})).mappings().one_or_none()
    return None if row is None else dict(row)


async def remove_api_key(conn: AsyncConnection, key: str) -> None:
    await conn.execute(_REMOVE_API_KEY, {"key": key})


_ADD_ONE_TIME_LINK = text("""
INSERT INTO one_time_links (token_hash, user_id, created_at, expires_at)
VALUES (:token_hash, :user_id, :created_at, :expires_at)
""")
_REMOVE_ONE_TIME_LINKS = text("DELETE FROM one_time_links WHERE user_id = :user_id")


async def add_one_time_link(
    conn: AsyncConnection, now: datetime, token_hash: bytes, user_id: int, expires_at: datetime
) -> None:
    """The user's older links stop working: only the newest one counts."""
    await conn.execute(_REMOVE_ONE_TIME_LINKS, {"user_id": user_id})
    row = {"token_hash": token_hash, "user_id": user_id, "created_at": now, "expires_at": expires_at}
    await conn.execute(_ADD_ONE_TIME_LINK, row)


_ONE_TIME_LINK = text("""
SELECT l.user_id FROM one_time_links l JOIN users u ON u.id = l.user_id
 WHERE l.token_hash = :hash AND l.used_at IS NULL AND l.expires_at > :now AND u.active
   FOR UPDATE OF l
""")
_USED = text("UPDATE one_time_links SET used_at = :now WHERE token_hash = :hash")


async def one_time_link(conn: AsyncConnection, now: datetime, token_hash: bytes) -> int | None:
    """The user whose password an unused link may set; locks the link."""
    return (await conn.execute(_ONE_TIME_LINK, {"hash": token_hash, "now": now})).scalar_one_or_none()


async def use_one_time_link(conn: AsyncConnection, now: datetime, token_hash: bytes) -> None:
    await conn.execute(_USED, {"hash": token_hash, "now": now})


_CLAIM = text("SELECT pg_try_advisory_xact_lock(hashtextextended('tocsin/idempotency/' || :caller || '/' || :key, 0))")
_ANSWER = text("""
SELECT request_hash, status, headers, body FROM idempotency_keys
 WHERE caller = :caller AND key = :key AND created_at > :since
""")
_KEEP = text("""
INSERT INTO idempotency_keys (caller, key, request_hash, status, headers, body, created_at)
VALUES (:caller, :key, :request_hash, :status, CAST(:headers AS jsonb), :body, :now)
    ON CONFLICT (caller, key) DO UPDATE
   SET request_hash = excluded.request_hash, status = excluded.status, headers = excluded.headers,
       body = excluded.body, created_at = excluded.created_at
""")


async def claim_idempotency_key(conn: AsyncConnection, caller: str, key: str) -> bool:
    """False while another transaction works on the same request; held until this one ends."""
    return bool((await conn.execute(_CLAIM, {"caller": caller, "key": key})).scalar_one())


async def kept_answer(
    conn: AsyncConnection, since: datetime, caller: str, key: str
) -> tuple[bytes, int, dict[str, str], bytes] | None:
    """(request hash, status, headers, body) of what was answered after `since`."""
    row = (await conn.execute(_ANSWER, {"caller": caller, "key": key, "since": since})).one_or_none()
    return None if row is None else (row.request_hash, row.status, row.headers, row.body)


async def keep_answer(conn: AsyncConnection, row: Mapping[str, Any]) -> None:
    await conn.execute(_KEEP, row)


_SWEEP = (
    text("DELETE FROM sessions WHERE expires_at <= :now"),
    text("DELETE FROM idempotency_keys WHERE created_at <= CAST(:now AS timestamptz) - interval '24 hours'"),
    # an expired link still leads to the login, for as long as somebody may look at an old message
    text("DELETE FROM link_tokens WHERE expires_at <= CAST(:now AS timestamptz) - interval '30 days'"),
    text("DELETE FROM one_time_links WHERE expires_at <= CAST(:now AS timestamptz) - interval '30 days'"),
)


async def sweep(conn: AsyncConnection, now: datetime) -> None:
    """Removes what can never count again. A chore of the tick."""
    for statement in _SWEEP:
        await conn.execute(statement, {"now": now})

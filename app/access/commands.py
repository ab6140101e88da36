"""Logging in and out, and passwords. API keys are in `api_keys.py`, links from messages in `links.py`."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from secrets import token_urlsafe
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from app.access import passwords, store
from app.access.identify import SESSION_LASTS, hashed
from app.access.throttle import PER_ADDRESS, PER_LOGIN, Throttle
from app.audit import commands as audit
from app.directory import store as directory
from app.errors import Forbidden, NotFound

ONE_TIME_LINK_LASTS: Final = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class NewSession:
    """`token`: 256 random bits for the cookie, kept as SHA-256."""

    token: str = field(repr=False)
    user_key: str


async def log_in(
    conn: AsyncConnection,
    now: datetime,
    throttle: Throttle,
    *,
    email: str,
    password: str,
    address: str,
    user_agent: str = "",
) -> NewSession | None:
    """A session, or None for a wrong login or password.

    `address` is the caller's IP address. Raises `Forbidden` (`throttled`, with `retry_after_s`) after too many
    failures for this login or from this address.
    """
    login, place = f"login:{email.strip().lower()}", f"address:{address}"
    throttle.attempt(now, {login: PER_LOGIN, place: PER_ADDRESS})
    found = await store.password_of(conn, email.strip())
    user_id, user_key, password_hash = found or (0, "", None)
    if not await passwords.matches(password, password_hash):
        return None
    throttle.forget(login)
    throttle.excuse(place)
    if password_hash is not None and passwords.outdated(password_hash):
        await directory.set_password_hash(conn, now, user_id, await passwords.hash_of(password))
    return await _begin_session(conn, now, user_id, user_key, user_agent)


async def log_out(conn: AsyncConnection, token: str) -> None:
    """The session is over; nothing happens when it was over before."""
    await store.remove_session(conn, hashed(token))


async def give_password_link(conn: AsyncConnection, now: datetime, user_id: int, user_key: str, *, actor: str) -> str:
    """A token with which this user may set a password once, within 24 hours; older ones stop counting."""
    token = token_urlsafe(32)
    await store.add_one_time_link(conn, now, hashed(token), user_id, now + ONE_TIME_LINK_LASTS)
    await _record(conn, now, actor, "password_link_given", user_key)
    return token


async def password_link_user(conn: AsyncConnection, now: datetime, token: str) -> store.Account:
    """Whose password this link may set; a GET of its page uses nothing up. Raises `NotFound`."""
    user_id = await store.one_time_link(conn, now, hashed(token))
    account = None if user_id is None else await store.account(conn, user_id)
    if account is None:
        raise NotFound(
            "this link was used, is expired, or never was; ask an admin for a new one", code="link_not_found"
        )
    return account


async def set_password(
    conn: AsyncConnection, now: datetime, *, token: str, password: str, user_agent: str = ""
) -> NewSession:
    """Uses the one-time link. Every session of the user ends, a new one begins.

    Raises `NotFound` (`link_not_found`), `Invalid` for a password that is too short or too long.
    """
    account = await password_link_user(conn, now, token)
    password_hash = await passwords.hash_of(password)
    await store.use_one_time_link(conn, now, hashed(token))
    await _put_password(conn, now, account.user_id, password_hash, f"user:{account.key}")
    return await _begin_session(conn, now, account.user_id, account.key, user_agent)


async def change_password(
    conn: AsyncConnection, now: datetime, throttle: Throttle, user_id: int, *, current: str, new: str
) -> None:
    """Every session of the user ends. Raises `Forbidden` for a wrong current password, `Invalid` for the new one."""
    account = await store.account(conn, user_id)
    found = None if account is None else await store.password_of(conn, account.email)
    if account is None or found is None:
        raise NotFound("there is no such user")
    passwords.check(new, "new")
    login = f"login:{account.email.lower()}"
    throttle.attempt(now, {login: PER_LOGIN})
    if not await passwords.matches(current, found[2]):
        raise Forbidden("the current password is another one", code="wrong_password")
    throttle.forget(login)
    await _put_password(conn, now, user_id, await passwords.hash_of(new), f"user:{account.key}")


async def _begin_session(
    conn: AsyncConnection, now: datetime, user_id: int, user_key: str, user_agent: str
) -> NewSession:
    token = token_urlsafe(32)
    printable = "".join(c for c in user_agent[:200] if c.isprintable())
    await store.add_session(conn, now, hashed(token), user_id, SESSION_LASTS, printable)
    return NewSession(token, user_key)


async def _put_password(conn: AsyncConnection, now: datetime, user_id: int, password_hash: str, actor: str) -> None:
    key = await directory.set_password_hash(conn, now, user_id, password_hash)
    await store.remove_sessions(conn, user_id)
    await _record(conn, now, actor, "password_set", key)


async def _record(conn: AsyncConnection, now: datetime, actor: str, what: str, key: str) -> None:
    await audit.record(conn, now, actor=actor, action=f"user.{what}", entity="user", entity_key=key)

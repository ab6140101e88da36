"""What people do with users. Nobody is deleted: who has responded stays on record, inactive."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from app.directory import store
from app.directory.changes import Stored, check_version, in_use, missing, record, taken
from app.directory.documents import UserDocument, UserEdit
from app.errors import Conflict


async def read_user(conn: AsyncConnection, key: str) -> Stored[UserDocument]:
    """Raises `NotFound`."""
    if not (found := await store.users(conn, [key])):
        raise missing("user", key)
    return found[0]


async def create_user(conn: AsyncConnection, now: datetime, user: UserDocument, *, actor: str) -> Stored[UserDocument]:
    """A user without a password: `access.commands.give_password_link` lets them set one.

    Raises `Conflict` (`key_taken`, `email_taken`).
    """
    if await store.insert_user(conn, now, user) is None:
        await _refuse_email(conn, user.email, user.key)
        raise taken("user", user.key)
    await record(conn, now, actor, "user.created", user.key, after=user.model_dump())
    return await read_user(conn, user.key)


async def edit_user(
    conn: AsyncConnection, now: datetime, key: str, edit: UserEdit, *, actor: str, version: int | None = None
) -> Stored[UserDocument]:
    """Puts all that may change in place of what is stored; an edit that changes nothing writes nothing.

    Raises `NotFound`, and `Conflict`: `outdated`; `email_taken`; `in_use` with `used_by` when the user is deactivated
    and still paged by policies, schedules, overrides or the last resort; `last_admin`.
    """
    admins = await store.lock_admins(conn) if edit.role != "admin" or not edit.active else []
    if (locked := await store.lock_user(conn, key)) is None:
        raise missing("user", key)
    user_id, current = locked
    check_version("user", key, current, version)
    before = await read_user(conn, key)
    after = UserDocument(key=key, **UserEdit.model_dump(edit, exclude={"key"}))
    if after == before.document:
        return before
    if admins == [user_id]:
        raise Conflict(f"{key!r} is the only active admin", code="last_admin", key=key)
    if before.document.active and not after.active and (places := await store.user_places(conn, now, user_id)):
        raise in_use("user", key, places)
    await _refuse_email(conn, after.email, key)
    await store.update_user(conn, now, user_id, after)
    await record(conn, now, actor, "user.edited", key, before.document.model_dump(), after.model_dump())
    return await read_user(conn, key)


async def _refuse_email(conn: AsyncConnection, email: str, key: str) -> None:
    owner = await store.owner_of_email(conn, email)
    if owner is not None and owner != key:
        raise Conflict("this mail address is another user's", code="email_taken", field="email")

"""`/users`: people with an account, and `/users/me`."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Request, Response

from app.access import commands as access
from app.directory import people, store
from app.directory.documents import ClockTime, Name, UserDocument, UserEdit, Zone
from app.web.api.person import key_of
from app.web.api.stored import Versioned, answer, created
from app.web.auth import Caller, clear_session, needs, permission
from app.web.dependencies import SettingsGiven, ThrottleGiven, Tx
from app.web.idempotency import Route, idempotent, shown_once
from app.web.models import Answer, Body, Key, example
from app.web.pages import Listed, Page
from app.web.versions import IfMatch

router = APIRouter(prefix="/users", tags=["users"], route_class=Route)


class UserAnswer(UserDocument, Versioned):
    """A user as it is now."""


class MeEdit(Body):
    """What everybody may change of their own account. `digest_at` stays as it is where it is left out."""

    model_config = example(name="Ana", time_zone="Europe/Berlin")

    name: Name
    time_zone: Zone | None = None
    digest_at: ClockTime | None = None


class PasswordChange(Body):
    """The new password has 10 to 200 characters."""

    model_config = example(current="what it was", new="what it shall be")

    current: str
    new: str


class PasswordLink(Answer):
    """Opens a page that sets a password, once, within 24 hours. Shown once: null when the answer is replayed."""

    url: str | None
    expires_at: datetime


@router.get("", dependencies=[permission("users.read")])
async def list_users(tx: Tx, page: Page) -> Listed[UserAnswer]:
    """All users, active or not, in the order of their keys."""
    found = await store.users(tx.conn, after=page.after_text, limit=page.fetch)
    return page.of([answer(UserAnswer, user) for user in found], lambda user: user.key)


@router.post("", status_code=201, dependencies=[idempotent])
async def create_user(
    body: UserDocument, tx: Tx, response: Response, caller: Annotated[Caller, needs("users.edit")]
) -> UserAnswer:
    """A new user without a password; `POST /users/{user}/password-link` lets them set one."""
    made = await people.create_user(tx.conn, tx.now, body, actor=caller.actor)
    created(response, f"users/{body.key}")
    return answer(UserAnswer, made, response)


@router.put("/me")
async def edit_me(
    body: MeEdit, tx: Tx, response: Response, expected: IfMatch, caller: Annotated[Caller, needs("me.edit")]
) -> UserAnswer:
    """Puts name and time zone in place of one's own."""
    key = key_of("me", caller)
    given = UserEdit.model_dump((await people.read_user(tx.conn, key)).document, exclude={"key"})
    kept = set() if "digest_at" in body.model_fields_set else {"digest_at"}
    edit = UserEdit.model_validate(given | body.model_dump(exclude=kept))
    edited = await people.edit_user(tx.conn, tx.now, key, edit, actor=caller.actor, version=expected)
    return answer(UserAnswer, edited, response)


@router.put("/me/password", status_code=204)
async def change_password(
    body: PasswordChange,
    tx: Tx,
    response: Response,
    settings: SettingsGiven,
    throttle: ThrottleGiven,
    caller: Annotated[Caller, needs("me.edit")],
) -> None:
    """Ends all sessions of the user, this one included."""
    key_of("me", caller)
    assert caller.user_id is not None
    await access.change_password(tx.conn, tx.now, throttle, caller.user_id, current=body.current, new=body.new)
    clear_session(response, settings)


@router.get("/{user}")
async def read_user(
    user: Key, tx: Tx, response: Response, caller: Annotated[Caller, needs("users.read")]
) -> UserAnswer:
    """One user, by key or as `me`."""
    return answer(UserAnswer, await people.read_user(tx.conn, key_of(user, caller)), response)


@router.put("/{user}")
async def edit_user(
    user: Key,
    body: UserEdit,
    tx: Tx,
    response: Response,
    expected: IfMatch,
    caller: Annotated[Caller, needs("users.edit")],
) -> UserAnswer:
    """Puts all that may change in place of what is stored. 409 `in_use` when a user who is still paged by something is
    deactivated; `used_by` says by what."""
    edited = await people.edit_user(tx.conn, tx.now, user, body, actor=caller.actor, version=expected)
    return answer(UserAnswer, edited, response)


@router.post("/{user}/password-link", status_code=201, dependencies=[idempotent])
async def give_password_link(
    user: Key, request: Request, tx: Tx, settings: SettingsGiven, caller: Annotated[Caller, needs("users.edit")]
) -> PasswordLink:
    """A link for this user to set a password with; links given before stop working."""
    found = await people.read_user(tx.conn, user)
    token = await access.give_password_link(tx.conn, tx.now, found.id, user, actor=caller.actor)
    shown_once(request, "url")
    return PasswordLink(url=f"{settings.public_url}/password/{token}", expires_at=tx.now + access.ONE_TIME_LINK_LASTS)

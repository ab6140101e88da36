"""`{user}` in a path: a user's key, or `me` for whoever is asking. One's own, or as an admin anybody's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Path

from app.directory import people
from app.errors import Forbidden, NotFound
from app.web.auth import Caller, needs
from app.web.dependencies import Tx
from app.web.models import Key

PathUser = Annotated[Key, Path(description="A user's key, or `me`.")]


@dataclass(frozen=True, slots=True)
class Person:
    """The user whose things these are, and who is asking for them."""

    id: int
    key: str
    caller: Caller

    @property
    def actor(self) -> str:
        return self.caller.actor


def key_of(user: str, caller: Caller) -> str:
    """Raises `NotFound` when `me` is nobody: an API key of a machine."""
    if user != "me":
        return user
    if caller.user_key is None:
        raise NotFound("this API key acts for no user, so there is no me")
    return caller.user_key


async def _person(user: str, tx: Tx, caller: Caller) -> Person:
    key = key_of(user, caller)
    if key != caller.user_key and not caller.may("users.edit"):
        raise Forbidden("only that user and admins may", role_needed="admin", scope_needed="admin")
    return Person((await people.read_user(tx.conn, key)).id, key, caller)


async def _read(user: PathUser, tx: Tx, caller: Annotated[Caller, needs("me.read")]) -> Person:
    return await _person(user, tx, caller)


async def _edit(user: PathUser, tx: Tx, caller: Annotated[Caller, needs("me.edit")]) -> Person:
    return await _person(user, tx, caller)


ReadPerson = Annotated[Person, Depends(_read)]
EditPerson = Annotated[Person, Depends(_edit)]

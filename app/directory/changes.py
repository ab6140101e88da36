"""What every command of the directory does the same way: refuse in the same words, write the audit record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection

from app.audit import commands as audit
from app.errors import Conflict, Invalid, NotFound

D = TypeVar("D")


@dataclass(frozen=True, slots=True)
class Stored(Generic[D]):
    """A document as it is now. `version` is its ETag; `team_id` is the team that it belongs to, where it can."""

    id: int
    document: D
    version: int
    created_at: datetime
    updated_at: datetime
    team_id: int | None = None


def missing(what: str, key: str | int) -> NotFound:
    return NotFound(f"there is no {what} {key!r}", key=key)


def taken(what: str, key: str) -> Conflict:
    return Conflict(f"there is a {what} {key!r} already", code="key_taken", key=key)


def in_use(what: str, key: str, places: list[dict[str, Any]]) -> Conflict:
    """`places` say where: `[{"type": "policy", "key": "checkout-primary"}, {"type": "last_resort"}]`."""
    named = ", ".join(" ".join(str(word) for word in place.values()) for place in places)
    return Conflict(f"{what} {key!r} is still used by {named}", code="in_use", key=key, used_by=places)


def invalid(*errors: tuple[str, str]) -> Invalid:
    """From (field, message) pairs."""
    return Invalid(
        "; ".join(f"{field}: {message}" for field, message in errors),
        errors=[{"field": field, "message": message} for field, message in errors],
    )


def check_version(what: str, key: str | int, current: int, expected: int | None) -> None:
    """Raises `Conflict` (`outdated`) when the caller saw another version of the row that is locked now."""
    if expected is not None and expected != current:
        raise Conflict(f"{what} {key!r} was edited meanwhile", code="outdated", current_version=current)


async def record(
    conn: AsyncConnection,
    now: datetime,
    actor: str,
    action: str,
    key: str,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> None:
    """The audit record of `action`, e.g. `team.edited`; the entity is the word before the dot."""
    entity = action.split(".")[0]
    await audit.record(conn, now, actor=actor, action=action, entity=entity, entity_key=key, before=before, after=after)

"""Lists, page by page: `{"items": [...], "next": cursor|null}`. The cursor is the key of the last item; nothing counts.

@router.get("/teams")
async def list_teams(tx: Tx, page: Page) -> Listed[TeamAnswer]:
    rows = await store.teams(tx.conn, after=page.after_text, limit=page.fetch)
    return page.of([TeamAnswer.model_validate(row) for row in rows], lambda team: team.key)
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Generic, TypeVar
from uuid import UUID

import msgspec
from fastapi import Depends, Query
from pydantic import BaseModel

from app.errors import Invalid

T = TypeVar("T")


class Listed(BaseModel, Generic[T]):
    """One page."""

    items: list[T]
    next: str | None
    """Send it as `cursor` for the next page; null on the last one."""


@dataclass(frozen=True, slots=True)
class PageWanted:
    """`after` is the key of the last item of the page before (a list of JSON values), None on the first page."""

    limit: int
    after: tuple[str | int, ...] | None

    @property
    def fetch(self) -> int:
        """How many rows to read: one more than the page holds tells whether there is a next one."""
        return self.limit + 1

    @property
    def after_text(self) -> str:
        """For lists in the order of one text, as `WHERE key > :after`."""
        return "" if self.after is None else str(self._only(str))

    @property
    def after_uuid(self) -> UUID | None:
        """For lists in the order of a road id."""
        if self.after is None:
            return None
        try:
            return UUID(str(self._only(str)))
        except ValueError:
            raise _broken() from None

    @property
    def after_int(self) -> int | None:
        """For lists in the order of a number."""
        return None if self.after is None else int(self._only(int))

    def _only(self, kind: type) -> Any:
        if self.after is None or len(self.after) != 1 or type(self.after[0]) is not kind:
            raise _broken()
        return self.after[0]

    def of(self, found: Sequence[T], key: Callable[[T], Any]) -> Listed[T]:
        """The page of at most `fetch` items found; `key` gives the text, number, UUID or tuple to go on after."""
        items = list(found[: self.limit])
        more = len(found) > self.limit
        return Listed(items=items, next=encode(key(items[-1])) if more else None)


def encode(key: Any) -> str:
    values = key if isinstance(key, tuple) else (key,)
    return urlsafe_b64encode(msgspec.json.encode(values)).decode().rstrip("=")


def decode(cursor: str) -> tuple[str | int, ...]:
    """Raises `Invalid` for anything that `encode` did not make."""
    try:
        raw = urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4))
        key = msgspec.json.decode(raw, type=tuple[str | int, ...])
    except (ValueError, msgspec.DecodeError):
        raise _broken() from None
    if not key or any(isinstance(part, str) and "\x00" in part for part in key):
        raise _broken()
    return key


def _broken() -> Invalid:
    return Invalid(
        "cursor: not one that this list gave out",
        errors=[{"in": "query", "field": "cursor", "message": "not one that this list gave out"}],
    )


async def _page(
    limit: Annotated[int, Query(ge=1, le=200, description="Items on a page.")] = 50,
    cursor: Annotated[str | None, Query(max_length=500, description="`next` of the page before.")] = None,
) -> PageWanted:
    return PageWanted(limit, None if cursor is None else decode(cursor))


Page = Annotated[PageWanted, Depends(_page)]

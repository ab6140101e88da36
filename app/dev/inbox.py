"""What arrived at one address, and what a story expects of it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Final, Generic, TypeVar

T = TypeVar("T")

WITHIN_S: Final = 20.0
_LINK: Final = re.compile(r"https?://[^\s<>\"]+")


class Inbox(Generic[T]):
    """Messages in the order of arrival. What `expects` has found once is not found again."""

    def __init__(self, owner: str, text_of: Callable[[T], str]) -> None:
        self.owner = owner
        self.items: list[T] = []
        self._text_of = text_of
        self._waited_for: set[int] = set()
        self._news = asyncio.Event()

    def arrived(self, item: T) -> None:
        self.items.append(item)
        news, self._news = self._news, asyncio.Event()
        news.set()

    async def expects(self, *parts: str, within_s: float = WITHIN_S) -> T:
        """The first message nobody waited for yet that has all these parts in it, waiting in real time for it.

        Raises AssertionError, telling what did arrive.
        """
        try:
            async with asyncio.timeout(within_s):
                while (found := self._find(parts)) is None:
                    await self._news.wait()
        except TimeoutError:
            got = [self._text_of(item) for item in self.unexpected()] or "nothing"
            raise AssertionError(
                f"{self.owner} got no message with {' and '.join(map(repr, parts)) or 'anything'} "
                f"within {within_s:g} s, but {got}"
            ) from None
        return found

    def _find(self, parts: tuple[str, ...]) -> T | None:
        for index, item in enumerate(self.items):
            if index not in self._waited_for and all(part in self._text_of(item) for part in parts):
                self._waited_for.add(index)
                return item
        return None

    def unexpected(self) -> list[T]:
        """What arrived and nobody waited for."""
        return [item for index, item in enumerate(self.items) if index not in self._waited_for]

    @property
    def last_link(self) -> str:
        """The link in the newest message that has one. Raises AssertionError when none has."""
        for item in reversed(self.items):
            if links := _LINK.findall(self._text_of(item)):
                return str(links[-1])
        raise AssertionError(f"{self.owner} got no message with a link")

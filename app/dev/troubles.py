"""What can go wrong at the exchange, for the next `times` messages (None: from now on), to one number or to any."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

_ALWAYS: Final = 10**9


@dataclass(slots=True)
class Trouble:
    """`stored`: the message is taken and delivered before it goes wrong."""

    kind: Literal["refuse", "hang", "reset", "slow", "lose"]
    to: str | None
    times: int
    stored: bool = False
    code: int = 20500
    retry_after_s: int | None = None
    seconds: float = 0


class Troubles:
    """Planned troubles; the oldest that fits a message befalls it."""

    def __init__(self) -> None:
        self._planned: list[Trouble] = []

    def refuses(
        self, code: int, *, to: str | None = None, times: int | None = 1, retry_after_s: int | None = None
    ) -> None:
        """Answers with this error code: 21211, 21610, 20429 (with 429), 20003 ..."""
        self._planned.append(Trouble("refuse", to, times or _ALWAYS, code=code, retry_after_s=retry_after_s))

    def breaks(self, *, stored: bool, to: str | None = None, times: int | None = 1) -> None:
        """Answers with an internal error, having stored the message or not."""
        self._planned.append(Trouble("refuse", to, times or _ALWAYS, stored=stored))

    def hangs(self, *, stored: bool, to: str | None = None, times: int | None = 1) -> None:
        """Does not answer at all."""
        self._planned.append(Trouble("hang", to, times or _ALWAYS, stored=stored))

    def resets(self, *, stored: bool, to: str | None = None, times: int | None = 1) -> None:
        """Resets the connection instead of answering."""
        self._planned.append(Trouble("reset", to, times or _ALWAYS, stored=stored))

    def dawdles(self, seconds: float, *, to: str | None = None, times: int | None = 1) -> None:
        """Takes the message and answers late."""
        self._planned.append(Trouble("slow", to, times or _ALWAYS, stored=True, seconds=seconds))

    def loses(self, code: int, *, to: str | None = None, times: int | None = 1) -> None:
        """Takes the message and reports it `undelivered` with this code: 30003 ... A call `failed`, with none."""
        self._planned.append(Trouble("lose", to, times or _ALWAYS, stored=True, code=code))

    def heals(self) -> None:
        """Nothing goes wrong any more."""
        self._planned.clear()

    def of(self, to: str) -> Trouble | None:
        """The trouble of this message, used up by it."""
        for trouble in self._planned:
            if trouble.times and trouble.to in (None, to):
                trouble.times -= 1
                return trouble
        return None

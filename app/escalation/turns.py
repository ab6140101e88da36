"""Whose turn it is in a step that pages one person at a time. Pure.

Whoever's last turn is longest ago is next, among those who can be reached now; of those who never had one, the first in
the order of the step's targets. So it is fair although schedules hand off, people come and go, and some cannot be
reached; and the same state always gives the same person.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

Place = tuple[int, int]
"""(policy id, index of the step)."""
People = tuple[tuple[int, str, str], ...]
"""(user id, name, because), as in `ladder.Reach`."""


class Turns:
    """The turns of some steps, as read under their locks; `changed` are those that were taken since."""

    def __init__(self, taken: Mapping[Place, Mapping[int, int]] | None = None) -> None:
        self._taken = {place: dict(turns) for place, turns in (taken or {}).items()}
        self.changed: set[Place] = set()

    def take(self, place: Place, people: People) -> People:
        """The one of `people` whose turn it is, with the reason; it counts as taken from here on."""
        found = self.next(place, people)
        for user_id, _, _ in found:
            turns = self._taken.setdefault(place, {})
            turns[user_id] = max(turns.values(), default=0) + 1
            self.changed.add(place)
        return found

    def next(self, place: Place, people: People) -> People:
        """The same without taking it: a drill is nobody's turn."""
        if not people:
            return people
        turns = self._taken.get(place, {})
        user_id, name, because = min(people, key=lambda person: turns.get(person[0], 0))
        return ((user_id, name, f"{because}; {self._why(len(people))}"),)

    def of(self, place: Place) -> dict[int, int]:
        return self._taken.get(place, {})

    @staticmethod
    def _why(count: int) -> str:
        return f"in turn, of {count} who can be reached" if count > 1 else "in turn, the only one who can be reached"


def places(copies: Iterable[tuple[int | None, Sequence[bool]]]) -> list[Place]:
    """The places of policies, in the order in which they are locked. `copies`: (policy id, which steps go in turn)."""
    return sorted({(key, n) for key, steps in copies if key is not None for n, turn in enumerate(steps) if turn})

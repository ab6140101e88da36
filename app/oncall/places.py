"""Overrides, and what they make of the places that layers give. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from app.errors import Invalid
from app.oncall.layers import OnCall


@dataclass(frozen=True, slots=True)
class Override:
    """`user_id` in place of whoever the layers say, during `[starts_at, ends_at)`; with `adds` besides them.

    With `replaces_user_id` only that person's place is taken, and nothing happens while that person has none. Without a
    user the place stays empty: an override is about the people, so lower layers do not show through. Ids grow with
    creation: where overrides overlap, the higher id has the last word. Raises `Invalid`.
    """

    id: int
    user_id: int | None
    starts_at: datetime
    ends_at: datetime
    replaces_user_id: int | None = None
    adds: bool = False
    because: str = ""
    handshake_id: int | None = None
    """The handshake for which this person stays."""
    made_at: datetime | None = None
    """When it was made; None: nobody knows."""

    def __post_init__(self) -> None:
        if self.starts_at.tzinfo is None or self.ends_at.tzinfo is None:
            raise Invalid("the start and the end of an override are instants with a zone", override=self.id)
        if self.starts_at >= self.ends_at:
            raise Invalid("an override ends after it starts", override=self.id)
        if self.adds and (self.user_id is None or self.replaces_user_id is not None):
            raise Invalid("who is added is somebody, in nobody's place", override=self.id)
        object.__setattr__(self, "starts_at", self.starts_at.astimezone(UTC))
        object.__setattr__(self, "ends_at", self.ends_at.astimezone(UTC))
        object.__setattr__(self, "because", self.because or f"override {self.id}")


def each_once(found: Iterable[tuple[OnCall, ...]]) -> tuple[OnCall, ...]:
    """Every user with the first reason there is."""
    users: dict[int, OnCall] = {}
    for group in found:
        for entry in group:
            users.setdefault(entry.user_id, entry)
    return tuple(users.values())


def overridden(found: tuple[OnCall, ...], active: Sequence[Override]) -> tuple[OnCall, ...]:
    """Applies overrides, in the order of their creation, to places. A place remembers everyone who had it, so that of
    two overrides for Ana's place the later one counts, and so does one for whoever replaced her."""
    places: list[tuple[OnCall | None, frozenset[int]]] = [(o, frozenset((o.user_id,))) for o in found]
    for override in active:
        user, replaced = override.user_id, override.replaces_user_id
        instead = None if user is None else OnCall(user, None, override.id, override.because)
        had = frozenset[int]() if user is None else frozenset((user,))
        if override.adds:
            places.append((instead, had))
            continue
        if replaced is None and not places:
            places = [(None, frozenset())]
        places = [
            (instead, before | had) if replaced is None or replaced in before else (entry, before)
            for entry, before in places
        ]
    return each_once((entry,) for entry, _ in places if entry is not None)

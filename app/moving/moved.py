"""What an importer gives back: the document, what has no equal, overrides to come, and how the source rendered it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

Json = dict[str, Any]

Kind = Literal["missing", "left_out", "changed", "told"]
"""`missing`: nothing can be imported before it is there. `left_out`: it is not in the document. `changed`: what is
there differs. `told`: worth knowing."""


@dataclass(frozen=True, slots=True)
class Source:
    """One file of an export: its name, for people, and the JSON value that it holds."""

    name: str
    value: Any


@dataclass(frozen=True, slots=True)
class Notice:
    """`what` of the source, and `where` it is there; `why` it has no equal, and what was done `instead`."""

    kind: Kind
    what: str
    where: str
    why: str
    instead: str = ""


@dataclass(frozen=True, slots=True)
class PlannedOverride:
    """An override as `POST /schedules/{schedule}/overrides` takes it; `[starts_at, ends_at)` in UTC."""

    schedule: str
    user: str
    starts_at: datetime
    ends_at: datetime
    replaces: str | None = None
    adds: bool = False

    @property
    def kind(self) -> str:
        return "add" if self.adds else "replace"


@dataclass(frozen=True, slots=True)
class Rendered:
    """Shifts of a schedule as the source computed them: (starts_at, ends_at, user key), in UTC. `of`: what they are,
    for people; `layers`: the names of those that they are of, empty for the whole schedule with its overrides."""

    schedule: str
    of: str
    shifts: tuple[tuple[datetime, datetime, str], ...]
    layers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class GivenAddress:
    """Where a calendar is read from, or a webhook posted to, as `PUT /<section>/<key>/address` takes it: it may hold a
    secret, so that no document has it."""

    section: Literal["calendars", "webhooks"]
    key: str
    address: str


@dataclass(frozen=True, slots=True)
class Moved:
    """`document` is a part of a configuration, as JSON values; `overrides` are all of the source, over or to come."""

    document: Json
    notices: list[Notice] = field(default_factory=list)
    overrides: list[PlannedOverride] = field(default_factory=list)
    rendered: list[Rendered] = field(default_factory=list)
    addresses: list[GivenAddress] = field(default_factory=list)

    @property
    def missing(self) -> list[Notice]:
        """What keeps it from being imported."""
        return [notice for notice in self.notices if notice.kind == "missing"]

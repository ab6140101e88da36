"""Files of an export as lists of what they hold, however they were fetched: single things, pages, several in a list."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from app.errors import Invalid
from app.moving.moved import Json, Source


@dataclass(frozen=True, slots=True)
class Found:
    """One thing of an export. `where`: file and place, for people."""

    value: Json
    where: str
    file: str

    def at(self, part: str) -> str:
        return f"{self.where}, {part}"


Collected = dict[str, list[Found]]
"""What an export holds, by kind."""


def objects(sources: Sequence[Source]) -> Iterator[tuple[str, Json]]:
    """File name and object, for every object at the top of a file or in a list there."""
    for source in sources:
        values: list[Any] = source.value if isinstance(source.value, list) else [source.value]
        for value in values:
            if not isinstance(value, dict):
                raise Invalid(f"{source.name}: an export is made of JSON objects, not {type(value).__name__}")
            yield source.name, value


def listed(value: Any) -> list[Any]:
    """A list as it is; nothing as none; anything else as the only one."""
    return value if isinstance(value, list) else [] if value is None else [value]


def collect(sources: Sequence[Source], kinds: Mapping[str, str]) -> Collected:
    """`kinds`: member of an object -> kind of what it holds, one or a list. What has the same id is one thing, of whose
    members the last file has the last word. Raises `Invalid` for a file without any of it."""
    found: dict[str, dict[str, Found]] = {kind: {} for kind in kinds.values()}
    for file, value in objects(sources):
        members = [member for member in kinds if isinstance(value.get(member), dict | list)]
        if not members:
            raise Invalid(f"{file}: there is nothing to import in it; it would have {', '.join(kinds)}")
        for kind, item in ((kinds[m], item) for m in members for item in listed(value[m]) if isinstance(item, dict)):
            things = found[kind]
            id_ = str(item.get("id") or f"{file} {len(things)}")
            item = things[id_].value | item if id_ in things else item
            things[id_] = Found(item, _where(file, kind, item), file)
    return {kind: list(things.values()) for kind, things in found.items()}


def _where(file: str, kind: str, item: Json) -> str:
    named = " ".join(str(item[name]) for name in ("id", "name") if item.get(name))
    return f"{file}: {kind.replace('_', ' ')} {named}".strip()


def instant(text: object, where: str) -> datetime:
    """An ISO 8601 instant, in UTC; without an offset it is UTC. Raises `Invalid`."""
    try:
        at = datetime.fromisoformat(str(text))
    except ValueError:
        raise Invalid(f"{where}: {text!r} is no instant") from None
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def zulu(at: datetime) -> str:
    """As the document has instants, in whole seconds."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

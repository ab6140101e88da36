"""One event in the body that it came in: what expressions see, and what is kept of it when it is refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from app.ingest.adapters.details import as_text
from app.ingest.adapters.wire import decode
from app.ingest.event import Unparsable
from app.rules import shapes
from app.rules.shapes import Path

_SHELL, _SHELL_MEMBER, _SHELL_MEMBERS = 4_096, 256, 16
"""How much is kept of what surrounds a refused event: characters, of one member, and members."""


class Surroundings:
    """A body and where its events are."""

    def __init__(self, body: Any, events_at: Path) -> None:
        self.body, self.events_at = body, events_at

    @cached_property
    def shell(self) -> Any:
        """The body without its events; of a large one its small members only, as it is kept once per refused event."""
        shell = _put(self.body, self.events_at, [])
        if type(shell) is not dict or len(as_text(shell)) <= _SHELL:
            return shell
        small = [(n, v) for n, v in shell.items() if n != self.events_at[0] and len(as_text(v)) <= _SHELL_MEMBER]
        return _put(dict(small[:_SHELL_MEMBERS]), self.events_at, [])


@dataclass(frozen=True, slots=True)
class Unit:
    """One event in its body. `wrong`: why there is none."""

    event: Any
    surroundings: Surroundings
    wrong: str | None = None

    @property
    def body(self) -> Any:
        return self.surroundings.body

    @property
    def events_at(self) -> Path:
        return self.surroundings.events_at

    @property
    def around(self) -> Any:
        """The body with this event alone in it, for quarantine."""
        if not self.events_at:
            return self.event
        return self.surroundings.shell if self.wrong else _put(self.surroundings.shell, self.events_at, [self.event])

    def told(self, headers: Mapping[str, str]) -> dict[str, Any]:
        """The variables of expressions."""
        return {"event": self.event, "body": self.body, "headers": headers}


def decoded(body: Any, path: Path) -> Any:
    """The body with the JSON that stands there as text in its place; what is no JSON stays as it is."""
    text = shapes.read(body, path)
    if type(text) is not str or not text.strip().startswith(("{", "[")):
        return body
    try:
        return _put(body, path, decode(text.encode("utf-8", "replace")))
    except Unparsable:
        return body


def _put(body: Any, path: Path, value: Any) -> Any:
    """A copy of the body with another value there."""
    if not path:
        return value
    step, rest = path[0], path[1:]
    if isinstance(step, str):
        inner = body.get(step) if type(body) is dict else None
        return {**(body if type(body) is dict else {}), step: _put(inner, rest, value)}
    kept = list(body)
    kept[step] = _put(kept[step], rest, value)
    return kept

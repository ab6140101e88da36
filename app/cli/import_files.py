"""Files of an export, as `tocsin import` is given them, read by the importer of their source."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from importlib import import_module
from pathlib import Path
from typing import Final

from app.errors import Invalid
from app.moving.comparing import Comparison, compare
from app.moving.moved import Moved, Source


class From(StrEnum):
    """What one moves in from."""

    pagerduty = "pagerduty"
    opsgenie = "opsgenie"
    oncall = "oncall"
    people = "people"


_IMPORTERS: Final = {
    From.pagerduty: "app.moving.pagerduty",
    From.opsgenie: "app.moving.opsgenie",
    From.oncall: "app.moving.grafana_oncall",
    From.people: "app.moving.table_of_people",
}
Importer = Callable[[Sequence[Source], Mapping[str, object], str | None], Moved]
"""Sources, the configuration that Tocsin has, the country of phone numbers without a code."""


def read(
    source: From, files: Sequence[str], existing: Mapping[str, object], country: str | None
) -> tuple[Moved, list[Comparison]]:
    """What is imported, and how its schedules compare. Raises `Invalid`, OSError."""
    return parse(source, [_source(name, source) for name in _names(files, source)], existing, country)


def parse(
    source: From, sources: Sequence[Source], existing: Mapping[str, object], country: str | None
) -> tuple[Moved, list[Comparison]]:
    """The same of what was read already. Raises `Invalid`. The importer is loaded when it is needed."""
    importer: Importer = import_module(_IMPORTERS[source]).read
    try:
        moved = importer(sources, existing, country)
        return moved, compare(moved)
    except Invalid as refused:
        lines = [f"{e['field']}: {e['message']}" for e in refused.errors]
        if len(lines) > 1:
            raise Invalid("\n  ".join([f"{len(lines)} lines are wrong, nothing was imported", *lines])) from None
        raise
    except (KeyError, TypeError, AttributeError, ValueError, OverflowError) as strange:
        what = f"there is no {strange}" if isinstance(strange, KeyError) else " ".join(str(strange).split())
        raise Invalid(f"an export of {source.value} looks otherwise: {what}") from strange


def _names(files: Sequence[str], source: From) -> list[str]:
    """Files, and of folders what they hold."""
    ending = "*.csv" if source == From.people else "*.json"
    found: list[str] = []
    for name in files:
        if name != "-" and Path(name).is_dir():
            inside = sorted(str(path) for path in Path(name).glob(ending))
            if not inside:
                raise Invalid(f"{name}: there is no {ending} in it")
            found += inside
        else:
            found.append(name)
    return found


def _source(name: str, source: From) -> Source:
    data = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    shown = "stdin" if name == "-" else Path(name).name
    if source == From.people:
        return Source(shown, data)
    try:
        return Source(shown, json.loads(data.decode("utf-8-sig")))
    except ValueError as wrong:
        raise Invalid(f"{name}: not JSON: {wrong}") from None

"""Reads a body with the mapping of its integration."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

from app.errors import Invalid
from app.ingest.adapters import cloudevents
from app.ingest.adapters.bounds import Unusable
from app.ingest.adapters.details import bounded, merged, storable
from app.ingest.adapters.mapping import EventMapping, compiled, safe_headers
from app.ingest.adapters.units import Unit
from app.ingest.adapters.wire import kind_of
from app.ingest.event import Entrance, Event, Parsed, Refused, Unparsable

Finish = Callable[[dict[str, Any], frozenset[str], datetime, Mapping[str, Any]], Event]
"""Makes the event of an object of our own JSON, labels to ignore, now, and details."""


def read(message: Any, headers: Mapping[str, str], entrance: Entrance, now: datetime, finish: Finish) -> Parsed:
    """The events that the mapping makes of a decoded body (of CloudEvents, their envelopes)."""
    try:
        mapping = compiled(entrance.mapping or {})
    except Invalid as e:  # saved by another version: nothing is lost, and it is replayed after a fix
        return Parsed((), (Refused(0, f"the mapping of this integration is broken: {e.message}", storable(message)),))
    if type(message) not in (dict, list):
        raise Unparsable(f"an object or an array of objects is expected, not {kind_of(message)}")
    events: list[tuple[int, Event]] = []
    refused: list[Refused] = []
    known, left_out, index = safe_headers(headers), 0, -1
    units = units_of(mapping, message)
    for index, unit in enumerate(islice(units, mapping.most)):
        try:
            if unit.wrong:
                raise Unusable(unit.wrong)
            made = made_of(mapping, unit, known)
            if made is None:
                left_out += 1
                continue
            events.append((index, finish(made, entrance.ignored_labels, now, _details(unit))))
        except Unusable as reason:
            refused.append(Refused(index, str(reason), storable(unit.around)))
    if rest := [unit.around for unit in units]:
        error = f"only the first {mapping.most} events of a body are taken, {len(rest)} more were not"
        refused.append(Refused(index + 1, error, storable(rest)))
    note = f"the mapping's `when` left {left_out} of {index + 1} events out" if left_out else None
    return Parsed(tuple(events), tuple(refused), note)


@dataclass(frozen=True, slots=True)
class Explained:
    """One expression on one event: what it gave, or why it failed, and what it looked at."""

    field: str
    expression: str
    value: Any
    error: str | None
    reads: Mapping[str, Any]


def explain(message: Any, headers: Mapping[str, str], mapping: EventMapping, most: int) -> dict[int, list[Explained]]:
    """By the index of an event, for a person who tries a mapping; of the first `most` events."""
    known, found = safe_headers(headers), {}
    for index, unit in enumerate(islice(units_of(mapping, message), most)):
        told = unit.told(known)
        found[index] = [
            Explained(field.place, field.expression.source, storable(value), error, field.expression.values(told))
            for field, value, error in mapping.explain(told)
        ]
    return found


def units_of(mapping: EventMapping, message: Any) -> Iterator[Unit]:
    """The events of a body as expressions see them; of CloudEvents their data."""
    for one in message if type(message) is list else [message]:
        yield from mapping.units(one, cloudevents.DATA if cloudevents.is_envelope(one) else ())


def made_of(mapping: EventMapping, unit: Unit, headers: Mapping[str, str]) -> dict[str, Any] | None:
    """The object of our own JSON that an event becomes; None when it is left out. Raises `Unusable`."""
    made = mapping.made(unit.told(headers))
    if made is not None and cloudevents.is_envelope(unit.body):
        cloudevents.check(unit.body)
        return cloudevents.completed(made, unit.body)
    return made


def _details(unit: Unit) -> Mapping[str, Any]:
    """What the event told, over what stood around it."""
    own = unit.event if type(unit.event) is dict else {} if unit.event is None else {"event": unit.event}
    if not unit.events_at or type(unit.body) is not dict:
        return bounded(own)
    return merged({name: value for name, value in unit.body.items() if name != unit.events_at[0]}, own)

"""Events out of JSON that is not ours: the mapping of an integration, compiled once, run for every event.

A mapping (`app.directory.mapping_document`) makes an object of our own JSON of each event; the adapter `generic` reads
that as if it had been sent. An expression that fails refuses its event alone, and says which field it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import msgspec

from app.errors import Invalid
from app.ingest.adapters.bounds import MAX_ALERTS, Unusable
from app.ingest.adapters.units import Surroundings, Unit, decoded
from app.ingest.adapters.wire import kind_of
from app.rules import expressions, shapes
from app.rules.expressions import Expression, Failed
from app.rules.shapes import Path, Shape

ALL: Final = "*"
"""The label or annotation name that stands for every member of an object."""
COST_LIMIT: Final = expressions.COST_LIMIT
BUDGET: Final = 2_000_000
"""Microseconds at worst that one body may cost: what goes beyond is refused. Usual mappings reach `MAX_ALERTS`."""
_EVENT_COST = 50
_HEADERS = ("content-type", "user-agent", "sentry-hook-resource", "x-amz-sns-message-type", "x-amz-sns-topic-arn")
_HEADER_BEGINNINGS = ("ce-", "x-event-", "x-github-event", "x-gitlab-event")
_CANONICAL = msgspec.json.Encoder(order="sorted")


def safe_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Those that a mapping may read and quarantine keeps. No credential is among them."""
    return {name: text for name, text in headers.items() if name in _HEADERS or name.startswith(_HEADER_BEGINNINGS)}


@dataclass(frozen=True, slots=True)
class Field:
    """One expression of a mapping and where its value goes: `section` is `fields`, `labels`, ...; `name` within it."""

    section: str
    name: str
    expression: Expression

    @property
    def place(self) -> str:
        return f"{self.section}.{self.name}" if self.name else self.section


@dataclass(frozen=True, slots=True)
class EventMapping:
    """A mapping, compiled. Safe to share. Built by `compiled`."""

    events_at: Path
    decode_at: tuple[Path, ...]
    when: Field | None
    fields: tuple[Field, ...]
    required: tuple[str, ...]
    shape: Shape
    most: int
    """How many events of one body it may be run for."""

    def units(self, body: Any, events_at: Path = ()) -> Iterator[Unit]:
        """The events of a body; a body that is an array is several. `events_at`: where they are unless the mapping
        says so."""
        at = self.events_at or events_at
        for one in body if type(body) is list else [body]:
            for path in self.decode_at:
                one = decoded(one, path)
            found, around = shapes.read(one, at), Surroundings(one, at)
            if at and found is None:
                yield Unit(None, around, f"events: there is nothing at {shapes.text(('body', *at))}")
            elif at and type(found) is list:
                yield from (Unit(event, around) for event in found)
            else:
                yield Unit(found, around)

    def made(self, told: Mapping[str, Any]) -> dict[str, Any] | None:
        """The object of our own JSON that the event becomes; None when `when` leaves it out. Raises `Unusable`."""
        prepared = expressions.activation(self.shape, told)
        if self.when is not None and _value(self.when, told, prepared) is not True:
            return None
        made: dict[str, Any] = {"labels": {}, "annotations": {}, "links": []}
        for field in self.fields:
            _put_field(made, field, _value(field, told, prepared))
        for name in self.required:
            if name not in made:
                raise Unusable(f"fields.{name}: it is required and came out empty")
        return made

    def explain(self, told: Mapping[str, Any]) -> Iterator[tuple[Field, Any, str | None]]:
        """(field, value, error) of every expression, for a person who tries it."""
        prepared = expressions.activation(self.shape, told)
        for field in (*((self.when,) if self.when else ()), *self.fields):
            try:
                yield field, field.expression.evaluate(told, prepared), None
            except Failed as e:
                yield field, None, str(e)


def _value(field: Field, told: Mapping[str, Any], prepared: Any) -> Any:
    try:
        return field.expression.evaluate(told, prepared)
    except Failed as e:
        raise Unusable(f"{field.place}: {e}") from e


def _put_field(made: dict[str, Any], field: Field, value: Any) -> None:
    if value is None or value == "":
        return
    if field.section == "links":
        made["links"].append({"href": value, "text": field.name})
    elif field.section == "fields":
        if field.name != "description" and type(value) in (dict, list):
            raise Unusable(f"{field.place}: a text is needed, not {kind_of(value)}")
        made[field.name] = value
    elif field.name != ALL:
        made[field.section][field.name] = value
    elif type(value) is dict:
        all_of_it = {n: t for n, t in value.items() if n and t not in (None, "") and type(t) not in (dict, list)}
        made[field.section] = all_of_it | made[field.section]
    else:
        raise Unusable(f"{field.place}: an object is needed, not {kind_of(value)}")


def compiled(mapping: Mapping[str, Any]) -> EventMapping:
    """As it is stored. Raises `Invalid`; its errors name the member, line and column."""
    return _compiled(_CANONICAL.encode(mapping))


@lru_cache(maxsize=1_024)
def _compiled(stored: bytes) -> EventMapping:
    mapping: dict[str, Any] = msgspec.json.decode(stored)
    builder = _Builder()
    events_at = builder.path("events", mapping.get("events"))
    decode_at = tuple(builder.path(f"decode[{i}]", text) for i, text in enumerate(mapping.get("decode", ())))
    when = builder.field("when", "", mapping["when"]) if mapping.get("when") else None
    if when is not None and not (when.expression.boolean or when.expression.path):
        builder.complain("when", "it is true or false: compare with something")
    fields = [
        builder.field(section, name, source)
        for section in ("fields", "labels", "annotations", "links")
        for name, source in mapping.get(section, {}).items()
    ]
    known = [field for field in (when, *fields) if field is not None]
    cost = sum(field.expression.cost for field in known)
    if cost > COST_LIMIT:
        builder.complain("", "the expressions are too costly together: use fewer loops and regular expressions")
    shape = expressions.shape_of([field.expression for field in known])
    for path in shape.ambiguous():
        value, member = shapes.text(path[:-1]), shapes.text(path)
        builder.complain("", f"{value} is looked at as a value and as {member}: compare {member} with '' instead")
    builder.finish()
    most = min(MAX_ALERTS, BUDGET // (cost + _EVENT_COST))
    found = tuple(field for field in fields if field is not None)
    return EventMapping(events_at, decode_at, when, found, tuple(mapping.get("required", ())), shape, most)


class _Builder:
    """Compiles, and gathers what is wrong so that all of it is told at once."""

    def __init__(self) -> None:
        self._errors: list[dict[str, str]] = []

    def complain(self, place: str, message: str) -> None:
        field = f"mapping.{place}" if place else "mapping"
        self._errors.append({"field": field, "message": message})

    def field(self, section: str, name: str, source: str) -> Field | None:
        place = f"{section}.{name}" if name else section
        try:
            expression = expressions.compile(source)
        except Invalid as e:
            self.complain(place, e.message)
            return None
        if name == ALL and expression.path is None:
            self.complain(place, "the name of an object is needed, like event.labels")
        return Field(section, name, expression)

    def path(self, place: str, source: str | None) -> Path:
        if source is None:
            return ()
        try:
            path = expressions.compile(source).path
        except Invalid as e:
            self.complain(place, e.message)
            return ()
        if path is None or path[0] != "body":
            self.complain(place, "the name of a member of the body is needed, like body.alerts")
            return ()
        return path[1:]

    def finish(self) -> None:
        if self._errors:
            text = "; ".join(f"{e['field']}: {e['message']}" for e in self._errors[:5])
            raise Invalid(text, code="invalid_mapping", errors=self._errors)

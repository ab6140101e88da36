"""The mapping of an integration, as people write it: how events are made of JSON that is not ours."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, field_validator

Expression = Annotated[str, Field(min_length=1, max_length=4_096)]
Name = Annotated[str, Field(min_length=1, max_length=200)]
Wanted = Literal[
    "title", "description", "status", "severity", "dedup_key", "fingerprint", "source", "starts_at", "ends_at",
    "runbook",
]  # fmt: skip
WANTED: Final[tuple[str, ...]] = get_args(Wanted)

_EXAMPLE: Final[dict[str, Any]] = {
    "events": "body.alerts",
    "when": "event.state != 'pending'",
    "fields": {
        "title": "event.host.name + ': ' + event.text",
        "status": "event.state",
        "severity": "event.level == 'high' ? 'critical' : 'warning'",
        "dedup_key": "string(event.id)",
    },
    "labels": {"host": "event.host.name"},
    "links": {"Dashboard": "event.url"},
    "required": ["dedup_key"],
}


class MappingDocument(BaseModel):
    """How events are made of a body, by CEL expressions over `event`, `body` and `headers`. What an expression does not
    find is empty; a member that comes out empty is left out.

    `events` is where the list of events is, `body.alerts`; null: the body itself is the event, or the list of them.
    `decode` names members that hold JSON as text. `when` leaves events out for which it is not true. `fields` are the
    members of our own JSON. In `labels` and `annotations`, `*` names an object of which every member is taken; `links`
    has a text to show and an expression for the address. An event without what is `required` is refused.
    """

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, json_schema_extra={"examples": [_EXAMPLE]})

    events: Expression | None = None
    decode: Annotated[list[Expression], Field(max_length=10)] = []
    when: Expression | None = None
    fields: Annotated[dict[Wanted, Expression], Field(max_length=20)] = {}
    labels: Annotated[dict[Name, Expression], Field(max_length=50)] = {}
    annotations: Annotated[dict[Name, Expression], Field(max_length=50)] = {}
    links: Annotated[dict[Name, Expression], Field(max_length=20)] = {}
    required: Annotated[list[Wanted], Field(max_length=20)] = []

    @field_validator("events", "decode", "when", "labels", "annotations", "links", "fields")
    @classmethod
    def _storable(cls, value: Any) -> Any:
        texts = [value or ""] if not isinstance(value, (dict, list)) else value
        for text in (*texts, *(value.values() if isinstance(value, dict) else ())):
            if "\x00" in text or any("\ud800" <= c <= "\udfff" for c in text):
                raise ValueError("a text holds a character that cannot be stored")
        return value

    @field_validator("required")
    @classmethod
    def _sorted(cls, required: list[Wanted]) -> list[Wanted]:
        return sorted(set(required))

    def plain(self) -> dict[str, Any]:
        """As it is stored: without what has its default."""
        return self.model_dump(mode="json", exclude_defaults=True)

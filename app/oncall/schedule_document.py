"""Schedules as people write them, by keys: the body of the API and a part of the configuration document."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
)

from app import hours
from app.errors import Invalid
from app.oncall import shifts
from app.oncall.layers import Layer

Key = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$", examples=["payments-primary"])]
Name = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f]*[^\x00-\x20][^\x00-\x1f]*$")]

_LOCAL = "%Y-%m-%dT%H:%M"


def _local(value: object) -> datetime:
    try:
        at = value if isinstance(value, datetime) else datetime.strptime(str(value), _LOCAL)
    except ValueError:
        at = None
    if at is None or at.tzinfo is not None or at.second or at.microsecond:
        raise ValueError("give local date and time without a zone, like 2026-03-02T09:00")
    return _this_era(at)


def _instant(value: object) -> datetime:
    try:
        at = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise ValueError("give an instant with its zone, like 2026-03-02T08:00:00Z")
    return _this_era(at).astimezone(UTC)


def _this_era(at: datetime) -> datetime:
    """Zone arithmetic must never leave the years that Python has."""
    if not 1970 <= at.year < 3000:
        raise ValueError("give a year from 1970 to 2999")
    return at


def _zulu(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


LocalMinute = Annotated[
    datetime,
    BeforeValidator(_local),
    PlainSerializer(lambda at: at.strftime(_LOCAL), return_type=str, when_used="json"),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}$",
            "examples": ["2026-03-02T09:00"],
            "description": "local date and time in the zone of the schedule",
        }
    ),
]
Instant = Annotated[AwareDatetime, BeforeValidator(_instant), PlainSerializer(_zulu, return_type=str, when_used="json")]


def _later(ends_at: datetime | None, info: ValidationInfo) -> datetime | None:
    starts_at = info.data.get("starts_at")
    if starts_at and ends_at and starts_at >= ends_at:
        raise ValueError("must be later than starts_at")
    return ends_at


class _Document(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, serialize_by_alias=True)


class Restriction(_Document):
    """Hours of the week; `to` before `from` ends on the next day, and may be 24:00."""

    days: list[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]]
    from_: Annotated[str, Field(alias="from", examples=["09:00"])]
    to: Annotated[str, Field(examples=["17:00"])]


class LayerDocument(_Document):
    """One repeating pattern. `anchor` is the first handoff; `members` lists the turns in order, each the users who are
    on call together (an empty turn: nobody, lower layers show through); `restrictions` are the only hours covered,
    none: all. The layer counts during `[starts_at, ends_at)`; without them always from its anchor on."""

    name: Name
    unit: Literal["hour", "day", "week", "month"]
    length: Annotated[int, Field(ge=1, le=1000, description="units that one turn lasts")]
    anchor: LocalMinute
    members: Annotated[list[Annotated[list[Key], Field(max_length=20)]], Field(min_length=1, max_length=200)]
    restrictions: Annotated[list[Restriction], Field(max_length=50)] = []
    starts_at: Instant | None = None
    ends_at: Instant | None = None

    @field_validator("members")
    @classmethod
    def _each_once(cls, members: list[list[str]]) -> list[list[str]]:
        for i, turn in enumerate(members):
            if len(set(turn)) < len(turn):
                raise ValueError(f"turn {i} names somebody twice")
        return members

    @field_validator("restrictions", mode="before")
    @classmethod
    def _canonical(cls, raw: Any) -> Any:
        try:
            return hours.spans_json(hours.parse_spans(_plain(raw)))
        except Invalid as refused:
            raise ValueError(refused.message) from None

    _bounds = field_validator("ends_at")(_later)


def _plain(raw: Any) -> Any:
    """Restrictions as the plain JSON that `app.hours` reads."""
    return [r.model_dump() if isinstance(r, Restriction) else r for r in raw] if isinstance(raw, list) else raw


_WEEKLY = {"name": "weekly", "unit": "week", "length": 1, "anchor": "2026-03-02T09:00", "members": [["ana"], ["ben"]]}
_EXAMPLE: dict[str, Any] = {
    "name": "Payments primary",
    "team": "payments",
    "time_zone": "Europe/Berlin",
    "layers": [_WEEKLY],
}


class ScheduleEdit(_Document):
    """All of a schedule that may change. Later layers win over earlier ones wherever they have somebody."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    name: Name
    team: Key | None = None
    time_zone: Annotated[str, Field(examples=["Europe/Berlin"])]
    layers: Annotated[list[LayerDocument], Field(max_length=20)] = []

    @field_validator("time_zone")
    @classmethod
    def _zone(cls, name: str) -> str:
        try:
            return hours.zone(name).key
        except Invalid as refused:
            raise ValueError(refused.message) from None


class ScheduleDocument(ScheduleEdit):
    """A schedule with its key, which never changes."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"key": "payments-primary"} | _EXAMPLE]})

    key: Key


class OverrideDocument(_Document):
    """`user` in place of whoever the layers say, during `[starts_at, ends_at)`; with `replaces` only in that user's."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"user": "ben", "starts_at": "2030-03-04T18:00:00Z", "ends_at": "2030-03-05T06:00:00Z"}]
        }
    )

    user: Key
    replaces: Key | None = None
    starts_at: Instant
    ends_at: Instant

    _bounds = field_validator("ends_at")(_later)

    @field_validator("replaces")
    @classmethod
    def _somebody_else(cls, replaces: str | None, info: ValidationInfo) -> str | None:
        if replaces is not None and replaces == info.data.get("user"):
            raise ValueError("replaces must be somebody else than user")
        return replaces


def computable(
    document: ScheduleEdit, users: Mapping[str, int], overrides: tuple[shifts.Override, ...] = (), *, schedule_id: int
) -> shifts.Schedule:
    """The schedule that `shifts` computes with. `users` has the ids of all members; layers are numbered from 1."""
    layers = tuple(
        Layer(
            id=position,
            name=layer.name,
            position=position,
            unit=layer.unit,
            length=layer.length,
            anchor=layer.anchor,
            members=tuple(tuple(users[key] for key in turn) for turn in layer.members),
            restrictions=hours.parse_spans(_plain(layer.restrictions)),
            starts_at=layer.starts_at,
            ends_at=layer.ends_at,
        )
        for position, layer in enumerate(document.layers, start=1)
    )
    return shifts.Schedule(schedule_id, document.name, document.time_zone, layers, overrides)

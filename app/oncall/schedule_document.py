"""Schedules as people write them, by keys: the body of the API and a part of the configuration document."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    PlainSerializer,
    Tag,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
)

from app import hours
from app.errors import INSTANT_NEEDED, Invalid
from app.oncall.layers import Mode, Order
from app.oncall.rotations import Rotation

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
        raise ValueError(INSTANT_NEEDED)
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


def later(ends_at: datetime | None, info: ValidationInfo) -> datetime | None:
    """For `ends_at` of what has a `starts_at`."""
    starts_at = info.data.get("starts_at")
    if starts_at and ends_at and starts_at >= ends_at:
        raise ValueError("must be later than starts_at")
    return ends_at


class Document(BaseModel):
    """What people write: strict, without unknown members."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, serialize_by_alias=True)


def _zone(name: str) -> str:
    try:
        return hours.zone(name).key
    except Invalid as refused:
        raise ValueError(refused.message) from None


Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
Zone = Annotated[str, AfterValidator(_zone), Field(examples=["Europe/Berlin"])]


class Restriction(Document):
    """Hours of some days; `to` before `from` ends on the next day, and may be 24:00."""

    days: list[Day]
    from_: Annotated[str, Field(alias="from", examples=["09:00"])]
    to: Annotated[str, Field(examples=["17:00"])]


class WeekSpan(Document):
    """From a time of the week to another, over midnight and over the end of the week."""

    from_: Annotated[str, Field(alias="from", examples=["fri 17:00"])]
    to: Annotated[str, Field(examples=["mon 08:00"])]


class Handoff(Document):
    """A time of the week at which a turn begins."""

    day: Day
    at: Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$", examples=["09:00"])]

    @property
    def minute(self) -> int:
        """Minutes since Monday 00:00."""
        return hours.week_minute(f"{self.day} {self.at}")


def canonical(raw: Any) -> Any:
    """For `restrictions`: the one way in which they are stored."""
    plain = [r.model_dump() if isinstance(r, Document) else r for r in raw] if isinstance(raw, list) else raw
    try:
        return hours.spans_json(hours.parse_spans(plain))
    except Invalid as refused:
        raise ValueError(refused.message) from None


class LayerHolidays(Document):
    """The layer counts only on the days of a calendar of holidays, or on all others."""

    calendar: Key
    counts: Literal["only", "never"]


class LayerDocument(Document):
    """One repeating pattern. `anchor` is the first handoff; `handoffs` are several in a week, the anchor one of them;
    `members` lists the turns in order, each the users who are on call together (an empty turn: nobody, lower layers
    show through); `restrictions` are the only hours covered, none: all. Turns without any covered time `pass` to
    whoever has them, or the rotation `skip`s them. The layer counts during `[starts_at, ends_at)`; without them always
    from its anchor on. `mode`: it replaces lower layers wherever it has somebody, adds to them, or names shadows, who
    look on and are not paged. `order`: turns go by `rotation`, or to whoever is longest `rested`, and then uncovered
    ones never count. Its times are in `time_zone`, or that of the schedule. `holidays`: days on which alone it counts,
    or does not; they are cut out like restrictions, and turns go on being counted."""

    name: Name
    unit: Literal["hour", "day", "week", "month"]
    length: Annotated[int, Field(ge=1, le=1000, description="units that one turn lasts")]
    anchor: LocalMinute
    handoffs: Annotated[list[Handoff], Field(max_length=50)] = []
    members: Annotated[list[Annotated[list[Key], Field(max_length=20)]], Field(min_length=1, max_length=200)]
    restrictions: Annotated[list[Restriction | WeekSpan], Field(max_length=50)] = []
    uncovered_turns: Literal["pass", "skip"] = "pass"
    mode: Mode = "replace"
    order: Order = "rotation"
    time_zone: Zone | None = None
    starts_at: Instant | None = None
    ends_at: Instant | None = None
    holidays: LayerHolidays | None = None

    @field_validator("handoffs")
    @classmethod
    def _with_the_anchor(cls, handoffs: list[Handoff], info: ValidationInfo) -> list[Handoff]:
        if not handoffs or not {"unit", "length", "anchor"} <= info.data.keys():
            return handoffs
        minutes = {handoff.minute: handoff for handoff in handoffs}
        try:
            Rotation(info.data["unit"], info.data["length"], info.data["anchor"], tuple(minutes))
        except Invalid as refused:
            raise ValueError(refused.message) from None
        return [minutes[minute] for minute in sorted(minutes)]

    @field_validator("members")
    @classmethod
    def _each_once(cls, members: list[list[str]]) -> list[list[str]]:
        for i, turn in enumerate(members):
            if len(set(turn)) < len(turn):
                raise ValueError(f"turn {i} names somebody twice")
        return members

    _restrictions = field_validator("restrictions", mode="before")(canonical)
    _bounds = field_validator("ends_at")(later)


class CalendarLayerDocument(Document):
    """A layer whose shifts are those of a `calendar`. Where it names nobody, or somebody whom nobody knows, lower
    layers show through. Everything else as in other layers."""

    name: Name
    calendar: Key
    restrictions: Annotated[list[Restriction | WeekSpan], Field(max_length=50)] = []
    mode: Mode = "replace"
    time_zone: Zone | None = None
    starts_at: Instant | None = None
    ends_at: Instant | None = None
    holidays: LayerHolidays | None = None

    _restrictions = field_validator("restrictions", mode="before")(canonical)
    _bounds = field_validator("ends_at")(later)

    @property
    def members(self) -> list[list[str]]:
        """It has none of its own."""
        return []


_TURNS, _GIVEN = "layer of turns", "layer of a calendar"
"""What no member is called: the path to what is wrong is told without them."""


def _kind(layer: Any) -> str:
    from_calendar = "calendar" in layer if isinstance(layer, dict) else isinstance(layer, CalendarLayerDocument)
    return _GIVEN if from_calendar else _TURNS


AnyLayer = Annotated[
    Annotated[LayerDocument, Tag(_TURNS)] | Annotated[CalendarLayerDocument, Tag(_GIVEN)], Discriminator(_kind)
]

_WEEKLY = {"name": "weekly", "unit": "week", "length": 1, "anchor": "2026-03-02T09:00", "members": [["ana"], ["ben"]]}
_EXAMPLE: dict[str, Any] = {
    "name": "Payments primary",
    "team": "payments",
    "time_zone": "Europe/Berlin",
    "layers": [_WEEKLY],
}


class Like(Document):
    """The layers of another schedule, everybody's turn `turns` earlier: by 1, whoever is next there is on call here."""

    schedule: Key
    turns: Annotated[int, Field(ge=-200, le=200)] = 1


class HandoffNotices(Document):
    """Who is told when a shift changes hands. Whoever comes learns it `minutes_before` the start, whoever leaves at the
    handoff. With `confirm_within_minutes` whoever comes must confirm, and is asked by the next contact method after so
    many minutes each; whoever leaves stays on call until somebody has confirmed."""

    minutes_before: Annotated[int, Field(ge=0, le=1440)] = 0
    confirm_within_minutes: Annotated[int | None, Field(ge=1, le=240)] = None


class ScheduleEdit(Document):
    """All of a schedule that may change. Later layers win over earlier ones wherever they have somebody. `like`: the
    layers of another schedule lie under its own. `handoff_notices`: nobody is told of handoffs without."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    name: Name
    team: Key | None = None
    time_zone: Zone
    layers: Annotated[list[AnyLayer], Field(max_length=20)] = []
    like: Like | None = None
    handoff_notices: HandoffNotices | None = None

    @property
    def calendars(self) -> set[str]:
        """The keys of all calendars that its layers name."""
        shifts = {layer.calendar for layer in self.layers if isinstance(layer, CalendarLayerDocument)}
        return shifts | {layer.holidays.calendar for layer in self.layers if layer.holidays}


class ScheduleDocument(ScheduleEdit):
    """A schedule with its key, which never changes."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"key": "payments-primary"} | _EXAMPLE]})

    key: Key

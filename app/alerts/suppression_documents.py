"""Maintenance windows, inhibition rules and time intervals as people write them, by keys; and from that what judges."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, ConfigDict, Field, model_validator

from app import hours
from app.alerts.inhibition import Inhibition
from app.alerts.maintenance import Window
from app.directory.documents import Document, Key, Name, Zone
from app.errors import INSTANT_NEEDED, Invalid, WrongMember
from app.hours import Span, TimeInterval, WeeklyHours
from app.rules import matchers, matching
from app.rules.matching import Matching

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
LONGEST_MINUTES = 7 * 24 * 60 - 1
"""A weekly window that lasts the whole week would never end."""


def _instant(value: Any) -> Any:
    """RFC 3339, which strict mode would refuse as a string."""
    try:
        return datetime.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        raise ValueError(INSTANT_NEEDED) from None


def _in_utc(at: datetime) -> datetime:
    try:
        return at.astimezone(UTC)
    except OverflowError:
        raise ValueError(INSTANT_NEEDED) from None


def _matchers(text: str) -> str:
    try:
        matching.of(matchers.parse(text))
    except Invalid as refused:
        raise ValueError(refused.message) from None
    return text


Instant = Annotated[
    AwareDatetime,
    BeforeValidator(_instant, json_schema_input_type=str),
    AfterValidator(_in_utc),
    Field(examples=["2026-11-22T22:00:00Z"]),
]
Matchers = Annotated[
    str, Field(max_length=4_096), AfterValidator(_matchers), Field(examples=['{severity="critical", cluster=~"eu-.*"}'])
]
"""As Alertmanager writes them."""
TimeOfDay = Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$", examples=["22:00"])]


def compiled(text: str) -> Matching:
    return matching.of(matchers.parse(text))


class Weekly(Document):
    """Comes back every week: on these days from a time of day on, for so many minutes, by the clocks of a zone."""

    days: Annotated[list[Day], Field(min_length=1, max_length=7)]
    at: TimeOfDay
    minutes: Annotated[int, Field(ge=1, le=LONGEST_MINUTES)]
    time_zone: Zone

    @model_validator(mode="after")
    def _closes(self) -> Weekly:
        if len(set(self.days)) < len(self.days):
            raise WrongMember("days", "each at most once")
        spans = self.hours().week.parts
        if sum(b - a for a, b in spans) >= 7 * 86_400:
            raise WrongMember("minutes", "the window would never end")
        return self

    def hours(self) -> WeeklyHours:
        start = int(self.at[:2]) * 60 + int(self.at[3:])
        starts = [hours.DAYS.index(day) * 1440 + start for day in self.days]
        return WeeklyHours(self.time_zone, tuple(sorted(Span(at, at + self.minutes) for at in starts)))


_WINDOW: dict[str, Any] = {
    "name": "Database upgrade",
    "comment": "Postgres 18",
    "owner": "ana",
    "services": ["checkout"],
    "starts_at": "2026-11-22T22:00:00Z",
    "ends_at": "2026-11-23T02:00:00Z",
}


class MaintenanceWindowEdit(Document):
    """A planned period in which services page nobody: one-off from `starts_at` to `ends_at`, or `weekly`, which those
    two may bound. `with_dependents`: also the services that depend on these."""

    model_config = ConfigDict(json_schema_extra={"examples": [_WINDOW]})

    name: Name
    comment: Annotated[str, Field(min_length=1, max_length=1_000, pattern=r"\S")]
    owner: Annotated[str, Field(min_length=1, max_length=200, pattern=r"\S")]
    services: Annotated[list[Key], Field(min_length=1, max_length=1_000)]
    with_dependents: bool = False
    starts_at: Instant | None = None
    ends_at: Instant | None = None
    weekly: Weekly | None = None

    @model_validator(mode="after")
    def _ends(self) -> MaintenanceWindowEdit:
        if self.weekly is None and (self.starts_at is None or self.ends_at is None):
            raise ValueError("give starts_at and ends_at, or weekly")
        if self.starts_at is not None and self.ends_at is not None and self.starts_at >= self.ends_at:
            raise WrongMember("ends_at", "must lie after starts_at")
        return self

    def window(self, key: str) -> Window:
        weekly = None if self.weekly is None else self.weekly.hours()
        return Window(key, self.name, self.owner, self.starts_at, self.ends_at, weekly)


class MaintenanceWindowDocument(MaintenanceWindowEdit):
    model_config = ConfigDict(json_schema_extra={"examples": [{"key": "db-upgrade", **_WINDOW}]})

    key: Key


_INHIBITION: dict[str, Any] = {
    "name": "A host that is down",
    "source": '{alertname="HostDown"}',
    "target": '{severity="warning"}',
    "equal": ["host"],
}


class InhibitionRuleEdit(Document):
    """While an alert fires that matches `source`, alerts that match `target` and have the same values of the labels
    `equal` page nobody."""

    model_config = ConfigDict(json_schema_extra={"examples": [_INHIBITION]})

    name: Name
    source: Matchers
    target: Matchers
    equal: list[Annotated[str, Field(min_length=1, max_length=200)]] = Field(default_factory=list, max_length=20)

    @model_validator(mode="after")
    def _says_something(self) -> InhibitionRuleEdit:
        for side in ("source", "target"):
            if not matchers.parse(getattr(self, side)):
                raise WrongMember(side, "there is no matcher")
        return self

    def inhibition(self, key: str) -> Inhibition:
        return Inhibition(key, self.name, compiled(self.source), compiled(self.target), tuple(self.equal))


class InhibitionRuleDocument(InhibitionRuleEdit):
    model_config = ConfigDict(json_schema_extra={"examples": [{"key": "host-down", **_INHIBITION}]})

    key: Key


def _interval(raw: Any) -> Any:
    try:
        parsed = hours.parse_interval(raw, "")
    except Invalid as refused:
        wrong = refused.errors[0]
        raise WrongMember(wrong["field"].removeprefix("."), wrong["message"]) from None
    if parsed == TimeInterval(location=parsed.location):  # Alertmanager takes it; here it would hold for everybody
        raise ValueError("it would hold always: give times, weekdays, days_of_month, months or years")
    return raw


_INTERVAL: dict[str, Any] = {
    "name": "Nights and weekends",
    "services": ["reports"],
    "matchers": '{severity!="critical"}',
    "intervals": [
        {"times": [{"start_time": "20:00", "end_time": "24:00"}], "location": "Europe/Berlin"},
        {"weekdays": ["saturday", "sunday:sunday"], "location": "Europe/Berlin"},
    ],
}


class TimeIntervalEdit(Document):
    """Recurring times in which alerts of these services that match page nobody, in Alertmanager's language of time
    intervals. No services: of all; no matchers: all of them."""

    model_config = ConfigDict(json_schema_extra={"examples": [_INTERVAL]})

    name: Name
    services: list[Key] = Field(default_factory=list, max_length=1_000)
    matchers: Matchers = "{}"
    intervals: Annotated[list[Annotated[dict[str, Any], AfterValidator(_interval)]], Field(min_length=1, max_length=50)]

    def parsed(self) -> tuple[TimeInterval, ...]:
        return tuple(hours.parse_interval(raw) for raw in self.intervals)


class TimeIntervalDocument(TimeIntervalEdit):
    model_config = ConfigDict(json_schema_extra={"examples": [{"key": "nights", **_INTERVAL}]})

    key: Key


def keys_of(services: Iterable[str], ids: dict[str, int]) -> list[tuple[str, str]]:
    """(field, message) for every service that does not exist."""
    return [(f"services[{i}]", f"there is no service {k!r}") for i, k in enumerate(services) if k not in ids]

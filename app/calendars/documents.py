"""Calendars as people write them, by keys: the bodies of the API and a part of the configuration document."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import ConfigDict, Field, StringConstraints, field_validator, model_validator

from app.directory.documents import Document, Key, Name, Zone
from app.errors import WrongMember

MAX_TEXT = 1024 * 1024
_SCHEMES = {"webcal": "https", "webcals": "https"}
Alias = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"\S")]
Address = Annotated[
    str,
    StringConstraints(max_length=2000, pattern=r"^(https?|webcals?)://[^\s/@]+(/\S*)?$"),
    Field(examples=["https://calendar.example.org/team/private-5f3a/basic.ics"]),
]
"""Of a feed: `webcal://` is `https://` by another name. It is kept encrypted and never shown again."""


class Observers(Document):
    """Whose days off the days of a calendar of holidays are: those of these users, of the members of these teams, or of
    everybody. Where several calendars would count for somebody, those that name the person count, else those of the
    teams, else those of everybody."""

    everybody: bool = False
    teams: Annotated[list[Key], Field(max_length=1000)] = Field(default=[])
    users: Annotated[list[Key], Field(max_length=1000)] = Field(default=[])

    @field_validator("teams", "users")
    @classmethod
    def _sorted(cls, keys: list[str]) -> list[str]:
        return sorted(set(keys))


_SHIFTS: dict[str, Any] = {"name": "Rota of the database team", "team": "payments", "people": {"Ann B.": "ana"}}
_HOLIDAYS: dict[str, Any] = {
    "name": "Holidays in Berlin",
    "purpose": "holidays",
    "source": "country",
    "country": "DE",
    "subdivision": "BE",
    "observed_by": {"everybody": True},
}


class CalendarEdit(Document):
    """All of a calendar that may change, but its address. `purpose`: it holds `shifts`, which layers of schedules take,
    or `holidays`. `source`: it is read from an `address`, given as `text` (iCalendar), or holidays of a `country` and
    perhaps a `subdivision` of it (ISO 3166). `time_zone`: of times that have none; null: the organisation's. `people`:
    names that it uses, and the keys of the users that they mean, beside keys, names and mail addresses. `refresh_s`:
    how often it is read."""

    model_config = ConfigDict(json_schema_extra={"examples": [_SHIFTS, _HOLIDAYS]})

    name: Name
    team: Key | None = None
    purpose: Literal["shifts", "holidays"] = "shifts"
    source: Literal["address", "text", "country"] = "address"
    text: Annotated[str, Field(max_length=MAX_TEXT)] = ""
    country: Annotated[str, Field(pattern=r"^[A-Z]{2}$", examples=["DE"])] | None = None
    subdivision: Annotated[str, Field(min_length=1, max_length=40, examples=["BE"])] | None = None
    time_zone: Zone | None = None
    people: Annotated[dict[Alias, Key], Field(max_length=1000)] = Field(default={})
    observed_by: Observers = Observers()
    refresh_s: Annotated[int, Field(ge=300, le=86_400)] = 900

    @field_validator("text")
    @classmethod
    def _lines(cls, text: str) -> str:
        return text.replace("\r\n", "\n")

    @model_validator(mode="after")
    def _fits(self) -> CalendarEdit:
        if self.source == "country" and (self.purpose != "holidays" or self.country is None):
            raise WrongMember("country", "a calendar of a country takes a country, and the purpose holidays")
        if self.source != "country" and (self.country or self.subdivision):
            raise WrongMember("country", "it takes the source country")
        if (self.source == "text") != bool(self.text.strip()):
            raise WrongMember("text", "it takes the source text, and a text that is not empty")
        if self.purpose != "holidays" and self.observed_by != Observers():
            raise WrongMember("observed_by", "only holidays are observed")
        return self


class CalendarDocument(CalendarEdit):
    """A calendar with its key, which never changes."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"key": "berlin", **_HOLIDAYS}, {"key": "database-rota", **_SHIFTS}]}
    )

    key: Key


def shown(address: str) -> str:
    """An address without what may be secret in it: where it is, not what is asked there."""
    parts = urlsplit(address)
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{parts.hostname or ''}{port}/…"


def fetchable(address: str) -> str:
    """The address as it is asked for: `webcal` is no protocol of its own."""
    scheme, _, rest = address.partition("://")
    return f"{_SCHEMES.get(scheme, scheme)}://{rest}"

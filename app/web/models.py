"""What JSON bodies and answers are made of. Bodies are strict: no unknown member, no `"5"` for 5, no local times."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator

from app.errors import INSTANT_NEEDED


def _instant(value: Any) -> Any:
    """RFC 3339 with an offset, which strict mode would refuse as a string; numbers are no instants here."""
    if isinstance(value, datetime):
        return value
    if not isinstance(value, str):
        raise ValueError(INSTANT_NEEDED)
    try:
        parsed = datetime.fromisoformat(value)
        return parsed.astimezone(UTC) if parsed.tzinfo is not None else parsed
    except (ValueError, OverflowError):
        raise ValueError(INSTANT_NEEDED) from None


Instant = Annotated[
    AwareDatetime, BeforeValidator(_instant, json_schema_input_type=str), Field(examples=["2026-11-22T12:00:00Z"])
]
"""An instant in JSON: RFC 3339 with an offset, answered in UTC."""

KEY_PATTERN = "^[a-z0-9][a-z0-9_-]{0,63}$"
Key = Annotated[str, StringConstraints(pattern=KEY_PATTERN), Field(examples=["checkout"])]
"""The unique, immutable name of a configuration row in URLs and documents."""

Name = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True, min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f\u202a-\u202e\u2066-\u2069]*$"
    ),
]
"""What people call it: one line, and nothing that turns the direction of what stands beside it."""


class Body(BaseModel):
    """What a client sends. Characters that PostgreSQL cannot store (NUL, lone surrogates) are refused."""

    model_config = ConfigDict(extra="forbid", strict=True)

    @model_validator(mode="before")
    @classmethod
    def _storable(cls, value: Any) -> Any:
        _check(value)
        return value

    def given(self) -> dict[str, Any]:
        """The members that were sent, for a PATCH: what is absent stays as it is, null clears."""
        return {name: getattr(self, name) for name in self.model_fields_set}


def _check(value: Any) -> None:
    if isinstance(value, str):
        if "\x00" in value or (not value.isascii() and any("\ud800" <= c <= "\udfff" for c in value)):
            raise ValueError("a text holds a character that cannot be stored")
    elif isinstance(value, dict):
        for name, inner in value.items():
            _check(name)
            _check(inner)
    elif isinstance(value, list):
        for inner in value:
            _check(inner)


def example(**members: Any) -> ConfigDict:
    """The `model_config` of a body with this example in the OpenAPI document."""
    return ConfigDict(json_schema_extra={"examples": [members]})


class Answer(BaseModel):
    """What we answer, from a row or a dataclass; members of the row that are not named here stay inside."""

    model_config = ConfigDict(from_attributes=True, extra="ignore")

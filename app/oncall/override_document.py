"""Overrides and swaps as people write them, by keys: bodies of the API."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, ValidationInfo, field_validator, model_validator

from app.oncall.schedule_document import Document, Instant, Key, later

OverrideKind = Literal["replace", "add", "remove"]


class OverrideDocument(Document):
    """During `[starts_at, ends_at)`: `user` in place of whoever the layers say, with `replaces` only in that user's
    (`replace`); `user` besides them (`add`); nobody in the place of `replaces`, where lower layers do not show through
    (`remove`)."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"user": "ben", "starts_at": "2030-03-04T18:00:00Z", "ends_at": "2030-03-05T06:00:00Z"}]
        }
    )

    kind: OverrideKind = "replace"
    user: Annotated[Key | None, Field(validate_default=True)] = None
    replaces: Annotated[Key | None, Field(validate_default=True)] = None
    starts_at: Instant
    ends_at: Instant

    _bounds = field_validator("ends_at")(later)

    @field_validator("user")
    @classmethod
    def _somebody(cls, user: str | None, info: ValidationInfo) -> str | None:
        kind = info.data.get("kind")
        if user is None and kind in ("replace", "add"):
            raise ValueError("is missing")
        if user is not None and kind == "remove":
            raise ValueError("who is removed is named in replaces, and nobody comes instead")
        return user

    @field_validator("replaces")
    @classmethod
    def _in_place_of(cls, replaces: str | None, info: ValidationInfo) -> str | None:
        kind = info.data.get("kind")
        if replaces is None and kind == "remove":
            raise ValueError("is missing: whose place becomes empty")
        if replaces is not None and kind == "add":
            raise ValueError("who is added takes nobody's place")
        if replaces is not None and replaces == info.data.get("user"):
            raise ValueError("replaces must be somebody else than user")
        return replaces


class Window(Document):
    """`[starts_at, ends_at)`."""

    starts_at: Instant
    ends_at: Instant

    _bounds = field_validator("ends_at")(later)


class SwapDocument(Document):
    """Somebody else is asked to take the shifts that `user` has in `[starts_at, ends_at)`. `to`: only this person;
    nobody: whoever wants. `in_return`: `user` takes that person's shifts of another time."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"starts_at": "2030-03-04T08:00:00Z", "ends_at": "2030-03-05T08:00:00Z", "to": "ben"}]
        }
    )

    user: Key | None = None
    """Whose shifts; whoever asks if left out."""
    starts_at: Instant
    ends_at: Instant
    to: Key | None = None
    in_return: Window | None = None
    comment: Annotated[str, Field(max_length=2000)] = ""

    _bounds = field_validator("ends_at")(later)

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.in_return is not None and self.to is None:
            raise ValueError("what is given in return needs somebody who gives it: to")
        if self.to is not None and self.to == self.user:
            raise ValueError("nobody swaps with themselves")
        return self

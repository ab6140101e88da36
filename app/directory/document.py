"""What every document of configuration is made of."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, field_validator


class Document(BaseModel):
    """Strict; NUL, which PostgreSQL cannot store, is refused in every text."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    @field_validator("*", mode="before")
    @classmethod
    def _storable(cls, value: Any) -> Any:
        if isinstance(value, str) and "\x00" in value:
            raise ValueError("a text cannot hold the character NUL")
        return value


def example(**members: Any) -> ConfigDict:
    """The `model_config` of a document with this example in the schemas."""
    return ConfigDict(json_schema_extra={"examples": [members]})

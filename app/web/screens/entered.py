"""What forms send, as texts, and what is wrong with it, field by field.

A form that is refused is shown again with what was entered and each message beside its field. So its fields are taken
as texts here, and what the API's bodies say about them (`wrongs`) decides.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from app import hours
from app.errors import Invalid, Refusal, WrongMember, field_message

LOCAL_TIME: Final = "a date and a time are needed, like 2026-11-22T14:30"


class Entered(BaseModel):
    """The fields of a form as they were sent. What PostgreSQL cannot hold is left out; lines end as they do here."""

    model_config = ConfigDict(extra="ignore")

    @field_validator("*", mode="before")
    @classmethod
    def _plain(cls, value: Any) -> Any:
        if isinstance(value, list):
            return [cls._plain(item) for item in value]
        return value.replace("\x00", "").replace("\r\n", "\n") if isinstance(value, str) else value


def wrongs(
    refused: ValidationError | Refusal, fields: Collection[str], names: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Message by field of the form; by `""` what belongs to none of `fields`. `names`: what the form calls a member
    that has another name in the body."""
    found: dict[str, str] = {}
    for path, message in _messages(refused):
        name = (names or {}).get(path, path)
        known = name if name in fields else ""
        said = message if known or not path else f"{path}: {message}"
        found[known] = f"{found[known]}; {said}" if known in found else said
    return found


def _messages(refused: ValidationError | Refusal) -> list[tuple[str, str]]:
    """(name of the innermost member that has one, message)."""
    if isinstance(refused, ValidationError):
        return [(_last(e), field_message(dict(e))) for e in refused.errors()]
    if isinstance(refused, Invalid) and refused.errors:
        parts = [e["field"].partition("[")[0].rpartition(".")[2] for e in refused.errors]
        return [(part, e["message"]) for part, e in zip(parts, refused.errors, strict=True)]
    return [("", refused.message)]


def _last(error: Mapping[str, Any]) -> str:
    inner = (error.get("ctx") or {}).get("error")
    named = (*error["loc"], inner.path.rpartition(".")[2]) if isinstance(inner, WrongMember) else error["loc"]
    return next((part for part in reversed(named) if isinstance(part, str)), "")


def local_instant(text: str, zone: ZoneInfo, ends_after: datetime | None = None) -> datetime | None:
    """The instant (UTC) of a `datetime-local` field in this zone; None for one that is not such a time. `ends_after`:
    it is an end, to be after this."""
    try:
        local = datetime.fromisoformat(text)
        return hours.instant(local, zone) if ends_after is None else hours.ahead(local, zone, ends_after)
    except (ValueError, OverflowError):
        return None

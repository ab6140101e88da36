"""The four ways a command can refuse. Each carries fields; `web/problems.py` turns them into RFC 9457 once.

What is normal is not an error: `acknowledge` returns `AlreadyAcknowledged`, it does not raise.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final


class Refusal(Exception):
    """Base of all four. `code` is stable and documented; `fields` are shown to the caller and hold no secrets."""

    code = "refused"

    def __init__(self, message: str, *, code: str | None = None, **fields: Any) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or type(self).code
        self.fields = fields


class NotFound(Refusal):
    """There is no such thing, or the caller may not know of it."""

    code = "not_found"


class Conflict(Refusal):
    """The thing is not as the caller believed: edited meanwhile, taken, in use."""

    code = "conflict"


class Forbidden(Refusal):
    """The caller is known and may not do this."""

    code = "forbidden"


class Invalid(Refusal):
    """The input cannot be right. `errors` lists `{"field": "layers[0].members", "message": "..."}`."""

    code = "invalid"

    def __init__(
        self, message: str, *, code: str | None = None, errors: list[dict[str, str]] | None = None, **fields: Any
    ) -> None:
        super().__init__(message, code=code, **fields)
        self.errors = errors or []


PATTERNS: Final = (
    ("[a-z0-9]", "a key takes lower case letters, digits, - and _, and begins with a letter or a digit"),
    ("@", "give a mail address, like ana@example.org"),
    ("https?://", "give an address that begins with http:// or https://"),
    (r"[01]\d", "give a time of day, like 09:00"),
    (r"\S", "it must not be blank"),
    (r"\x00-\x1f", "it must not be blank, nor hold line breaks or control characters"),
)
"""What people are told in place of a pattern in which the first text occurs: regular expressions are for programs."""


def field_message(error: Mapping[str, Any]) -> str:
    """What is wrong with a member, for whoever wrote it, from one of Pydantic's errors."""
    kind, message = error["type"], str(error["msg"])
    if kind == "extra_forbidden":
        return "there is no such member here; is it misspelt?"
    if kind == "missing":
        return "is missing"
    if kind == "string_pattern_mismatch":
        pattern = str(error["ctx"]["pattern"])
        return next((words for part, words in PATTERNS if part in pattern), message)
    if kind in ("too_short", "string_too_short") and error["ctx"]["min_length"] == 1:
        return "it must not be empty"
    return message.removeprefix("Value error, ").removeprefix("Assertion failed, ")

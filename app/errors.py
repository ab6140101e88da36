"""The four ways a command can refuse. Each carries fields; `web/problems.py` turns them into RFC 9457 once.

What is normal is not an error: `acknowledge` returns `AlreadyAcknowledged`, it does not raise.
"""

from __future__ import annotations

from typing import Any


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
